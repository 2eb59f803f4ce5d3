/* A record's head, by offset:
 *
 *      0  mark          4  CRC of all but itself     8  CRC of the head but both
 *     12  length       16  sequence                 24  received, ms
 *     32  window, ms   40  kind                     44  nine sizes of texts
 *
 * All numbers are little-endian. Both CRCs begin with the segment's number. */
#include "spool/record.h"

#include <assert.h>
#include <string.h>

#include "spool/bytes.h"
#include "spool/crc.h"

enum {
    MARK = 0x4472524b, /* "KRrD" */
    CRC_AT = 4,
    HEAD_CRC_AT = 8,
    LENGTH_AT = 12,
    SEQUENCE_AT = 16,
    RECEIVED_AT = 24,
    WINDOW_AT = 32,
    KIND_AT = 40,
    SIZES_AT = 44,
    TEXTS = 9,
};

/* In the order in which they stand on disk. */
static struct text *text_at(struct record *record, size_t i) {
    struct text *const texts[TEXTS] = {
        &record->endpoint, &record->id,     &record->type,      &record->account, &record->created,
        &record->trace,    &record->reason, &record->signature, &record->body,
    };
    return texts[i];
}

static size_t padded(size_t bytes) {
    return (bytes + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
}

size_t record_bytes(const struct record *record) {
    struct record copy = *record;
    size_t bytes = RECORD_HEAD;
    for (size_t i = 0; i < TEXTS; i++)
        bytes += text_at(&copy, i)->size;
    return padded(bytes);
}

static uint32_t crc_begin(uint64_t segment) {
    char number[8];
    bytes_put_64(number, segment);
    return crc_add(0, number, sizeof number);
}

static uint32_t head_crc(const char *record, uint64_t segment) {
    uint32_t crc = crc_add(crc_begin(segment), record, CRC_AT);
    return crc_add(crc, record + LENGTH_AT, RECORD_HEAD - LENGTH_AT);
}

static uint32_t whole_crc(const char *record, size_t bytes, uint64_t segment) {
    uint32_t crc = crc_add(crc_begin(segment), record, CRC_AT);
    return crc_add(crc, record + HEAD_CRC_AT, bytes - HEAD_CRC_AT);
}

void record_seal(char *encoded, uint64_t segment) {
    size_t bytes = bytes_get_32(encoded + LENGTH_AT);
    bytes_put_32(encoded + HEAD_CRC_AT, head_crc(encoded, segment));
    bytes_put_32(encoded + CRC_AT, whole_crc(encoded, bytes, segment));
}

void record_encode(const struct record *record, uint64_t segment, char *to) {
    struct record copy = *record;
    size_t bytes = record_bytes(record);
    assert(bytes <= UINT32_MAX);
    memset(to, 0, RECORD_HEAD);
    bytes_put_32(to, MARK);
    bytes_put_32(to + LENGTH_AT, (uint32_t)bytes);
    bytes_put_64(to + SEQUENCE_AT, record->sequence);
    bytes_put_64(to + RECEIVED_AT, (uint64_t)record->received_ms);
    bytes_put_64(to + WINDOW_AT, (uint64_t)record->window_ms);
    bytes_put_32(to + KIND_AT, (uint32_t)record->kind);
    char *at = to + RECORD_HEAD;
    for (size_t i = 0; i < TEXTS; i++) {
        struct text text = *text_at(&copy, i);
        bytes_put_32(to + SIZES_AT + 4 * i, (uint32_t)text.size);
        if (text.size)
            memcpy(at, text.data, text.size);
        at += text.size;
    }
    memset(at, 0, (size_t)(to + bytes - at));
    record_seal(to, segment);
}

static bool sizes_fit(const char *head) {
    uint64_t bytes = RECORD_HEAD;
    for (size_t i = 0; i < TEXTS; i++)
        bytes += bytes_get_32(head + SIZES_AT + 4 * i);
    return padded(bytes) == bytes_get_32(head + LENGTH_AT);
}

bool record_measure(struct text from, uint64_t segment, size_t *bytes) {
    if (from.size < RECORD_HEAD || bytes_get_32(from.data) != MARK)
        return false;
    if (bytes_get_32(from.data + HEAD_CRC_AT) != head_crc(from.data, segment))
        return false;
    if (!sizes_fit(from.data) || bytes_get_32(from.data + KIND_AT) > RECORD_PEN)
        return false;
    *bytes = bytes_get_32(from.data + LENGTH_AT);
    return true;
}

static void decode_whole(const char *from, struct record *record) {
    *record = (struct record){
        .sequence = bytes_get_64(from + SEQUENCE_AT),
        .kind = (enum record_kind)bytes_get_32(from + KIND_AT),
        .received_ms = (int64_t)bytes_get_64(from + RECEIVED_AT),
        .window_ms = (int64_t)bytes_get_64(from + WINDOW_AT),
    };
    const char *at = from + RECORD_HEAD;
    for (size_t i = 0; i < TEXTS; i++) {
        *text_at(record, i) = text_slice(at, bytes_get_32(from + SIZES_AT + 4 * i));
        at += text_at(record, i)->size;
    }
}

enum record_found record_decode(struct text from, uint64_t segment, struct record *record,
                                size_t *bytes) {
    *bytes = from.size < RECORD_ALIGN ? from.size : RECORD_ALIGN;
    if (from.size < RECORD_HEAD || bytes_are_zero(from.data, RECORD_HEAD))
        return RECORD_NONE;
    size_t length;
    if (!record_measure(from, segment, &length))
        return RECORD_DAMAGED;
    *bytes = length < from.size ? length : from.size;
    if (length > from.size ||
        bytes_get_32(from.data + CRC_AT) != whole_crc(from.data, length, segment))
        return RECORD_DAMAGED;
    decode_whole(from.data, record);
    return RECORD_WHOLE;
}
