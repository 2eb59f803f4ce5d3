/* A segment's header, by offset:
 *
 *      0  mark         8  version     12  CRC of all but itself   16  spool
 *     24  number      32  first       40  after                   48  opened, ms
 *     56  bytes of the file
 *
 * Mark, version and CRC stay where they are in all versions to come: a program
 * has to be able to tell a version that it does not know from a damaged one. */
#include "spool/segment.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "spool/bytes.h"
#include "spool/crc.h"

enum {
    VERSION = 1,
    VERSION_AT = 8,
    CRC_AT = 12,
    SPOOL_AT = 16,
    NUMBER_AT = 24,
    FIRST_AT = 32,
    AFTER_AT = 40,
    OPENED_AT = 48,
    BYTES_AT = 56,
    WINDOW = 256 * 1024,
};

static const uint64_t MARK = 0x676553616c754b; /* "KulaSeg" */

/* ---------------------------------------------------------------- header and name */

static uint32_t header_crc(const char *header) {
    uint32_t crc = crc_add(0, header, CRC_AT);
    return crc_add(crc, header + SPOOL_AT, SEGMENT_HEADER - SPOOL_AT);
}

bool segment_size_is_possible(int64_t bytes) {
    static const int64_t MOST = INT64_C(1) << 40;
    return bytes >= SEGMENT_HEADER && bytes <= MOST;
}

void segment_header_encode(const struct segment_header *header, uint64_t spool, char *to) {
    bytes_put_64(to, MARK);
    bytes_put_32(to + VERSION_AT, VERSION);
    bytes_put_64(to + SPOOL_AT, spool);
    bytes_put_64(to + NUMBER_AT, header->number);
    bytes_put_64(to + FIRST_AT, header->first);
    bytes_put_64(to + AFTER_AT, header->after);
    bytes_put_64(to + OPENED_AT, (uint64_t)header->opened_ms);
    bytes_put_64(to + BYTES_AT, (uint64_t)header->bytes);
    bytes_put_32(to + CRC_AT, header_crc(to));
}

enum segment_begun segment_header_decode(struct text from, uint64_t spool, uint64_t number,
                                         struct segment_header *header) {
    size_t size = from.size < SEGMENT_HEADER ? from.size : SEGMENT_HEADER;
    if (bytes_are_zero(from.data, size))
        return SEGMENT_READY;
    if (size < SEGMENT_HEADER || bytes_get_64(from.data) != MARK ||
        bytes_get_32(from.data + CRC_AT) != header_crc(from.data))
        return SEGMENT_HEADER_DAMAGED;
    if (bytes_get_32(from.data + VERSION_AT) != VERSION)
        return SEGMENT_OTHER_VERSION;
    if (bytes_get_64(from.data + SPOOL_AT) != spool)
        return SEGMENT_OTHER_SPOOL;
    *header = (struct segment_header){
        .number = bytes_get_64(from.data + NUMBER_AT),
        .first = bytes_get_64(from.data + FIRST_AT),
        .after = bytes_get_64(from.data + AFTER_AT),
        .opened_ms = (int64_t)bytes_get_64(from.data + OPENED_AT),
        .bytes = (int64_t)bytes_get_64(from.data + BYTES_AT),
    };
    if (!segment_size_is_possible(header->bytes))
        return SEGMENT_HEADER_DAMAGED;
    return header->number == number ? SEGMENT_BEGUN : SEGMENT_READY;
}

uint64_t segment_key(uint64_t spool, uint64_t number) {
    return spool + number;
}

void segment_name(uint64_t number, char *name, size_t size) {
    snprintf(name, size, "segment-%010" PRIu64, number);
}

char *segment_path(const char *folder, uint64_t number) {
    char name[64];
    struct string path = {0};
    segment_name(number, name, sizeof name);
    string_addf(&path, "%s/%s", folder, name);
    return path.data;
}

bool segment_name_parse(const char *name, uint64_t *number) {
    struct text text = text_of(name);
    if (!text_starts(text, "segment-"))
        return false;
    size_t prefix = strlen("segment-");
    char ours[64];
    if (!text_to_uint(text_slice(name + prefix, text.size - prefix), UINT64_MAX, number))
        return false;
    segment_name(*number, ours, sizeof ours); /* nobody else's "segment-1" */
    return text_is(text, ours);
}

/* ---------------------------------------------------------------- what is known of it */

struct segment *segment_new(uint64_t number) {
    struct segment *segment = memory_new(sizeof *segment);
    segment->number = number;
    segment->used = SEGMENT_HEADER;
    return segment;
}

void segment_free(struct segment *segment) {
    if (!segment)
        return;
    free(segment->damage);
    free(segment);
}

void segment_note(struct segment *segment, const struct record *record) {
    if (!segment->records++) {
        segment->first = record->sequence;
        segment->oldest_ms = segment->newest_ms = record->received_ms;
    }
    segment->last = record->sequence;
    if (record->received_ms < segment->oldest_ms)
        segment->oldest_ms = record->received_ms;
    if (record->received_ms > segment->newest_ms)
        segment->newest_ms = record->received_ms;
}

/* How many they were can only be told from their numbers, some of which may never have been
 * written. */
void segment_lose_behind(struct segment *segment, uint64_t after) {
    uint64_t lost = segment->last - after;
    segment->records = lost < segment->records ? segment->records - lost : 1;
    if (after < segment->first)
        segment->records = 0;
    segment->last = after;
}

bool segment_note_damage(struct segment *segment, struct segment_span span) {
    for (size_t i = 0; i < segment->damage_count; i++)
        if (span.at < segment->damage[i].at + segment->damage[i].bytes &&
            segment->damage[i].at < span.at + span.bytes)
            return false;
    segment->damage =
        memory_resize(segment->damage, (segment->damage_count + 1) * sizeof *segment->damage);
    segment->damage[segment->damage_count++] = span;
    return true;
}

/* ---------------------------------------------------------------- reading */

void segment_walk_start(struct segment_walk *walk, const struct disk *disk, int file, uint64_t key,
                        int64_t at, int64_t end) {
    *walk = (struct segment_walk){.disk = disk, .file = file, .key = key, .at = at, .end = end};
}

void segment_walk_again(struct segment_walk *walk, int64_t at) {
    walk->at = at;
    walk->held = 0;
}

void segment_walk_finish(struct segment_walk *walk) {
    free(walk->window);
    *walk = (struct segment_walk){0};
}

static bool fill_window(struct segment_walk *walk, int64_t at, size_t size) {
    if (size > walk->capacity) {
        walk->window = memory_resize(walk->window, size);
        walk->capacity = size;
    }
    walk->window_at = at;
    walk->held = 0;
    while (walk->held < size) {
        ssize_t got = walk->disk->read(walk->disk->arg, walk->file, walk->window + walk->held,
                                       size - walk->held, at + (int64_t)walk->held);
        if (got < 0)
            return false;
        if (got == 0) {
            walk->end = at + (int64_t)walk->held;
            return true;
        }
        walk->held += (size_t)got;
    }
    return true;
}

/* What stands at `at`: at least `want` bytes where the file has them. */
static bool look(struct segment_walk *walk, int64_t at, size_t want, struct text *here) {
    int64_t left = walk->end > at ? walk->end - at : 0;
    if ((int64_t)want > left)
        want = (size_t)left;
    bool held =
        at >= walk->window_at && at + (int64_t)want <= walk->window_at + (int64_t)walk->held;
    if (!held) {
        size_t size = want > WINDOW ? want : WINDOW;
        if (!fill_window(walk, at, (int64_t)size < left ? size : (size_t)left))
            return false;
    }
    size_t offset = (size_t)(at - walk->window_at);
    size_t there = want ? walk->held - offset : 0;
    *here = want ? text_slice(walk->window + offset, there) : (struct text){0};
    return true;
}

/* No head is here. Passes over everything up to the next one. */
static enum segment_step pass_over(struct segment_walk *walk, struct segment_span *span) {
    int64_t from = walk->at;
    bool zeros = true;
    for (;;) {
        struct text here;
        size_t bytes;
        if (!look(walk, walk->at, RECORD_HEAD, &here))
            return SEGMENT_FAILED;
        if (here.size < RECORD_HEAD) {
            zeros = zeros && bytes_are_zero(here.data, here.size);
            walk->at += (int64_t)here.size;
            *span = (struct segment_span){from, walk->at - from};
            return zeros ? SEGMENT_END : SEGMENT_DAMAGE;
        }
        for (; here.size >= RECORD_HEAD; here.data += RECORD_ALIGN, here.size -= RECORD_ALIGN) {
            if (walk->at > from && record_measure(here, walk->key, &bytes)) {
                *span = (struct segment_span){from, walk->at - from};
                return SEGMENT_DAMAGE;
            }
            zeros = zeros && bytes_are_zero(here.data, RECORD_ALIGN);
            walk->at += RECORD_ALIGN;
        }
    }
}

enum segment_step segment_walk_next(struct segment_walk *walk, struct record *record,
                                    struct segment_span *span) {
    struct text here;
    size_t bytes;
    if (!look(walk, walk->at, RECORD_HEAD, &here))
        return SEGMENT_FAILED;
    walk->headed = record_measure(here, walk->key, &bytes);
    if (!walk->headed)
        return pass_over(walk, span);
    if (!look(walk, walk->at, bytes, &here))
        return SEGMENT_FAILED;
    if (here.size > bytes)
        here.size = bytes;
    *span = (struct segment_span){walk->at, (int64_t)here.size};
    walk->at += (int64_t)here.size;
    return record_decode(here, walk->key, record, &bytes) == RECORD_WHOLE ? SEGMENT_RECORD
                                                                          : SEGMENT_DAMAGE;
}
