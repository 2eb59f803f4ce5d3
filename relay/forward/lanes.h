/* Lanes: the events of one key stand one behind the other, in the stream's order, and only the
 * first of a lane may be tried. Pure: the clock comes as a parameter.
 *
 *   put ──▶ waits ──▶ ready ◀──▶ later       end: it is settled, and the one behind it is first
 *          (behind      │  ▲     (not before
 *          another)     ▼  │      its time)
 *                      started
 *
 * Only ids and keys stand here, no body: what is owed stands in the ledger, from which the lanes
 * can be put together again at any time. Events that nobody put are passed over in silence, since
 * lanes may be forgotten while their events are on their way. */
#pragma once
#include <stdbool.h>

#include "ledger/moves.h"

enum { LANES_ID = 48 }; /* bytes of a stream id, with its NUL */

struct lanes;

struct lanes *lanes_create(void);
void lanes_destroy(struct lanes *);
void lanes_clear(struct lanes *);

/* Behind all of its key that were put before: put them in the stream's order. One that is there
 * already stays as it is. */
struct lanes_event {
    struct text id, key; /* no key: a lane of its own */
    bool tried;          /* at least once, to its end */
    int64_t at_ms;       /* not before */
};
void lanes_put(struct lanes *, const struct lanes_event *);

/* Up to `most` that may be tried now, tried ones and others in turn, but of those that were tried
 * no more than `tried_most`. They stay where they are until they are started. */
size_t lanes_ready(struct lanes *, int64_t now_ms, size_t most, size_t tried_most,
                   struct moves_head *);
size_t lanes_new(struct lanes *, int64_t now_ms);   /* how many are ready and were never tried */
size_t lanes_tried(struct lanes *, int64_t now_ms); /* and that were */

void lanes_start(struct lanes *, struct text id);
void lanes_defer(struct lanes *, struct text id, bool tried, int64_t at_ms); /* keeps its place */
void lanes_end(struct lanes *, struct text id);

/* A dead letter went out of the lane: the next event that is settled is told its id. */
void lanes_mark(struct lanes *, struct text key, struct text dead);
void lanes_unmark(struct lanes *, struct text key);
struct text lanes_dead_before(const struct lanes *, struct text id); /* empty: none */
struct text lanes_key(const struct lanes *, struct text id);         /* empty: none */

size_t lanes_count(const struct lanes *); /* all events */
size_t lanes_idle(const struct lanes *);  /* of these, not started */
/* Until one more is ready; -1: nothing is for later. */
int64_t lanes_wait_ms(struct lanes *, int64_t now_ms);
