/* A batch: what is written into the current segment in one go, with the
 * segment's header before it where the segment begins, and synced once. */
#pragma once
#include "spool/shelf.h"
#include "spool/writer.h"

struct batch {
    struct shelf *shelf;
    struct put_queue *puts;
    uint64_t after; /* the last one synced before */

    /* What became of it. */
    struct segment_header header; /* of the segment */
    uint64_t last;
    int64_t newest_ms; /* received */
    int64_t sync_us;
};

/* False with a sentence; what is on disk then, nobody knows. */
bool batch_write(struct batch *, struct string *why);
