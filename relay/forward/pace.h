/* Pacing: how many attempts a service may have at once, and when it is better
 * left alone. Pure: the clock and Redis' word come as parameters.
 *
 * The window begins at `concurrency`, halves on trouble and grows by one with
 * each windowful that went well. Of two slots or more, one is never a retry's:
 * events that fail for hours, however slowly, do not keep a new one waiting.
 *
 * The breaker opens when FAILURES attempts in a row went wrong at EVENTS
 * different events; whether it is open stands in Redis, which hands out one
 * probe at a time then, to whichever forwarder asks first. A probe that goes
 * well closes it, and the window begins again at one, or at two where the
 * probe was this forwarder's. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "ledger/moves.h"

enum { PACE_FAILURES = 5, PACE_EVENTS = 3, PACE_ID = 48 };

struct pace {
    int64_t most; /* attempts at once */
    int64_t rate; /* attempts a second; 0: no limit */
    double window;
    unsigned round;     /* counts up when the window halves */
    double tokens;      /* attempts that `rate` has to spare */
    int64_t tokens_ms;  /* when they were counted; steady time */
    unsigned failures;  /* in a row */
    unsigned different; /* events among them, up to PACE_EVENTS */
    char failed[PACE_EVENTS][PACE_ID];
    bool open;       /* as Redis said last */
    unsigned probes; /* that failed since it opened */
};

void pace_init(struct pace *, int64_t concurrency, int64_t rate, int64_t now_ms);

/* Other limits. A window that stood at its most does so again, one that trouble has narrowed stays
 * narrow. */
void pace_limit(struct pace *, int64_t concurrency, int64_t rate, int64_t now_ms);

/* How many attempts may start, with so many in flight, of which so many are
 * retries: as far as the window goes, and now, as `rate` goes too; and how many
 * of the new ones may be retries. */
size_t pace_room(const struct pace *, size_t in_flight, size_t retries_in_flight);
size_t pace_slots(struct pace *, size_t in_flight, size_t retries_in_flight, int64_t now_ms);
size_t pace_retry_slots(const struct pace *, size_t slots, size_t retries_in_flight);
/* Of so many slots, what one call to Redis fills: half the window at most, so that the service is
 * at work on the one half while Redis hands out the other. */
size_t pace_at_once(const struct pace *, size_t slots);
/* Until `rate` has one to spare: 0 where that is not what stands in the way. */
int64_t pace_wait_ms(struct pace *, int64_t now_ms);

/* An attempt starts. The number comes back with its failure: what started
 * before the window was halved does not halve it once more. */
unsigned pace_start(struct pace *);
/* What becomes of the breaker; moves_settle takes it to Redis. */
enum moves_breaker pace_well(struct pace *, bool probe);
enum moves_breaker pace_failed(struct pace *, unsigned round, struct text stream_id, bool probe);
/* What a take said of the breaker. */
void pace_told(struct pace *, bool open, unsigned probes);
