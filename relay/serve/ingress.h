/* Ingress is the story of one delivery, from its head to our answer.
 *
 * What Kula signed gets a 2xx, and a 2xx means that it is stored: first the
 * signature, over the body as it came; then what the body says; then the spool,
 * or where there is none or it cannot write, the ledger; and only when one of
 * them has said yes, the answer. While neither can, a delivery is held, up to
 * 8 s after its first byte, because one refusal is one step towards a disabled
 * endpoint. */
#pragma once
#include "base/config.h"
#include "base/metrics.h"
#include "ledger/ledger.h"
#include "net/http_server.h"

struct endpoints;
struct ingress;
struct pulse;
struct spools;

struct ingress_needs { /* all borrowed for the ingress' life */
    struct loop *loop;
    const struct config *config;
    struct metrics *metrics;
    struct ledger *ledger;
    struct endpoints *endpoints; /* entered */
    struct spools *spools;       /* NULL: a 2xx waits for the ledger */
    struct pulse *pulse;         /* NULL: nobody wants to know */
};

/* Deliveries are held for this long at most, after their first byte. */
enum { INGRESS_HOLD_MS = 8000 };

struct ingress *ingress_create(const struct ingress_needs *);
/* Answers what is still held as unavailable, and cuts what is left. Only after the
 * spools and the ledger, so that no answer of theirs comes any more. */
void ingress_destroy(struct ingress *);

/* What comes from now on is for these; deliveries under way keep to those that they
 * began with, which have to stay until nobody holds them. All borrowed. */
void ingress_set_endpoints(struct ingress *, const struct endpoints *);
/* How much may be penned of what no secret matches. */
void ingress_set_pen(struct ingress *, const struct config *);
bool ingress_holds(const struct ingress *, const struct endpoints *);

/* Its own, for listening and for the gauges. */
struct http_server *ingress_server(const struct ingress *);

/* No new connections; on_empty comes when the last one has gone. */
void ingress_drain(struct ingress *, loop_fn *on_empty, void *arg);
size_t ingress_deliveries_in_flight(const struct ingress *);
