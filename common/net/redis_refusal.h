/* What an error of Redis means for the call that got it. */
#pragma once
#include "base/text.h"

enum redis_refusal {
    REDIS_REFUSAL_FINAL,     /* it will not be otherwise the next time */
    REDIS_REFUSAL_REST,      /* not now: try this one again in a moment; the others go on */
    REDIS_REFUSAL_RECONNECT, /* not now, and this connection will not get better */
    REDIS_REFUSAL_NO_SCRIPT, /* nothing ran, for sure: connecting loads the scripts */
};

enum redis_refusal redis_refusal_of(struct text error);
