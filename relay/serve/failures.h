/* How many deliveries of an endpoint failed in the last 24 hours, as this run of serve saw them:
 * by quarters of an hour, so it takes no more memory however many they are. Pure. */
#pragma once
#include <stdint.h>

enum { FAILURES_PART_MS = 900000, FAILURES_PARTS = 97 /* the oldest is the one that runs out */ };

struct failures {
    int64_t parts[FAILURES_PARTS]; /* by part modulo FAILURES_PARTS */
    int64_t newest;                /* the part of the last one that was noted */
};

/* Time begins at 0 with the run, and never goes back. */
void failures_note(struct failures *, int64_t at_ms);
int64_t failures_of(const struct failures *, int64_t part, int64_t at_ms); /* 0 where it is over */
int64_t failures_sum(const struct failures *, int64_t at_ms);
