/* Is the ledger's Redis there? What a program that runs for long tells of it: a line in the log
 * each time that this changes, and two metrics. */
#pragma once
#include "base/metrics.h"
#include "ledger/ledger.h"

struct presence;

enum presence_news { PRESENCE_CONNECTED, PRESENCE_BACK, PRESENCE_AWAY };

struct presence_needs { /* all borrowed for its life */
    struct loop *loop;
    struct metrics *metrics; /* NULL: nobody asks for them */
    /* What its absence means here, for the log: one line. */
    const char *(*meanwhile)(void *arg);
    void (*on_news)(void *arg, enum presence_news); /* after the line in the log */
    void *arg;
};

struct presence *presence_create(const struct presence_needs *);
/* As ledger_create, but what no retry could mend is told as config_load tells mistakes. The ledger
 * is the caller's, and goes before its presence does. A Redis that is not there yet is no news for
 * a second. */
struct ledger *presence_open(struct presence *, const struct config *, const char *name,
                             struct string *problems);
void presence_destroy(struct presence *);
bool presence_is_away(const struct presence *); /* and that has been told */
