/* The reader hands out what was synced: from memory as long as it is there, from
 * the files when whoever drains fell behind or goes back.
 *
 * In memory are the youngest synced records, up to 16 MiB of them, without those
 * that were drained. In the files it keeps its place, so that reading on costs
 * nothing. */
#pragma once
#include "spool/segment.h"
#include "spool/writer.h"

/* Where a record stands in `bytes`. */
struct reader_place {
    size_t at, bytes;
    uint64_t key;
};

struct reader {
    struct put_queue memory;
    size_t memory_bytes;
    uint64_t memory_after; /* all synced records behind this one are in memory */
    struct put *handed;    /* of those in memory, the last that was read; NULL: none */

    struct segment *segment; /* whose file is open; NULL: none */
    int file;
    struct segment_walk walk;
    uint64_t passed; /* the last sequence in that file that was come by */
    bool damaged;    /* since then something was that is counted with the next record */

    bool complained; /* the files cannot be read, and that is in the log */

    struct string bytes; /* what was read last, as it is encoded */
    struct reader_place *places;
    size_t place_count, place_capacity;
};

struct spool;

void reader_init(struct reader *, uint64_t memory_after);
void reader_finish(struct spool *);
void reader_keep(struct spool *, struct put *); /* synced; takes it */
void reader_forget(struct spool *);             /* what was drained since the last time */
void reader_leave(struct spool *, const struct segment *); /* its file is about to go */
int reader_read(struct spool *, uint64_t after, struct record *, size_t most, size_t most_bytes);
