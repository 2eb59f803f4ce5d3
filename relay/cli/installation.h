/* An installation is all of kula-relay on this machine, in one folder: a private
 * redis-server on a unix socket, `forward` and `serve`, as children of this process.
 *
 * It is waited upon: each step says whether it went well, and everything ends
 * early when a child dies or somebody asks us to end (Ctrl-C, SIGTERM). */
#pragma once
#include "base/config.h"
#include "net/loop.h"

struct children;

struct installation {
    struct loop *loop; /* not owned */
    struct children *children;
    char *directory; /* absolute */
    char *redis_url;
    int lock; /* so that no other one works in the same folder */
    bool asked_to_end;
    char *died; /* a sentence: which child, and how; NULL: all live */
    bool stopped;
};

/* All of these: false with a sentence in `why` (an empty one when asked to end). */

/* Makes the folder, locks it, and sets KULA_RELAY_REDIS_URL for us and the children. */
bool installation_open(struct installation *, struct loop *, const char *directory,
                       struct string *why);
/* With the durability of what waits for it: `appendfsync always` where a 2xx does. */
bool installation_start_redis(struct installation *, enum config_durability, struct string *why);
/* A command of this very program, as a child. log_file NULL: our stderr. */
bool installation_start(struct installation *, const char *command, const char *config_file,
                        const char *log_file, struct string *why);

/* Turns the loop until the fact holds; looks every 20 ms. False at the deadline,
 * too. */
typedef bool installation_fact(void *arg);
bool installation_wait(struct installation *, installation_fact *, void *arg, int64_t deadline_ms);

void installation_close(struct installation *); /* ends the children in order; waits for it */
