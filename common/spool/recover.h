/* Reads what a process left behind: which segments there are, what is in them,
 * and what ought to be and is not. It changes nothing but that damage is copied
 * aside.
 *
 * What stands at the very end and is no record is a tail: a write that nobody
 * was told of. What is followed by a record, or by a segment or a checkpoint
 * that knows of later ones, is damage. */
#pragma once
#include "spool/checkpoint.h"
#include "spool/segment.h"
#include "spool/spool.h"

struct recovery {
    const struct disk *disk;
    const char *folder, *id; /* the id for the log: a survey tells nothing there */
    uint64_t spool;
    bool survey; /* also what was drained; quietly, copying nothing; while it may be written */

    /* What was found. */
    struct checkpoint checkpoint; /* zeros where there was none */
    bool checkpoint_damaged;      /* or missing; of its two slots, one may still be good */
    struct segment_list segments; /* that hold records */
    struct segment_list unused;   /* that do not */
    uint64_t last;                /* the last record; 0: none */
    int64_t bytes;                /* of all segment files, begun or not */
    int64_t damaged_records, damaged_bytes;
    uint64_t undrained; /* by the checkpoint */
    int64_t oldest_undrained_ms;
    /* Of a survey: where it is damaged, the first SPOOL_DAMAGE_MOST; free(). */
    struct spool_damage *damage;
    size_t damage_count, damage_untold;
};

/* False with a sentence where a file cannot be read, or belongs to another version or spool. */
bool recover(struct recovery *, struct string *why);
void recovery_finish(struct recovery *); /* what is still in the lists, and the damage */
