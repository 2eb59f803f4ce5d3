#include "kula/signature.h"

enum { T_DIGITS_MOST = 15 };

const char *signature_verdict_name(enum signature_verdict verdict) {
    static const char *const names[] = {
        [SIGNATURE_GOOD] = "good",           [SIGNATURE_STALE] = "stale",
        [SIGNATURE_UNMATCHED] = "unmatched", [SIGNATURE_MALFORMED] = "malformed",
        [SIGNATURE_MISSING] = "missing",
    };
    return names[verdict];
}

static bool read_t(struct text digits, struct signature *signature) {
    uint64_t t_s;
    bool first = signature->t_digits.size == 0;
    if (!first || digits.size > T_DIGITS_MOST || !text_to_uint(digits, INT64_MAX, &t_s))
        return false;
    signature->t_digits = digits;
    signature->t_s = (int64_t)t_s;
    return true;
}

static bool read_v1(struct text hex, struct signature *signature) {
    if (signature->count == SIGNATURE_MOST)
        return false;
    return hmac_parse(hex, signature->v1[signature->count++]);
}

static bool read_item(struct text item, struct signature *signature) {
    struct text value = item;
    struct text name = text_cut(&value, '=');
    if (name.size == item.size)
        return false; /* no "=" */
    if (text_is(name, "t"))
        return read_t(value, signature);
    if (text_is(name, "v1"))
        return read_v1(value, signature);
    return true;
}

enum signature_verdict signature_parse(struct text header, struct signature *signature) {
    *signature = (struct signature){0};
    if (text_trim(header).size == 0)
        return SIGNATURE_MISSING;
    while (header.size) {
        struct text item = text_trim(text_cut(&header, ','));
        /* An empty item says nothing (HTTP's lists may hold some), and the guide's
         * sample takes a comma at the end too. */
        if (item.size && !read_item(item, signature))
            return SIGNATURE_MALFORMED;
    }
    return signature->t_digits.size && signature->count ? SIGNATURE_GOOD : SIGNATURE_MALFORMED;
}

bool signature_fresh(const struct signature *signature, int64_t now_s, int64_t tolerance_s) {
    if (tolerance_s == 0)
        return true; /* off */
    int64_t away_s = signature->t_s - now_s;
    return away_s >= -tolerance_s && away_s <= tolerance_s;
}

static bool key_makes(struct hmac *key, const struct signature *signature, struct text body) {
    unsigned char digest[HMAC_BYTES];
    bool made = false;
    hmac_restart(key);
    hmac_feed(key, signature->t_digits);
    hmac_feed(key, text_of("."));
    hmac_feed(key, body);
    hmac_result(key, digest);
    for (size_t i = 0; i < signature->count; i++)
        made |= hmac_equal(digest, signature->v1[i]);
    return made;
}

enum signature_verdict signature_check(const struct signature *signature, struct hmac *const *keys,
                                       size_t key_count, struct text body, int64_t now_s,
                                       int64_t tolerance_s, size_t *matched) {
    size_t found = key_count;
    /* On to the end, so that the time taken does not tell which key it was. */
    for (size_t i = 0; i < key_count; i++)
        if (key_makes(keys[i], signature, body) && found == key_count)
            found = i;
    if (found == key_count)
        return SIGNATURE_UNMATCHED;
    *matched = found;
    return signature_fresh(signature, now_s, tolerance_s) ? SIGNATURE_GOOD : SIGNATURE_STALE;
}
