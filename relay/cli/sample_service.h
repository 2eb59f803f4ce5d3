/* A sample service takes deliveries on a free port of this machine, for `up` and
 * `demo`: somebody else's program, played in this process. */
#pragma once
#include "base/text.h"
#include "net/loop.h"

struct sample_service;

struct sample_request { /* borrowed until the call returns */
    struct text event_id, type, body;
    struct text attempt; /* Kula-Relay-Attempt */
    struct text origin;  /* Kula-Relay-Origin */
};
/* What to answer: a status. */
typedef int sample_service_fn(void *arg, const struct sample_request *);

struct sample_service *sample_service_start(struct loop *, sample_service_fn *, void *arg,
                                            struct string *why);
const char *sample_service_url(const struct sample_service *);
void sample_service_stop(struct sample_service *);
