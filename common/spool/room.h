/* What the files of this room that stand on the loop share: a spool's inside. */
#pragma once
#include "spool/folder.h"
#include "spool/reader.h"
#include "spool/segment.h"
#include "spool/spool.h"
#include "spool/writer.h"

struct spool {
    struct loop *loop;
    struct spool_options options;
    char *directory;
    const struct disk *disk;
    struct folder folder;
    bool adopted;
    bool removing;
    bool stays; /* done with, and the disk did not let go of it */
    struct writer *writer;

    bool writable;         /* so far as the writer has said */
    bool hangs;            /* it has said nothing for too long */
    size_t open_puts;      /* of which it has still to say what became of them */
    int64_t heard_ms;      /* steady: when it last said so of one, or was handed the first */
    struct string trouble; /* empty when writable */
    struct string said;    /* the last thing in the log that did not keep it from writing */

    uint64_t given, last; /* sequences: the last that was given, and that was synced */
    uint64_t drained, removed;
    int64_t drained_ms;                 /* wall: when the ledger was last heard to have more */
    uint64_t noted_drained, noted_last; /* the checkpoint was told of */
    int64_t hold_since_ms;
    int64_t free_bytes; /* on the file system, a moment ago; INT64_MAX: not known */
    struct segment_list segments;
    struct reader reader;

    struct put_queue refused; /* to be called back on the next turn */
    struct loop_timer *later, *tick;
    struct spool_figures counts; /* only what is counted as it happens */
    int64_t sync_us;
};

/* With its folder, which it takes. Segments and the like are still to be filled in. */
struct spool *spool_open(struct loop *, const struct spool_options *, struct folder *);
void spool_start(struct spool *, const struct checkpoint *); /* its writer and its timers */
