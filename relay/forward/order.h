/* Order: what a courier keeps of a service whose events go by lanes. Whether it owns the service
 * now, the lanes, and how far they are put together from what is owed.
 *
 * Nothing here is the truth: that stands in the ledger. So whatever makes the lanes doubtful (it
 * became the owner, Redis was away, something was healed) has them put together again, page by
 * page in the stream's order; a page is enough to go on with, since what goes before an event in
 * its lane was put before it. Nothing new is read until all of it is there. */
#pragma once
#include "base/metrics.h"
#include "forward/attempt.h"

struct config_service;
struct order;

enum { ORDER_RENEW_MS = 1000 }; /* so often an owner says that it is there */

bool order_wanted(const struct config_service *);
struct order *order_create(struct metrics *, const struct config_service *); /* both borrowed */
void order_destroy(struct order *);
void order_change(struct order *, const struct config_service *); /* of another edition */
void order_forget(struct order *); /* it is not the owner (any more) */
void order_doubt(struct order *);  /* its lanes are put together again, with the next take */

/* What a take with so many free slots asks for. The order is borrowed until the next call. */
struct order_slots {
    size_t free, retries;
    bool probe; /* the breaker is open */
    int64_t now_ms;
};
bool order_wants(struct order *, const struct order_slots *); /* is a take of any use? */
const struct moves_order *order_ask(struct order *, const struct order_slots *, size_t *new_slots);
/* Until a take is of use again, as far as time alone brings it about. */
int64_t order_wait_ms(struct order *, int64_t now_ms);

/* What the take came to. `flies` says whether an attempt at that event is in flight. */
typedef bool order_flies_fn(void *arg, struct text stream_id);
void order_told(struct order *, const struct moves_haul *, order_flies_fn *flies, void *arg,
                int64_t now_ms);
bool order_ready(struct order *, const struct order_slots *); /* something could start */

/* Of an event that begins to be tried: its lane, and the dead letter before it; each is empty where
 * there is none. */
struct text order_lane(const struct order *, struct text stream_id);
struct text order_dead_before(const struct order *, struct text stream_id);
void order_settled(struct order *, const struct attempt *, enum moves_settled, int64_t now_ms);

const char *order_owner(const struct order *); /* its token; NULL while it is not the owner */
