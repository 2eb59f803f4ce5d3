/* A disk in memory that behaves as badly as a real one may: it loses power,
 * fills up, fails, is slow.
 *
 * It keeps apart what is synced and what is not. Data is safe once its file was
 * synced; that a file is there, has its name or is gone is safe once its folder
 * was. A failed sync takes the dirty pages for clean, as Linux does: the next
 * sync of that file says yes to what never reached the disk.
 *
 * Thread-safe. Times are told in changing calls: every make_folder, creating
 * open, write, sync, allocate, punch, rename and remove is one. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "spool/disk.h"

struct disk_sim;

enum disk_sim_call {
    DISK_SIM_MAKE_FOLDER,
    DISK_SIM_OPEN,
    DISK_SIM_WRITE,
    DISK_SIM_READ,
    DISK_SIM_SYNC_DATA,
    DISK_SIM_SYNC_FOLDER,
    DISK_SIM_ALLOCATE,
    DISK_SIM_PUNCH,
    DISK_SIM_RENAME,
    DISK_SIM_REMOVE,
    DISK_SIM_LIST,
    DISK_SIM_LOCK,
    DISK_SIM_CALLS,
};

const char *disk_sim_call_name(enum disk_sim_call);

struct disk_sim *disk_sim_create(void);            /* with "/" on it, and nothing else */
struct disk_sim *disk_sim_copy(struct disk_sim *); /* of what is readable, all of it synced */
void disk_sim_destroy(struct disk_sim *);
const struct disk *disk_sim_disk(struct disk_sim *);

/* The power goes in the middle of the nth changing call from now; it and all
 * later calls fail with EIO. 0: not at all. */
void disk_sim_cut_at(struct disk_sim *, uint64_t nth);
bool disk_sim_is_cut(struct disk_sim *);
uint64_t disk_sim_changes(struct disk_sim *); /* so far */

/* What is left when the machine, or only the process, is there again. */
enum disk_sim_loss {
    DISK_SIM_KILLED,  /* all that was written: only the process was gone */
    DISK_SIM_DROPPED, /* what was synced */
    DISK_SIM_TORN,    /* that, and by chance some of the rest: single sectors of 512 bytes of
                       * data, and the first few of the changes to folders */
};
/* Ends all descriptors and locks, and every fault it was told. `seed` makes the chance. */
void disk_sim_reboot(struct disk_sim *, enum disk_sim_loss, uint64_t seed);

/* The next `times` calls of this kind fail so; -1: all of them, until told 0. A write that fails
 * has written half. */
void disk_sim_fail(struct disk_sim *, enum disk_sim_call, int error, int times);
/* The same, after so many that do not. */
void disk_sim_fail_after(struct disk_sim *, int skip, enum disk_sim_call, int error, int times);
void disk_sim_fail_at(struct disk_sim *, uint64_t nth, int error); /* one changing call */
/* Room for so many bytes in files, those that are there included. -1: for all. */
void disk_sim_room(struct disk_sim *, int64_t bytes);
int64_t disk_sim_used(struct disk_sim *);
int64_t disk_sim_bytes_read(struct disk_sim *); /* so far */
/* As Linux mounts a disk anew that has failed: what is on it can be read, nothing changed. */
void disk_sim_read_only(struct disk_sim *, bool);
/* While held, a sync of data does not come back. */
void disk_sim_hold_syncs(struct disk_sim *, bool held);
unsigned disk_sim_syncs_held(struct disk_sim *); /* that are waiting just now */

/* For tests that look at the files, or write their own. Whole paths of all files, in the order of
 * the alphabet: how many; free each and the array. */
size_t disk_sim_files(struct disk_sim *, char ***paths);
struct text disk_sim_content(struct disk_sim *, const char *path); /* until it is changed */
void disk_sim_put(struct disk_sim *, const char *path, struct text content); /* synced */
