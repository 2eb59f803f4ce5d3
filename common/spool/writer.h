/* The writer is a thread that does nothing but write and sync what it is
 * handed: batches of records, the checkpoint, segments that nobody needs.
 *
 * What became of it comes back as news, in order, through a wake on the loop.
 * A write or sync that failed is never tried again on the same descriptor: the
 * segment is given up, and the batch written once more, whole, into another. If
 * that fails too nobody knows what is on the disk; then it refuses everything
 * until, asked every 500 ms, the disk takes a new segment again.
 *
 * Of an adopted spool, which is not written, the thread lives only while there
 * is something to do: there may be many of them, with nothing to do for an hour. */
#pragma once
#include "net/loop.h"
#include "spool/checkpoint.h"
#include "spool/segment.h"
#include "spool/spool.h"

/* A put is one record from spool_put until its memory is let go. */
struct put {
    STAILQ_ENTRY(put) puts; /* writer's queue, a piece of news, or the spool's memory */
    struct record record;   /* texts point into data */
    uint64_t key;           /* that it is sealed with; 0 before */
    size_t bytes;
    spool_put_fn *fn;
    void *arg;
    char data[];
};
STAILQ_HEAD(put_queue, put);

enum news_kind {
    NEWS_BATCH,    /* what became of puts */
    NEWS_GIVEN_UP, /* a segment failed */
    NEWS_STATE,    /* can write again, or cannot any more */
    NEWS_TROUBLE,  /* something failed that does not keep it from writing */
};

struct news {
    STAILQ_ENTRY(news) news;
    enum news_kind kind;
    struct put_queue puts; /* BATCH */
    enum spool_put outcome;
    struct segment_header segment; /* BATCH, synced: where they are; GIVEN_UP: its number */
    int64_t used;                  /* BATCH, synced: the segment, up to here */
    int64_t sync_us;               /* BATCH, synced */
    bool writable;                 /* STATE */
    struct string why;             /* GIVEN_UP, STATE, TROUBLE */
};

struct writer;

struct writer_options {
    const struct disk *disk;
    const char *directory, *folder; /* borrowed, as long as the writer */
    uint64_t spool;
    bool adopted; /* nothing is put: only checkpoints are written and segments removed */
    int64_t segment_bytes, max_bytes, others_bytes, least_free_bytes;
    struct checkpoint checkpoint; /* as it stands on disk */
    loop_fn *on_news;
    void *arg;
};

struct writer *writer_start(struct loop *, const struct writer_options *);
/* Waits until it has done what it was handed. News can be taken until it is destroyed. */
void writer_stop(struct writer *);
void writer_destroy(struct writer *); /* stopped, and its news taken */

void writer_put(struct writer *, struct put *); /* takes it, until it comes back as news */
/* Again and again: where there was no thread for what it was handed, there may be one now. */
void writer_go_on(struct writer *);
void writer_share(struct writer *, int64_t others_bytes); /* that others take of max_bytes */
void writer_checkpoint(struct writer *, uint64_t drained, int64_t drained_ms);
/* Nobody reads this segment any more. First a checkpoint says that it may be gone. */
void writer_retire(struct writer *, const struct segment *);
/* Of an adopted one: a last checkpoint, and the folder is removed with all that is in it but copies
 * of damage. */
void writer_remove(struct writer *);
/* False: it is still at it. `error` as errno; 0: it is gone. Once true, writer_stop does not wait.
 */
bool writer_has_removed(struct writer *, int *error);

struct news *writer_take_news(struct writer *); /* NULL: none; free with news_free */

struct news *news_new(enum news_kind, const struct string *why); /* why may be NULL */
void news_free(struct news *);                                   /* and the puts still in it */
