/* A loop with one connection to Redis on it, as the tests of the connection
 * use it: ask, wait for what became of it, look. */
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "net/redis.h"

struct desk {
    struct loop *loop;
    struct redis *redis;
    unsigned ups, downs; /* how often on_state said so */
    unsigned ended;      /* asks with an outcome */
};

/* One call and what became of it. */
struct ask {
    struct desk *desk;
    unsigned times; /* the callback came; has to end as 1 */
    unsigned turn;  /* the how-manieth of all asks to end, from 1 */
    enum redis_outcome outcome;
    enum redis_kind kind;
    int64_t integer;
    size_t count;
    struct string text;
};

struct desk *desk_open(const char *url);
struct desk *desk_open_with(const struct redis_options *); /* on_state and arg are the desk's */
void desk_close(struct desk *);
void desk_wait_connected(struct desk *);
void desk_wait_trouble(struct desk *, const char *part); /* until it is away and says so */

/* `command`: words parted by blanks. The ask is the caller's; ask_finish it. */
void desk_ask(struct desk *, struct ask *, const char *command, int64_t deadline_ms,
              bool repeatable);
void desk_call(struct desk *, struct ask *, const struct redis_call *);
void desk_wait(struct desk *, const struct ask *); /* fails the test after 20 s */
void ask_finish(struct ask *);
