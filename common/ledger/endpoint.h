/* How an endpoint is doing: what Kula counts against it, whether it has become silent, and what
 * `watch` saw of its webhooks at Kula. It stands in Redis, so that every serve and every watch
 * knows it, and the one after a restart. Only Redis' clock counts: what is said is how long ago
 * something was. */
#pragma once
#include "ledger/ledger.h"

enum endpoint_failure {
    ENDPOINT_FAILED,   /* Kula's delivery, and the answer was no 2xx */
    ENDPOINT_UNPROVED, /* as Kula's deliveries look, but nobody proved whose it is */
    ENDPOINT_FAILURES
};
const char *endpoint_failure_name(enum endpoint_failure);

enum endpoint_proof { /* after the last time that a webhook was enabled */
                      ENDPOINT_PROOF_NONE,
                      ENDPOINT_PROOF_OWED, /* it was enabled, and Kula's test is to come */
                      ENDPOINT_PROOF_GOOD,
                      ENDPOINT_PROOF_BAD,
};
const char *endpoint_proof_name(enum endpoint_proof);

enum {
    ENDPOINT_FAILURES_MOST = 25, /* in 24 hours, and Kula disables it */
    ENDPOINT_ENABLED_MOST = 10,  /* the times that are remembered */
    ENDPOINT_PART_MS = 900000,   /* failures are counted by quarters of an hour */
};

struct endpoint_webhook {
    struct text id, state; /* as kula_state_name calls it */
    enum endpoint_proof proof;
    int64_t looked_ago_ms;
    int64_t enabled_ago_ms[ENDPOINT_ENABLED_MOST]; /* of the last 24 hours, newest first */
    size_t enabled_count;
};

struct endpoint_state { /* borrowed until the callback returns */
    enum ledger_outcome outcome;
    int64_t failures[ENDPOINT_FAILURES];     /* of the last 24 hours */
    int64_t silent_ms;                       /* since the last event; -1: there never was one */
    int64_t usual;                           /* how many events usually come in such a time */
    const struct endpoint_webhook *webhooks; /* that were looked at within a day */
    size_t webhook_count;
};
typedef void endpoint_state_fn(void *arg, const struct endpoint_state *);

void endpoint_look(struct ledger *, const char *endpoint, endpoint_state_fn *, void *arg);

/* What one run of serve counted. A count is the whole one of its part, so it may be said again. */
struct endpoint_count {
    enum endpoint_failure failure;
    int64_t part; /* numbered by the run */
    int64_t count;
    int64_t ago_ms; /* since the part began */
};
struct endpoint_report {
    const char *endpoint;
    const char *run; /* a random name of this start of serve */
    int64_t accepted, accepted_ago_ms;
    const struct endpoint_count *counts; /* borrowed until the call returns */
    size_t count;
};
void endpoint_report(struct ledger *, const struct endpoint_report *, endpoint_state_fn *,
                     void *arg);

/* What a watcher saw of one webhook; what others knew of it is in the state that comes back. */
struct endpoint_watched {
    const char *endpoint, *id;
    const char *state;             /* "": not known */
    enum endpoint_proof proof;     /* NONE: what stands stays */
    const int64_t *enabled_ago_ms; /* borrowed until the call returns */
    size_t enabled_count;
};
void endpoint_watch(struct ledger *, const struct endpoint_watched *, endpoint_state_fn *,
                    void *arg);
