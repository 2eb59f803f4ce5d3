/* The spool is where a delivery is durable before Redis has it.
 *
 * One spool is one locked sub-folder with a random id and records numbered from
 * 1; each start of `serve` makes a new one, so a number is never used twice
 * under one id, whatever became of the disk. What earlier starts left behind is
 * adopted: locked, read, drained, and removed when nothing in it is needed.
 *
 * Writing is group commit: all that was put while one sync ran goes out with
 * the next, at most one every 2 ms under load but for those that carry many. A
 * helper thread does nothing but write and sync what it is handed; everything
 * here is called on the loop, and calls back on it.
 *
 * Reading is for whoever drains it into the ledger: from memory as long as the
 * reader keeps up, from the files when it fell behind or goes back. Only what
 * was synced is read. */
#pragma once
#include "net/loop.h"
#include "spool/record.h"

struct spool;
struct disk;

struct spool_options {
    const char *directory;    /* holds one sub-folder a spool */
    int64_t max_bytes;        /* of all segments of this spool, and of others_bytes */
    int64_t others_bytes;     /* that other spools take of max_bytes; spool_share tells of more */
    int64_t keep_ms;          /* so long after the ledger got it a segment stays */
    int64_t least_free_bytes; /* left on the file system; 0: 64 MiB */
    int64_t segment_bytes;    /* 0: 16 MiB; a longer record gets a segment of its own size */
    int64_t patience_ms;      /* a disk hangs that says nothing for so long; 0: 5 s */
    const struct disk *disk;  /* NULL: the real one */
    /* Something to read has come: synced, or found. May be NULL. */
    loop_fn *on_readable;
    /* It can write again, or cannot, or not for another reason (spool_trouble says which): for
     * whoever tells people. May be NULL. */
    void (*on_state)(void *arg, bool writable);
    void *arg;
};

/* How long a put may take before the disk counts as one that hangs. A sync of two seconds is none:
 * what comes during one waits for that and its own. */
enum { SPOOL_PATIENCE_MS = 5000 };

/* Where it is missing, with its name synced: for whoever can do that now and not when a spool is
 * created, which tells, too, where it could not be made. */
void spool_make_directory(const char *directory);

/* A new one, locked and synced with its folder. NULL with a sentence: the
 * directory cannot be made or written. */
struct spool *spool_create(struct loop *, const struct spool_options *, struct string *why);

/* Locks and opens those that nobody holds, for reading only; those in which nothing is, it removes.
 * How many; they are in *adopted, the oldest first (free the array, destroy each). -1 with a
 * sentence where one cannot be read: a read error is not an empty spool; or where one has a version
 * that this program does not know. */
int spool_adopt(struct loop *, const struct spool_options *, struct spool ***adopted,
                struct string *why);

/* The same for who runs already, whom reading would keep from others: on a thread, which lives as
 * long as it looks. Where one cannot be read there is a sentence, and the others are adopted all
 * the same. The array is borrowed, the spools are not. */
typedef void spool_found_fn(void *arg, struct spool **adopted, int count, struct text trouble);
struct spool_search;
struct spool_search *spool_search_create(struct loop *, const struct spool_options *,
                                         spool_found_fn *); /* arg is that of the options */
void spool_search(struct spool_search *); /* calls back later; nothing where it looks already */
void spool_search_destroy(struct spool_search *); /* waits for the thread */

/* Stops the thread after what it was handed; callbacks of puts still open come
 * with SPOOL_UNKNOWN before it returns. */
void spool_destroy(struct spool *);

const char *spool_id(const struct spool *); /* 16 hex digits */
/* Nor is it while the disk hangs: nothing is put then, and what waits may still come. */
bool spool_writable(const struct spool *);
struct text spool_trouble(const struct spool *); /* for people; empty when writable */

enum spool_put {
    SPOOL_SYNCED,  /* it is on disk */
    SPOOL_REFUSED, /* it is not, and will not be: no room, cannot write */
    SPOOL_UNKNOWN, /* a write or sync failed half-way: it may turn up later */
};
typedef void spool_put_fn(void *arg, enum spool_put);
/* The record is borrowed until the call returns; the spool gives it its number.
 * The callback comes later, once, however long the disk takes: deadlines are the
 * caller's. */
void spool_put(struct spool *, struct record *, spool_put_fn *, void *arg);

/* Up to `most` records and about most_bytes behind `after`, in order. Texts live
 * until the next call of spool_read on this spool or its destruction. Damaged
 * ones are passed over, and counted. Count; 0: nothing (yet). -1: the files cannot be read now. */
int spool_read(struct spool *, uint64_t after, struct record *records, size_t most,
               size_t most_bytes);
uint64_t spool_last(const struct spool *); /* the number of the last synced record; 0: none */
/* Everything up to here was drained and may have been removed; 0: all of it is there. */
uint64_t spool_removed(const struct spool *);

/* The ledger has everything up to here; may go back. Checkpointed before a
 * segment is removed. */
void spool_drained(struct spool *, uint64_t up_to);
/* Segments that the ledger got since then stay, within max_bytes. */
void spool_hold(struct spool *, int64_t since_ms);
/* Other spools take so much of max_bytes. */
void spool_share(struct spool *, int64_t others_bytes);
/* Of a written one: how many bytes have to go from those others, so that it soon has room for what
 * is to come, by max_bytes and on the disk. 0: none. */
int64_t spool_shortage(const struct spool *);
/* Of an adopted one, once spool_drained and spool_hold were told what the ledger says: about so
 * many bytes go, the oldest first, and only of what was drained. How many went. */
enum spool_goes {
    SPOOL_KEPT, /* what no service is owed any more */
    SPOOL_OWED, /* what one may still be owed, too: then the ledger alone has it */
};
int64_t spool_let_go(struct spool *, int64_t bytes, enum spool_goes);
/* An adopted one, drained, with nothing that has to be kept: remove it. */
bool spool_is_done(const struct spool *);
/* False: not yet, for the thread does it, and a disk may hang: ask again. Where the disk does not
 * let go of it, it stays yours, open and locked, so that nobody finds and reads it anew, and is
 * never done any more. */
bool spool_remove(struct spool **);

struct spool_figures {
    uint64_t records, undrained;
    int64_t bytes, undrained_bytes;
    int64_t oldest_undrained_ms; /* wall time it was received; 0: none */
    int64_t syncs, sync_ms_total;
    int64_t damaged_records, damaged_bytes, write_failures;
    int64_t owed_let_go; /* records that a service may still be owed, for want of room */
};
void spool_figures(const struct spool *, struct spool_figures *);

/* A stretch of a file that ought to hold records and does not. */
enum { SPOOL_FILE_NAME = 64 };
struct spool_damage {
    char file[SPOOL_FILE_NAME]; /* in the spool's folder; empty: a file is gone, which is not known
                                 */
    int64_t at, bytes;
    uint64_t first, last;       /* records that are lost with it; first > last: none is known of */
    char copy[SPOOL_FILE_NAME]; /* the bytes in a file beside it; empty: serve has not made one */
};

/* For `kula-relay spool`: what is in a spool's folder, looked at read-only, locked by somebody or
 * not. What was drained is told by the checkpoint, which lags a little behind the ledger. */
enum { SPOOL_DAMAGE_MOST = 100 };
struct spool_survey {
    char id[17];
    bool held;            /* by a running process */
    struct string broken; /* why it cannot be read; then the rest is zero. Else empty */
    uint64_t records, undrained, first, last, drained;
    int64_t bytes, damaged_bytes, damaged_records;
    int64_t oldest_ms, oldest_undrained_ms, newest_ms; /* 0: there is none */
    struct spool_damage *damage; /* the first of it, in the order of the files */
    size_t damage_count, damage_untold;
    bool checkpoint_damaged; /* or missing: nothing is lost, but what was drained is not known */
    size_t copies;           /* of damage, found by serve now or earlier */
};
/* How many; spool_survey_free takes them back. -1 with a sentence: the directory cannot be read. */
int spool_survey(const char *directory, struct spool_survey **surveys, struct string *why);
void spool_survey_free(struct spool_survey *, int count);
