/* A slot, by offset:
 *
 *      0  mark          8  version     12  CRC of all but itself   16  spool
 *     24  generation   32  drained     40  removed                 48  last
 *     56  newest       64  bytes of the newest (0: not closed)   72  newest, ms
 *     80  drained, ms
 *
 * Version 1 ends at 80.
 */
#include "spool/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "spool/bytes.h"
#include "spool/crc.h"
#include "spool/segment.h"

enum {
    VERSION = 2,
    VERSION_AT = 8,
    CRC_AT = 12,
    SPOOL_AT = 16,
    GENERATION_AT = 24,
    DRAINED_AT = 32,
    REMOVED_AT = 40,
    LAST_AT = 48,
    NEWEST_AT = 56,
    NEWEST_BYTES_AT = 64,
    NEWEST_MS_AT = 72,
    DRAINED_MS_AT = 80,
    SLOT = 88,
    SLOT_1 = DRAINED_MS_AT,
    SLOTS = 2,
    APART = 4096, /* no disk writes both in one go */
};

static const uint64_t MARK = 0x7470616c754b; /* "Kulapt" */

bool checkpoint_is_closed(const struct checkpoint *checkpoint) {
    return checkpoint->newest_bytes > 0;
}

static uint32_t slot_crc(const char *slot, size_t size) {
    return crc_add(crc_add(0, slot, CRC_AT), slot + SPOOL_AT, size - SPOOL_AT);
}

static void encode(const struct checkpoint *checkpoint, uint64_t spool, char *slot) {
    bytes_put_64(slot, MARK);
    bytes_put_32(slot + VERSION_AT, VERSION);
    bytes_put_64(slot + SPOOL_AT, spool);
    bytes_put_64(slot + GENERATION_AT, checkpoint->generation);
    bytes_put_64(slot + DRAINED_AT, checkpoint->drained);
    bytes_put_64(slot + REMOVED_AT, checkpoint->removed);
    bytes_put_64(slot + LAST_AT, checkpoint->last);
    bytes_put_64(slot + NEWEST_AT, checkpoint->newest);
    bytes_put_64(slot + NEWEST_BYTES_AT, (uint64_t)checkpoint->newest_bytes);
    bytes_put_64(slot + NEWEST_MS_AT, (uint64_t)checkpoint->newest_ms);
    bytes_put_64(slot + DRAINED_MS_AT, (uint64_t)checkpoint->drained_ms);
    bytes_put_32(slot + CRC_AT, slot_crc(slot, SLOT));
}

static char *path_in(const char *folder) {
    struct string path = {0};
    string_addf(&path, "%s/checkpoint", folder);
    return path.data;
}

static int write_slot(const struct disk *disk, int file, const char *slot, int64_t at) {
    ssize_t put = disk->write(disk->arg, file, slot, SLOT, at);
    if (put >= 0 && put < SLOT) {
        errno = ENOSPC;
        return -1;
    }
    return put < 0 ? -1 : disk->sync_data(disk->arg, file);
}

int checkpoint_write(const struct disk *disk, const char *folder, uint64_t spool,
                     struct checkpoint *checkpoint) {
    char slot[SLOT];
    struct checkpoint next = *checkpoint;
    next.generation++;
    encode(&next, spool, slot);
    char *path = path_in(folder);
    /* Opened anew each time: after a failed sync, the old descriptor would say yes to anything. */
    int file = disk->open(disk->arg, path, O_RDWR | O_CREAT);
    free(path);
    if (file < 0)
        return -1;
    int status = write_slot(disk, file, slot, (int64_t)(next.generation % SLOTS) * APART);
    int error = errno;
    disk->close(disk->arg, file);
    errno = error;
    if (status == 0)
        *checkpoint = next;
    return status;
}

static ssize_t read_slot(const struct disk *disk, int file, char *slot, int64_t at) {
    size_t held = 0;
    while (held < SLOT) {
        ssize_t got = disk->read(disk->arg, file, slot + held, SLOT - held, at + (int64_t)held);
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        held += (size_t)got;
    }
    return (ssize_t)held;
}

/* Where no version can be told from its bytes, it is damaged. */
static bool is_whole(const char *slot, size_t size) {
    size_t whole = bytes_get_32(slot + VERSION_AT) == 1 ? SLOT_1 : SLOT;
    return size >= whole && bytes_get_64(slot) == MARK &&
           bytes_get_32(slot + CRC_AT) == slot_crc(slot, whole);
}

/* `slot` has SLOT bytes, of which `size` were read. */
static enum checkpoint_found decode(const char *slot, size_t size, uint64_t spool,
                                    struct checkpoint *checkpoint) {
    if (bytes_are_zero(slot, size))
        return CHECKPOINT_MISSING;
    if (!is_whole(slot, size))
        return CHECKPOINT_DAMAGED;
    uint32_t version = bytes_get_32(slot + VERSION_AT);
    if (version < 1 || version > VERSION)
        return CHECKPOINT_OTHER_VERSION;
    if (bytes_get_64(slot + SPOOL_AT) != spool)
        return CHECKPOINT_DAMAGED;
    *checkpoint = (struct checkpoint){
        .generation = bytes_get_64(slot + GENERATION_AT),
        .drained = bytes_get_64(slot + DRAINED_AT),
        .removed = bytes_get_64(slot + REMOVED_AT),
        .last = bytes_get_64(slot + LAST_AT),
        .newest = bytes_get_64(slot + NEWEST_AT),
        .newest_bytes = (int64_t)bytes_get_64(slot + NEWEST_BYTES_AT),
        .newest_ms = (int64_t)bytes_get_64(slot + NEWEST_MS_AT),
        .drained_ms = version == 1 ? 0 : (int64_t)bytes_get_64(slot + DRAINED_MS_AT),
    };
    bool possible =
        checkpoint->newest_bytes == 0 || segment_size_is_possible(checkpoint->newest_bytes);
    return possible ? CHECKPOINT_WHOLE : CHECKPOINT_DAMAGED;
}

static enum checkpoint_found choose(const enum checkpoint_found *found,
                                    const struct checkpoint *slots, struct checkpoint *chosen) {
    for (size_t i = 0; i < SLOTS; i++)
        if (found[i] == CHECKPOINT_OTHER_VERSION)
            return CHECKPOINT_OTHER_VERSION;
    bool both = found[0] == CHECKPOINT_WHOLE && found[1] == CHECKPOINT_WHOLE;
    if (found[0] != CHECKPOINT_WHOLE && found[1] != CHECKPOINT_WHOLE)
        return found[0] == CHECKPOINT_MISSING && found[1] == CHECKPOINT_MISSING
                   ? CHECKPOINT_MISSING
                   : CHECKPOINT_DAMAGED;
    size_t newer = both ? slots[1].generation > slots[0].generation : found[1] == CHECKPOINT_WHOLE;
    *chosen = slots[newer];
    return found[!newer] == CHECKPOINT_DAMAGED ? CHECKPOINT_HALF : CHECKPOINT_WHOLE;
}

enum checkpoint_found checkpoint_read(const struct disk *disk, const char *folder, uint64_t spool,
                                      struct checkpoint *checkpoint) {
    enum checkpoint_found found[SLOTS];
    struct checkpoint slots[SLOTS] = {0};
    char *path = path_in(folder);
    int file = disk->open(disk->arg, path, O_RDONLY);
    free(path);
    *checkpoint = (struct checkpoint){0};
    if (file < 0)
        return errno == ENOENT ? CHECKPOINT_MISSING : CHECKPOINT_FAILED;
    bool failed = false;
    for (size_t i = 0; i < SLOTS && !failed; i++) {
        char slot[SLOT] = {0};
        ssize_t got = read_slot(disk, file, slot, (int64_t)i * APART);
        failed = got < 0;
        if (!failed)
            found[i] = decode(slot, (size_t)got, spool, &slots[i]);
    }
    int error = errno;
    disk->close(disk->arg, file);
    errno = error;
    return failed ? CHECKPOINT_FAILED : choose(found, slots, checkpoint);
}
