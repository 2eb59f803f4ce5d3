/* A courier carries events to one service: it takes what is due and what is
 * new, as many as the pace allows (pace.h), tries each, and tells the ledger how it
 * went. Couriers know nothing of each other, so a slow service slows nobody. */
#pragma once
#include "base/metrics.h"
#include "ledger/ledger.h"
#include "net/http_client.h"

struct courier;
struct config;
struct config_service;

struct courier_house { /* what all couriers share; outlives them */
    struct loop *loop;
    struct ledger *ledger;
    struct http_client *client;
    struct metrics *metrics;
    int64_t owed_most_ms; /* for so long after its first attempt an event may be owed */
    loop_fn *on_rest;     /* a courier asks nothing of the ledger: arm the bell, or leave */
    loop_fn *on_lost;     /* the ledger does not know a service any more: open it again */
    void *arg;
};

struct courier *courier_create(const struct courier_house *, const struct config_service *);
void courier_destroy(struct courier *);

void courier_open(struct courier *); /* the ledger was opened, or is back: heal, then take */
void courier_heal(struct courier *); /* as a matter of routine */
void courier_wake(struct courier *); /* the stream may have grown */
void courier_stop(struct courier *); /* takes no more; what is in flight is still settled */
/* By another edition from now on, also after a stop; what is in flight keeps to its own. */
void courier_change(struct courier *, const struct config_service *);
bool courier_holds(const struct courier *, const struct config *); /* anything of that edition */
const char *courier_name(const struct courier *);

/* Up to where in the stream it was given everything; empty: not known yet. */
struct text courier_place(const struct courier *);
/* Its place in the stream while it waits for the bell; empty while it is busy. */
struct text courier_waits_at(const struct courier *);
/* Stopped, and nothing is in flight. */
bool courier_done(const struct courier *);
/* The same, and nobody will call back: it may be destroyed while all else goes on. */
bool courier_idle(const struct courier *);
