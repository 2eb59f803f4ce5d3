/* The only file that names ISA-L. */
#include "spool/crc.h"

#include <isa-l/crc.h>

enum { PIECE = 1 << 30 }; /* its lengths are ints */

uint32_t crc_add(uint32_t crc, const void *data, size_t size) {
    /* It reads only, but does not say so in its type. */
    unsigned char *at = (unsigned char *)(uintptr_t)data; /* NOLINT(performance-no-int-to-ptr) */
    crc = ~crc;
    while (size) {
        int piece = size < PIECE ? (int)size : PIECE;
        crc = crc32_iscsi(at, piece, crc);
        at += piece;
        size -= (size_t)piece;
    }
    return ~crc;
}
