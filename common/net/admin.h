/* The admin listener: /healthz, /readyz and /metrics over plain HTTP. */
#pragma once
#include "base/metrics.h"
#include "net/http_server.h"

enum { ADMIN_CONNECTIONS = 64 }; /* at once, besides those that are told that they are too many */

struct admin;

struct admin_options {
    const char *address;
    bool beside; /* the next process may listen there while this one still runs */
    struct metrics *metrics;
    /* Before /metrics is answered: set the gauges. NULL: nothing to set. */
    loop_fn *on_scrape;
    /* Fills one JSON object; true: 200, false: 503. */
    bool (*on_ready)(void *arg, struct string *json);
    bool (*on_health)(void *arg, struct string *json);
    void *arg;
};

/* NULL with a sentence where it cannot listen. Logs "admin listening address=...". */
struct admin *admin_start(struct loop *, const struct admin_options *, struct string *why);
/* Where it listens, as the kernel tells it; empty for NULL. Lives as long as admin does. */
struct text admin_address(const struct admin *);
/* This process is about to stop: where another one listens there too, it alone is asked from now
 * on. Not from within a callback of the options. */
void admin_yield(struct admin *); /* NULL is fine */
void admin_stop(struct admin *);
