/* A release walks through the pen and puts what now passes through the front: into the
 * stream, by the script that live deliveries take, so that what was stored before is told
 * as duplicate. Only then does it leave the pen: broken off in between, it is found there
 * again and is a duplicate.
 *
 * Page by page, and of each page a little in one turn of the loop. */
#pragma once
#include "pen/judge.h"

struct release;
struct loop;

struct release_ruled { /* borrowed until the callback returns */
    const struct pen_entry *entry;
    struct text event_id; /* empty where none could be read */
    const char *stays;    /* NULL: it is released. Else why not */
    bool duplicate;       /* released, and the event was there already */
};

struct release_options {
    struct loop *loop;
    struct ledger *ledger; /* borrowed */
    bool dry_run;          /* nothing is changed; what would be released is told as released */
    bool (*wants)(void *arg, const struct pen_entry *);        /* NULL: all of them */
    void (*on_ruled)(void *arg, const struct release_ruled *); /* each that was wanted */
    /* All was ruled on, or Redis does not do it: then the next walk begins with that page. */
    void (*on_end)(void *arg, enum ledger_outcome);
    void *arg;
};

struct release *release_create(const struct release_options *);
void release_destroy(struct release *); /* when it rests, or after the ledger */

/* From now on this judge rules (taken; NULL stays behind), and a walk begins with what is oldest. A
 * walk under way is broken off, without an on_end. */
void release_begin(struct release *, struct judge **);
/* The same judge, from what is oldest: what had left the pen may stand in it again. A walk under
 * way begins again after its page, without an on_end. */
void release_begin_again(struct release *);
/* A walk from where the last one ended. While one is under way, nothing. */
void release_go_on(struct release *);
