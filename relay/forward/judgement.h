/* A judgement: what the end of an attempt means for its event (the verdict) and for its service
 * (the breaker and the pace); it is counted and logged as it is made. */
#pragma once
#include "forward/verdict.h"

struct attempt;
struct http_result;
struct pace;
struct tally;

struct judgement { /* texts are the result's */
    struct verdict verdict;
    enum moves_breaker breaker;
    int64_t probe_in_ms; /* with a breaker that opens or stays so: the next probe */
    int status;          /* 0: there was no answer */
    int64_t took_ms;
};

struct judgement judgement_of(const struct attempt *, const struct http_result *, struct pace *,
                              struct tally *);
/* Of one that cannot be sent at all. */
struct judgement judgement_of_no_event(const struct attempt *, struct tally *);
