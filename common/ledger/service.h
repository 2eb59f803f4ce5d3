/* What a person does to a service, and how it stands. */
#pragma once
#include "ledger/ledger.h"

/* `found`: the ledger knows it. */
typedef void service_done_fn(void *arg, enum ledger_outcome, bool found);
/* Nothing is handed out for it any more; forwarders keep to it at once. */
void service_pause(struct ledger *, const char *service, service_done_fn *, void *arg);
/* Also lifts a hold that it asked for, and closes its breaker. */
void service_resume(struct ledger *, const char *service, service_done_fn *, void *arg);
/* Its group and keys are gone, with what it is owed and its dead letters. */
void service_forget(struct ledger *, const char *service, service_done_fn *, void *arg);

struct service_state { /* borrowed until the callback returns */
    enum ledger_outcome outcome;
    struct text place;
    int64_t owed, dead;
    int64_t unread;      /* -1 where Redis cannot tell for the moment */
    int64_t held_for_ms; /* by Retry-After; 0: not at all */
    bool paused, breaker_open;
    int64_t probes;    /* that failed since it opened */
    int64_t due_in_ms; /* what it is owed is looked at next; -1: it is owed nothing */
    struct text owner; /* where it is ordered: the token of the forward that delivers; else empty */
    int64_t owner_for_ms; /* 0: it has not been heard of in time, and another one may */
};
typedef void service_state_fn(void *arg, const struct service_state *);
void service_look(struct ledger *, const char *service, service_state_fn *, void *arg);
