/* A segment is one file of a spool: a header, then records one behind the
 * other. The file has its full size before it is written, and its name says its
 * number; numbers only rise.
 *
 * The header says what is the first record's sequence, and which was the last
 * one synced before this segment was begun. From the latter a reader knows what
 * the segment before it has to hold, and where it ends: whatever else stands
 * there was given up half-written, or is left of an earlier use of the file. */
#pragma once
#include <sys/queue.h>

#include "spool/disk.h"
#include "spool/record.h"

enum { SEGMENT_HEADER = 64 };

struct segment_header {
    uint64_t number;
    uint64_t first; /* sequence of its first record */
    uint64_t after; /* of the last one synced before */
    int64_t opened_ms;
    int64_t bytes; /* of the file */
};

enum segment_begun {
    SEGMENT_BEGUN,
    SEGMENT_READY, /* zeros, or another number: made ready, and never begun */
    SEGMENT_HEADER_DAMAGED,
    SEGMENT_OTHER_VERSION,
    SEGMENT_OTHER_SPOOL,
};

/* Whether a segment may be said to have so many bytes: what is absurd, nobody adds up. */
bool segment_size_is_possible(int64_t bytes);

void segment_header_encode(const struct segment_header *, uint64_t spool, char *to);
enum segment_begun segment_header_decode(struct text from, uint64_t spool, uint64_t number,
                                         struct segment_header *);

/* What its records are encoded with. Not the bare number: whoever can guess it could send us a body
 * that holds a whole record, for a reader to come upon behind damage. */
uint64_t segment_key(uint64_t spool, uint64_t number);

void segment_name(uint64_t number, char *name, size_t size);
char *segment_path(const char *folder, uint64_t number); /* free() */
bool segment_name_parse(const char *name, uint64_t *number);

/* A stretch of a file. */
struct segment_span {
    int64_t at, bytes;
};

/* What is known of a segment. */
struct segment {
    TAILQ_ENTRY(segment) segments; /* the oldest first */
    uint64_t number;
    uint64_t first, last; /* sequences; last is less than first where there is none */
    uint64_t records;
    int64_t bytes;                /* of the file */
    int64_t used;                 /* up to where it is synced and may be read */
    int64_t oldest_ms, newest_ms; /* of its records, when they were received */
    int64_t drained_ms;           /* since when the ledger has all of it; 0: it has not */
    bool given_up;                /* it failed once: not to be used again */
    struct segment_span *damage;  /* found so far: each is counted once */
    size_t damage_count;
};
TAILQ_HEAD(segment_list, segment);

struct segment *segment_new(uint64_t number);
void segment_free(struct segment *);
void segment_note(struct segment *, const struct record *); /* one more, behind the others */
void segment_lose_behind(struct segment *, uint64_t after); /* its records behind this are lost */
/* False: known already. */
bool segment_note_damage(struct segment *, struct segment_span);

/* Reads a file from record to record, in pieces. */
struct segment_walk {
    const struct disk *disk;
    int file;
    uint64_t key;
    int64_t at;  /* where the next step looks */
    int64_t end; /* nothing is read from here on; lowered when the file ends before */
    bool headed; /* what it came upon last begins with a whole head, of this use of the file */
    char *window;
    size_t capacity, held;
    int64_t window_at;
};

enum segment_step {
    SEGMENT_RECORD,
    SEGMENT_DAMAGE, /* something is there, up to the next head or the end, and it is no record */
    SEGMENT_END,    /* nothing but zeros */
    SEGMENT_FAILED, /* errno */
};

void segment_walk_start(struct segment_walk *, const struct disk *, int file, uint64_t key,
                        int64_t at, int64_t end);
/* The record's texts live until the next step. */
enum segment_step segment_walk_next(struct segment_walk *, struct record *, struct segment_span *);
void segment_walk_again(struct segment_walk *, int64_t at); /* from here on, out of the file */
void segment_walk_finish(struct segment_walk *);            /* the file is the caller's */
