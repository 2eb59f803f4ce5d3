/* A diagnosis of a delivery whose signature no secret makes: which one thing, or which few,
 * would have to be otherwise for it to fit. Pure: what is known goes in, words come out.
 *
 * It tries what goes wrong between two programs: a body that was changed on the way without a
 * change of what it says, a secret that was written down differently, another time. */
#pragma once
#include "kula/signature.h"

struct diagnosis_case {
    const struct signature *signature; /* with its texts */
    struct text secret;
    struct text body;
    struct text other_time; /* X-Kula-Timestamp; empty where it is not known */
};

enum { DIAGNOSIS_MOST = 3 };

struct diagnosis {
    const char *word;   /* snake case */
    const char *advice; /* what it is and what to do: a sentence */
};

/* How many were found, those that make it fit together; the fewest that do. 0: nothing fits. */
size_t diagnosis_make(const struct diagnosis_case *, struct diagnosis found[DIAGNOSIS_MOST]);
