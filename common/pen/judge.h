/* A judge tells what a penned delivery is by the secrets of today: an event, or why it
 * stays in the pen.
 *
 * It is judged as of its receipt: how stale its signature was is a matter of when it came,
 * and not of how long it has stood in the pen since. Pure. */
#pragma once
#include "base/config.h"
#include "kula/envelope.h"
#include "ledger/pen.h"

/* The reasons for which something is penned, in order; NULL beyond the last. */
const char *judge_reason_name(size_t);

struct judge;
struct judge *judge_create(const struct config *); /* borrowed for its life; with secrets */
void judge_destroy(struct judge *);

/* A hearing hashes the body in steps, so that a long one does not hold up the loop. Entry and
 * judge are borrowed until it ends. */
struct hearing;
struct hearing *judge_hear(const struct judge *, const struct pen_entry *);
/* About so many bytes more; how many it were. Nothing is left to hash when `judge_heard`. */
size_t judge_go_on(struct hearing *, size_t bytes);
bool judge_heard(const struct hearing *);

struct ruling {
    const char *stays; /* NULL: it is an event. Else why not, in snake case */
    struct envelope envelope;
    int64_t window_ms; /* for how long its id is to be remembered */
};
void judge_rule(struct hearing *, struct ruling *); /* only when heard */
void judge_dismiss(struct hearing *);               /* ends it, at any time; NULL is fine */
