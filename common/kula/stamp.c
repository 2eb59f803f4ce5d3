#include "kula/stamp.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

void stamp_format(struct hmac *key, int64_t t_s, struct text body, char stamp[STAMP_SIZE]) {
    unsigned char digest[HMAC_BYTES];
    char hex[HMAC_HEX + 1];
    int size = snprintf(stamp, STAMP_SIZE, "%" PRId64 ".", t_s);
    hmac_restart(key);
    hmac_feed(key, text_slice(stamp, (size_t)size));
    hmac_feed(key, body);
    hmac_result(key, digest);
    hmac_format(digest, hex);
    size = snprintf(stamp, STAMP_SIZE, "t=%" PRId64 ",v1=%s", t_s, hex);
    assert(size > 0 && size < STAMP_SIZE);
}
