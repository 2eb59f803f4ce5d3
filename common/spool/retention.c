#include "spool/retention.h"

#include "base/clock.h"

/* One segment is made ready ahead of the one that is written; the other is for what is put before
 * it is seen that room is short. What others only keep goes one segment earlier: it is older. */
enum { AHEAD = 2, OTHERS_AHEAD = AHEAD + 1 };

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

/* However long it waited here: what the ledger has had for a moment only, a ledger that fails over
 * or loses its last second forgets first, and what it dates its events by is when it got them. */
static int64_t ages_from_ms(const struct segment *segment) {
    return segment->newest_ms > segment->drained_ms ? segment->newest_ms : segment->drained_ms;
}

/* So far as its age tells. */
static bool is_owed(const struct spool *spool, const struct segment *segment) {
    return ages_from_ms(segment) >= spool->hold_since_ms;
}

static bool has_to_stay(const struct spool *spool, const struct segment *segment) {
    int64_t keep_since_ms = clock_wall_ms() - spool->options.keep_ms;
    return ages_from_ms(segment) > keep_since_ms || is_owed(spool, segment);
}

/* How much is missing for so many segments to come; not above 0: nothing. */
static int64_t missing(const struct spool *spool, int64_t segments) {
    const struct spool_options *options = &spool->options;
    int64_t ahead = segments * options->segment_bytes;
    int64_t by_size = retention_bytes(spool) + options->others_bytes + ahead - options->max_bytes;
    int64_t by_disk = options->least_free_bytes + ahead - spool->free_bytes;
    return by_size > by_disk ? by_size : by_disk;
}

int64_t retention_shortage(const struct spool *spool) {
    int64_t bytes = missing(spool, OTHERS_AHEAD);
    return bytes > 0 ? bytes : 0;
}

/* Too little room for what is to come: then what is only kept makes room for what will be owed. */
static bool is_full(const struct spool *spool) {
    return !spool->adopted && missing(spool, AHEAD) > 0;
}

static bool is_drained(const struct spool *spool, const struct segment *segment) {
    return segment->last <= spool->drained || !segment->records; /* or all of it lost */
}

static bool may_go(const struct spool *spool, const struct segment *segment) {
    return !is_current(spool, segment) && is_drained(spool, segment) &&
           (!has_to_stay(spool, segment) || is_full(spool));
}

void retention_note_drained(struct spool *spool) {
    struct segment *segment;
    TAILQ_FOREACH (segment, &spool->segments, segments) {
        if (!is_drained(spool, segment))
            segment->drained_ms = 0;
        else if (!segment->drained_ms)
            segment->drained_ms = spool->drained_ms;
    }
}

bool retention_keeps_any(const struct spool *spool) {
    const struct segment *segment;
    TAILQ_FOREACH (segment, &spool->segments, segments) {
        if (!may_go(spool, segment))
            return true;
    }
    return false;
}

static void remove_first(struct spool *spool) {
    struct segment *segment = TAILQ_FIRST(&spool->segments);
    if (is_owed(spool, segment))
        spool->counts.owed_let_go += (int64_t)segment->records;
    reader_leave(spool, segment);
    writer_retire(spool->writer, segment);
    spool->removed = segment->last;
    /* Until the disk is asked again; else all would go for what one gives. */
    if (spool->free_bytes < INT64_MAX - segment->bytes)
        spool->free_bytes += segment->bytes;
    TAILQ_REMOVE(&spool->segments, segment, segments);
    segment_free(segment);
}

void retention_sweep(struct spool *spool) {
    const struct segment *segment;
    while ((segment = TAILQ_FIRST(&spool->segments)) && may_go(spool, segment))
        remove_first(spool);
}

int64_t retention_let_go(struct spool *spool, int64_t bytes, enum spool_goes goes) {
    int64_t gone = 0;
    const struct segment *segment;
    while (gone < bytes && (segment = TAILQ_FIRST(&spool->segments)) &&
           is_drained(spool, segment) && (goes == SPOOL_OWED || !is_owed(spool, segment))) {
        gone += segment->bytes;
        remove_first(spool);
    }
    return gone;
}
