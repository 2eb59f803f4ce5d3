/* A private redis-server for one test: on a unix socket in a folder of its
 * own, gone with the test whatever becomes of it. It can be killed, started
 * again over the same data, and frozen, at any awkward moment. */
#pragma once
#include <stddef.h>

struct redis_house;

/* Ready to be talked to when it returns. `extra_args` (borrowed until stop): NULL, or more
 * words for redis-server's command line, NULL-terminated: {"--appendonly", "yes", NULL}.
 * Without any, nothing is kept on disk. */
struct redis_house *redis_house_start(const char *const *extra_args);
void redis_house_stop(struct redis_house *); /* and removes the folder */
/* The same for cmocka, where the state is the house. */
int redis_house_set_up(void **state);
int redis_house_tear_down(void **state);

const char *redis_house_url(const struct redis_house *);    /* unix:///... */
const char *redis_house_folder(const struct redis_house *); /* for sockets and files of the test */

void redis_house_kill(struct redis_house *);    /* SIGKILL, and waits until it is dead */
void redis_house_restart(struct redis_house *); /* kills it where it lives; ready on return */
void redis_house_pause(struct redis_house *);   /* SIGSTOP: connections stay, answers do not come */
void redis_house_resume(struct redis_house *);  /* SIGCONT */

/* One command on a connection of its own, words parted by blanks; the reply's
 * bytes as they come ("+OK\r\n"), valid until the next call. For servers without
 * a password and replies under 4 KiB. */
const char *redis_house_say(struct redis_house *, const char *command);
