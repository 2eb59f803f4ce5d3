/* Ingress is the story of one delivery, from its head to our answer.
 *
 * What Kula signed gets a 2xx, and a 2xx means that it is stored: first the
 * signature, over the body as it came; then what the body says; then the store;
 * and only when that has said yes, the answer. Until then a delivery is held, up
 * to 8 s after its first byte, because one refusal is one step towards a
 * disabled endpoint. */
#pragma once
#include "base/config.h"
#include "base/metrics.h"
#include "net/http_server.h"

struct endpoints;
struct ingress;
struct pulse;
struct store;

struct ingress_needs { /* all borrowed for the ingress' life */
    struct loop *loop;
    const struct config *config;
    struct metrics *metrics;
    struct store *store;
    struct endpoints *endpoints; /* entered */
    struct pulse *pulse;         /* NULL: nobody wants to know */
};

/* Deliveries are held for this long after their first byte, or, where they took longer to come, for
 * one question to Redis. */
enum { INGRESS_HOLD_MS = 8000 };

struct ingress *ingress_create(const struct ingress_needs *);
/* Closes the store, counts what is still held as unavailable, and cuts all: nobody hears of it. */
void ingress_destroy(struct ingress *);

/* What comes from now on is for these; deliveries under way keep to those that they
 * began with, which have to stay until nobody holds them. All borrowed. */
void ingress_set_endpoints(struct ingress *, const struct endpoints *);
bool ingress_holds(const struct ingress *, const struct endpoints *);

/* Its own, for listening and for the gauges. */
struct http_server *ingress_server(const struct ingress *);

/* No new connections; on_empty comes when the last one has gone. */
void ingress_drain(struct ingress *, loop_fn *on_empty, void *arg);
size_t ingress_deliveries_in_flight(const struct ingress *);
