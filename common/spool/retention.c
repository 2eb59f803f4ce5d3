#include "spool/retention.h"

#include "base/clock.h"

enum { AHEAD = 2 };

int64_t retention_bytes(const struct spool *spool) {
    int64_t bytes = 0;
    const struct segment *segment;
    TAILQ_FOREACH (segment, &spool->segments, segments) {
        bytes += segment->bytes;
    }
    return bytes;
}

/* The one that is written. */
static bool is_current(const struct spool *spool, const struct segment *segment) {
    return !spool->adopted && !TAILQ_NEXT(segment, segments) && !segment->given_up;
}

static bool has_to_stay(const struct spool *spool, const struct segment *segment) {
    int64_t keep_since_ms = clock_wall_ms() - spool->options.keep_ms;
    return segment->newest_ms > keep_since_ms || segment->newest_ms >= spool->hold_since_ms;
}

/* Too little room for what is to come: then what is only kept makes room for what will be owed. One
 * segment is made ready ahead of the one that is written; the other is for what is put before this
 * is seen. */
static bool is_full(const struct spool *spool) {
    return !spool->adopted &&
           retention_bytes(spool) + AHEAD * spool->options.segment_bytes > spool->options.max_bytes;
}

static bool may_go(const struct spool *spool, const struct segment *segment) {
    bool drained = segment->last <= spool->drained || !segment->records; /* or all of it lost */
    return !is_current(spool, segment) && drained &&
           (!has_to_stay(spool, segment) || is_full(spool));
}

bool retention_keeps_any(const struct spool *spool) {
    const struct segment *segment;
    TAILQ_FOREACH (segment, &spool->segments, segments) {
        if (!may_go(spool, segment))
            return true;
    }
    return false;
}

void retention_sweep(struct spool *spool) {
    struct segment *segment;
    while ((segment = TAILQ_FIRST(&spool->segments)) && may_go(spool, segment)) {
        reader_leave(spool, segment);
        writer_retire(spool->writer, segment);
        spool->removed = segment->last;
        TAILQ_REMOVE(&spool->segments, segment, segments);
        segment_free(segment);
    }
}
