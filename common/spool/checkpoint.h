/* The checkpoint says how far a spool has got, in a small file beside its
 * segments. Two slots are written in turn, so that one is whole whenever the
 * power goes. */
#pragma once
#include "base/text.h"
#include "spool/disk.h"

struct checkpoint {
    uint64_t generation; /* of this checkpoint: the higher one counts */
    uint64_t drained;    /* the ledger has everything up to here */
    uint64_t removed;    /* everything up to here may be gone from the disk */
    uint64_t last;       /* was synced by then */
    uint64_t newest;     /* number of the newest segment by then; 0: none */
    int64_t drained_ms;  /* when the ledger last had more of it; 0: an older version wrote this */
    /* Of a closed spool, in which nothing will ever come behind `last`; else zeros. */
    int64_t newest_bytes; /* that its newest segment takes on the disk */
    int64_t newest_ms;    /* when the youngest record in it was received */
};

bool checkpoint_is_closed(const struct checkpoint *);

enum checkpoint_found {
    CHECKPOINT_WHOLE,
    CHECKPOINT_HALF,    /* whole, but one slot holds something else: it may be one step behind */
    CHECKPOINT_MISSING, /* no file, or an empty one */
    CHECKPOINT_DAMAGED,
    CHECKPOINT_OTHER_VERSION,
    CHECKPOINT_FAILED, /* errno */
};

/* Synced when it returns 0; the folder is not. Gives it its generation. -1 with errno, and then the
 * same slot is written anew the next time: the other one is the last that is known to be good. */
int checkpoint_write(const struct disk *, const char *folder, uint64_t spool, struct checkpoint *);
enum checkpoint_found checkpoint_read(const struct disk *, const char *folder, uint64_t spool,
                                      struct checkpoint *);
