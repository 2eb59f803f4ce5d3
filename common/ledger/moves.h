/* The moves of a forwarder: open, take, settle, heal.
 *
 * What is owed to a service is the pending list of its consumer group; `owed`
 * says of each entry who holds it (a lease) and how often it was tried, `due`
 * when somebody should next look at it. Redis' TIME is the only clock for due
 * times. */
#pragma once
#include "ledger/ledger.h"

struct config_service;

/* open: makes the groups of all services in one go, and writes down the layout.
 * On a ledger that never had any, from the beginning; a service that comes
 * later, from its `start`. One that Redis has forgotten since, for what it has is
 * older, goes on where its place was: what was accepted meanwhile may stand in the
 * stream already. */
typedef void moves_done_fn(void *arg, enum ledger_outcome);
struct moves_start {
    const struct config_service *service;
    struct text place; /* up to here it was served; empty: nobody knows */
};
void moves_open(struct ledger *, const struct moves_start *, size_t count, int64_t deadline_ms,
                moves_done_fn *, void *arg);

/* take: claims what is due and reads new ones, up to `slots` events, and gives
 * each a lease. What the service does not want is acknowledged and counted in
 * the same script; what is addressed to another is passed over. What was first
 * tried too long ago, or was handed out again and again and never settled
 * (whoever gets it dies of it), becomes a dead letter. After about 1 MiB of
 * events, whatever became of them, it stops. While the breaker is open it hands
 * out one event at a time, in turn the oldest due one and one that was never
 * tried, and nothing else is read. */
enum { MOVES_LEASE_DIGITS = 16 };
struct moves_taken {
    struct ledger_event event;
    struct text lease; /* a random token: settle only works with it */
    unsigned attempts; /* settled before this one */
    int64_t first_ms;  /* Redis' time of the first settled attempt; 0 where there was none */
};
/* An ordered service is one forwarder's at a time, and what is handed out are heads: events of
 * which that one, the owner, says that they stand first in their lanes. Whatever is new it is told
 * of first, so that it can put it into a lane; so is what is owed, when it has just become the
 * owner or its lanes may be wrong. */
struct moves_head {
    struct text stream_id;
    struct text lane; /* empty: in none that anybody else is in */
};
struct moves_order {
    const char
        *owner;       /* a random token: the lease of all that is handed out, which settle checks */
    int64_t owner_ms; /* for so long nobody else becomes the owner */
    struct text
        after; /* what is owed behind this id is told, and nothing new is read; empty: not */
    const struct moves_head *heads; /* tried at once, due or not, unless another's lease holds */
    size_t head_count;
};
enum moves_owned {
    MOVES_NOT_OURS,
    MOVES_OURS,
    MOVES_OURS_ANEW, /* somebody else may have been the owner: nothing is handed out yet */
};
struct moves_put { /* stands in the ledger as owed, and was not handed out */
    struct ledger_event event;
    bool tried;
    int64_t wait_ms; /* not before: it is due later, or its former owner may be trying it */
};
struct moves_not_tried { /* a head that was not handed out */
    struct text stream_id;
    int64_t wait_ms;  /* as above; -1: it is owed no more */
    struct text dead; /* the event of the dead letter that it became; else empty */
};
struct moves_mark { /* in this lane the event went before what comes next, as a dead letter */
    struct text lane, dead;
};

struct moves_haul { /* borrowed until the callback returns */
    enum ledger_outcome outcome;
    const struct moves_taken *taken;
    size_t count;
    int64_t now_ms;         /* Redis' time, for give_up */
    int64_t next_due_in_ms; /* when to look again; -1: nothing is waiting */
    bool more;              /* stopped by slots, bytes or length of the script: take again */
    /* Nothing (more) is handed out for so long: the service asked for a pause, the breaker is open,
     * or a person paused it, for who knows how long. */
    int64_t held_for_ms;
    bool paused;
    bool breaker_open;
    unsigned breaker_probes;    /* that failed since it opened */
    bool probe;                 /* what is handed out is one */
    bool no_group;              /* the group or the stream is gone: heal, then take again */
    struct text place;          /* the service has been given everything up to here */
    int64_t owed;               /* now */
    int64_t filtered, dropped;  /* in this call */
    int64_t expired, poisonous; /* in this call: became dead letters, untried */
    enum moves_owned owned;     /* this and the rest only with an order */
    const struct moves_put *put;
    size_t put_count;
    const struct moves_not_tried *not_tried;
    size_t not_tried_count;
    bool all_is_put;                /* nothing is owed behind these */
    const struct moves_mark *marks; /* all there are, with the first of what is owed */
    size_t mark_count;
};
typedef void moves_take_fn(void *arg, const struct moves_haul *);
struct moves_take {
    const struct config_service *service;
    size_t slots;       /* with an order: how many new ones may be put */
    size_t retry_slots; /* of these, for what was handed out before */
    int64_t lease_ms;
    int64_t owed_most_ms; /* after its first attempt it is dead */
    int64_t deadline_ms;
    const struct moves_order *order; /* NULL: as they come */
    /* What it hands out is started so long after it was asked, or never: what comes later is AWAY,
     * for its leases may end before the attempts do. 0: it does not matter. */
    int64_t start_in_ms;
};
void moves_take(struct ledger *, const struct moves_take *, moves_take_fn *, void *arg);

/* What an attempt means for the service's breaker, which stands in Redis so that
 * all forwarders, and the next one, keep to it. */
enum moves_breaker {
    MOVES_BREAKER_AS_IS,
    MOVES_BREAKER_OPENS,
    MOVES_BREAKER_STAYS, /* a probe failed */
    MOVES_BREAKER_CLOSES,
};

/* settle: says how an attempt went. What is settled in one turn of the loop shares a
 * script call (settles.c), and each is told its own. With a lease that is no longer
 * held, DEFER and BURY change nothing; DONE holds whoever says it. */
enum moves_verdict { MOVES_DONE, MOVES_DEFER, MOVES_BURY };
enum moves_settled {
    MOVES_SETTLED,
    MOVES_LEASE_LOST, /* somebody else has it, or has settled it */
    MOVES_UNSETTLED,  /* Redis away until the deadline: the lease will run out, somebody takes it
                         again */
};
typedef void moves_settle_fn(void *arg, enum moves_settled);
struct moves_settle {
    const char *service;
    struct text stream_id, lease;
    struct text event_id; /* Kula's, for the log of attempts */
    struct text lane;     /* with BURY: of the event; with DONE: if it is marked; else empty */
    bool revived;         /* for the same: its origin is replay, not live */
    enum moves_verdict verdict;
    int64_t delay_ms; /* DEFER: until when */
    int64_t hold_ms;  /* DEFER: for so long nobody gets anything for this service; 0: no pause */
    enum moves_breaker breaker;
    int64_t probe_in_ms; /* OPENS, STAYS: until the next probe */
    const char *reason;  /* for log and dead letter: "answered", "timed out", ...; one line */
    int status;          /* 0 where there was no answer */
    int64_t took_ms;
    int64_t deadline_ms;
};
void moves_settle(struct ledger *, const struct moves_settle *, moves_settle_fn *, void *arg);

/* release: the owner gives an ordered service up, so that the next one need not wait. */
void moves_release(struct ledger *, const char *service, const char *owner, int64_t deadline_ms,
                   moves_done_fn *, void *arg);

/* heal: a lost group is made again at its noted place, everything owed is put
 * back into it, an owed event without a due time gets "now", and one whose
 * entry is gone counts as dropped. What is due later than anybody may ask for, for
 * Redis' clock was set back, is due when a lease would end. Where something differs all of it is
 * walked, a page in a call, so that Redis answers others in between. */
struct moves_heal {
    const char *service;
    int64_t lease_ms, due_most_ms;
    int64_t deadline_ms; /* of each call */
};
struct moves_healed {
    enum ledger_outcome outcome; /* what was mended before it failed is mended */
    bool group_made;
    int64_t put_back, made_due, dropped;
    int64_t unread; /* what the service has not been given yet; -1: Redis cannot tell */
};
typedef void moves_heal_fn(void *arg, const struct moves_healed *);
void moves_heal(struct ledger *, const struct moves_heal *, moves_heal_fn *, void *arg);
