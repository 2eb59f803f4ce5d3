/* The shelf holds the segment that is written, and the next one, made ready
 * behind it: at its full size, filled with zeros and synced, so that writing
 * changes no metadata and never finds the disk full half-way.
 *
 * Files are made in slices, so that a batch never waits for a whole one. Only
 * the writer's thread comes here. */
#pragma once
#include "spool/segment.h"

struct shelf_file {
    int file; /* -1: there is none */
    uint64_t number;
    int64_t bytes;
    int64_t filled; /* with zeros so far */
    int64_t used;   /* synced so far; 0: not begun */
};

struct shelf {
    const struct disk *disk;
    const char *folder;
    uint64_t spool;
    int64_t segment_bytes, least_free_bytes;
    int64_t room;         /* bytes that files may still take, */
    int64_t others_bytes; /* but for these, which are taken elsewhere */
    uint64_t next_number;
    struct shelf_file current, ready;
};

void shelf_init(struct shelf *); /* after the fields above were filled in; no file yet */
void shelf_finish(struct shelf *);

bool shelf_takes(const struct shelf *, int64_t bytes); /* the current one has room for so many */
bool shelf_is_ready(const struct shelf *);
/* One slice of the next one. All of these: false with a sentence. */
bool shelf_prepare(struct shelf *, struct string *why);
/* Leaves the current one, and begins one that takes so many bytes of records. */
bool shelf_turn(struct shelf *, int64_t bytes, struct string *why);
/* The current one failed: its descriptor is never used again. Removed where nothing in it was
 * synced. */
void shelf_give_up(struct shelf *);

/* Nothing more will be written: removes the ready one, and gives back what is behind the records in
 * the current one. How many bytes that one takes then. */
int64_t shelf_put_away(struct shelf *);

/* One that nobody needs any more becomes the next, where that is missing; else it is removed. */
bool shelf_retire(struct shelf *, uint64_t number, int64_t bytes, bool again, struct string *why);
bool shelf_has_free_space(struct shelf *, int64_t for_bytes, struct string *why);
