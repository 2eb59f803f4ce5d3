/* Lines that strangers can cause, as many as they like: a limited one is written
 * only where not too many were before it, and the next that is written tells how
 * many were left out. */
#pragma once
#include "base/log.h"
#include "base/metrics.h"

enum { LOG_LIMIT_BURST = 20, LOG_LIMIT_A_SECOND = 5 };

/* Begins with the first two set. */
struct log_limit {
    const char *about;             /* what the left out lines are about */
    struct metric *left_out_total; /* a counter */
    int64_t spent_until_ms;        /* steady time: so far in advance have lines been written */
    uint64_t left_out;             /* since the last that was written */
};

/* May a line be written at `now_ms`? Counted either way. */
bool log_limit_allows(struct log_limit *, int64_t now_ms);

/* A warning; false where it was left out. */
bool log_limit_warning(struct log_limit *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
