/* Reload brings another edition of the configuration into a running serve: at SIGHUP,
 * and when a certificate, a key or a secret has changed in its file.
 *
 * Whole or not at all: an edition with a mistake in it changes nothing. Deliveries
 * under way keep to the edition that they began with, connections to the certificate
 * that they were shown. What only a start can take is named in a warning. */
#pragma once
#include "base/metrics.h"
#include "net/loop.h"

struct edition;
struct ingress;
struct pulse;
struct releases;
struct reload;
struct store;
struct supervisor;

struct reload_needs { /* all borrowed for its life */
    struct loop *loop;
    struct metrics *metrics;
    struct supervisor *supervisor;
    struct ingress *ingress;
    struct store *store;
    struct pulse *pulse;
    struct releases *releases;
    struct edition *first; /* in force; what stands in it and needs a restart is so to the end */
};

/* Enters the first edition's endpoints, says what is bad about it, and waits for news. */
struct reload *reload_start(const struct reload_needs *);
void reload_stop(struct reload *); /* after the ingress and the releases */
