#include "kula/stamp.h"

#include <inttypes.h>

#include "base/base64.h"

static void make(struct hmac *key, const struct string *before, struct text body,
                 unsigned char digest[HMAC_BYTES]) {
    hmac_restart(key);
    hmac_feed(key, string_text(before));
    hmac_feed(key, body);
    hmac_result(key, digest);
}

void stamp_kula(struct stamp_keys with, int64_t t_s, struct text body, struct string *stamp) {
    unsigned char digest[HMAC_BYTES];
    char hex[HMAC_HEX + 1];
    struct string before = {0};
    string_addf(&before, "%" PRId64 ".", t_s);
    string_addf(stamp, "t=%" PRId64, t_s);
    for (size_t i = 0; i < with.count; i++) {
        make(with.keys[i], &before, body, digest);
        hmac_format(digest, hex);
        string_addf(stamp, ",v1=%s", hex);
    }
    string_finish(&before);
}

void stamp_standard(struct stamp_keys with, struct text id, int64_t t_s, struct text body,
                    struct string *stamp) {
    unsigned char digest[HMAC_BYTES];
    struct string before = {0};
    string_addf(&before, "%.*s.%" PRId64 ".", TEXT_ARG(id), t_s);
    for (size_t i = 0; i < with.count; i++) {
        make(with.keys[i], &before, body, digest);
        string_add_of(stamp, i ? " v1," : "v1,");
        base64_encode(digest, sizeof digest, stamp);
    }
    string_finish(&before);
}
