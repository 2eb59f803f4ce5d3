/* What Kula said no with, as a sentence for people that says what to do. Pure. */
#pragma once
#include "kula_api/kula_answer.h"

struct kula_refusal {
    int status; /* no 2xx */
    struct text body;
    const char *url;        /* of the API; for what is no answer of Kula's */
    int64_t retry_after_ms; /* from the headers; 0: none */
};

/* Sets outcome, status, retry_after_ms and problem. */
void kula_refusal_read(struct kula_answer *, const struct kula_refusal *);

/* A 2xx in which what was looked for is not. */
void kula_refusal_of_nonsense(struct kula_answer *, const struct kula_refusal *);

/* Does Kula speak of the field that lists event types, by whichever name? Then it may know it
 * by the other one. */
bool kula_refusal_is_about_events(const struct kula_answer *);
