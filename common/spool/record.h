/* A record is one delivery as it stands in the spool: everything the ledger will
 * be told of it. Pure: bytes in, bytes out.
 *
 * On disk: a fixed head (mark, length, CRC32C, sequence, time, kind, the sizes
 * of the texts), then the texts, padded with zeros to 8 bytes. The CRC covers
 * all of it but itself and begins with the segment's number: segment files are
 * used again, and what is left of an earlier use must not pass for new. A second
 * CRC covers the head alone, so that a length can be trusted where a text cannot. */
#pragma once
#include "base/text.h"

enum record_kind { RECORD_EVENT, RECORD_PEN };

struct record {
    uint64_t sequence;
    enum record_kind kind;
    int64_t received_ms; /* wall time */
    struct text endpoint;
    struct text id, type, account, created, trace; /* EVENT */
    struct text reason, signature;                 /* PEN */
    int64_t window_ms;                             /* EVENT: how long the id is to be remembered */
    struct text body;
};

enum { RECORD_ALIGN = 8, RECORD_HEAD = 80 };

size_t record_bytes(const struct record *); /* as encoded, padding included */
void record_encode(const struct record *, uint64_t segment, char *to);
/* What was encoded for one segment goes into another. */
void record_seal(char *encoded, uint64_t segment);

enum record_found {
    RECORD_WHOLE,
    RECORD_NONE,    /* zeros, or not enough bytes left for a head: nothing was written here */
    RECORD_DAMAGED, /* something is here, and it is not a whole record of this segment */
};
/* Texts point into `from`. *bytes is how far the next one is: behind a damaged record whose head
 * is whole, its end; else the next place where a head may stand. */
enum record_found record_decode(struct text from, uint64_t segment, struct record *, size_t *bytes);
/* Whether a whole head is here, of a record so long that it may reach beyond `from`. */
bool record_measure(struct text from, uint64_t segment, size_t *bytes);
