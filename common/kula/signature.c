#include "kula/signature.h"

#include <stdlib.h>

#include "base/memory.h"

enum { T_DIGITS_MOST = 15 };

const char *signature_verdict_name(enum signature_verdict verdict) {
    static const char *const names[] = {
        [SIGNATURE_GOOD] = "good",           [SIGNATURE_STALE] = "stale",
        [SIGNATURE_UNMATCHED] = "unmatched", [SIGNATURE_MALFORMED] = "malformed",
        [SIGNATURE_MISSING] = "missing",
    };
    return names[verdict];
}

const char *signature_reading_name(enum signature_reading reading) {
    static const char *const names[SIGNATURE_READINGS] = {
        [SIGNATURE_RAW] = "raw",
        [SIGNATURE_CANONICAL] = "canonical",
    };
    return names[reading];
}

/* These give what they expected instead, NULL where all is well; `rest` begins where that stands.
 */

static const char *read_t(struct text digits, struct signature *signature) {
    uint64_t t_s;
    if (signature->t_digits.size)
        return "no second t";
    if (digits.size > T_DIGITS_MOST || !text_to_uint(digits, INT64_MAX, &t_s))
        return "Unix seconds in 1 to 15 digits";
    signature->t_digits = digits;
    signature->t_s = (int64_t)t_s;
    return NULL;
}

static const char *read_v1(struct text hex, struct signature *signature) {
    if (signature->count == SIGNATURE_MOST)
        return "no more than 8 v1";
    return hmac_parse(hex, signature->v1[signature->count++]) ? NULL : "64 hexadecimal digits";
}

static const char *read_item(struct text *rest, struct signature *signature) {
    struct text item = *rest;
    struct text name = text_cut(rest, '=');
    if (name.size == item.size) {
        *rest = item;
        return "name=value";
    }
    if (text_is(name, "t"))
        return read_t(*rest, signature);
    if (text_is(name, "v1"))
        return read_v1(*rest, signature);
    return NULL;
}

static const char *read_header(struct text *rest, struct signature *signature) {
    struct text header = *rest;
    while (header.size) {
        *rest = text_trim(text_cut(&header, ','));
        /* An empty item says nothing (HTTP's lists may hold some), and the guide's
         * sample takes a comma at the end too. */
        const char *expected = rest->size ? read_item(rest, signature) : NULL;
        if (expected)
            return expected;
    }
    *rest = header;
    if (signature->t_digits.size == 0)
        return "t=, with Unix seconds";
    return signature->count ? NULL : "v1=, with 64 hexadecimal digits";
}

enum signature_verdict signature_parse(struct text header, struct signature *signature) {
    *signature = (struct signature){0};
    if (text_trim(header).size == 0)
        return SIGNATURE_MISSING;
    return read_header(&header, signature) ? SIGNATURE_MALFORMED : SIGNATURE_GOOD;
}

const char *signature_expected(struct text header, size_t *at) {
    struct signature signature = {0};
    struct text rest = header;
    const char *expected = read_header(&rest, &signature);
    *at = rest.data ? (size_t)(rest.data - header.data) : header.size;
    return expected;
}

bool signature_fresh(const struct signature *signature, int64_t now_s, int64_t tolerance_s) {
    if (tolerance_s == 0)
        return true; /* off */
    int64_t away_s = signature->t_s - now_s;
    return away_s >= -tolerance_s && away_s <= tolerance_s;
}

struct signature_trial {
    struct signature signature; /* its texts are not looked at any more */
    size_t key_count;
    struct hmac *macs[];
};

struct signature_trial *signature_trial_create(const struct signature *signature,
                                               struct hmac *const *keys, size_t key_count) {
    struct signature_trial *trial = memory_new(sizeof *trial + key_count * sizeof *trial->macs);
    trial->signature = *signature;
    trial->key_count = key_count;
    for (size_t i = 0; i < key_count; i++)
        trial->macs[i] = hmac_copy(keys[i]);
    signature_trial_feed(trial, signature->t_digits);
    signature_trial_feed(trial, text_of("."));
    return trial;
}

void signature_trial_feed(struct signature_trial *trial, struct text piece) {
    for (size_t i = 0; i < trial->key_count; i++)
        hmac_feed(trial->macs[i], piece);
}

static bool makes(struct hmac *mac, const struct signature *signature) {
    unsigned char digest[HMAC_BYTES];
    bool made = false;
    hmac_result(mac, digest);
    for (size_t i = 0; i < signature->count; i++)
        made |= hmac_equal(digest, signature->v1[i]);
    return made;
}

enum signature_verdict signature_trial_end(struct signature_trial *trial, int64_t now_s,
                                           int64_t tolerance_s, size_t *matched) {
    size_t found = trial->key_count;
    /* On to the end, so that the time taken does not tell which key it was. */
    for (size_t i = 0; i < trial->key_count; i++)
        if (makes(trial->macs[i], &trial->signature) && found == trial->key_count)
            found = i;
    if (found == trial->key_count)
        return SIGNATURE_UNMATCHED;
    *matched = found;
    return signature_fresh(&trial->signature, now_s, tolerance_s) ? SIGNATURE_GOOD
                                                                  : SIGNATURE_STALE;
}

void signature_trial_destroy(struct signature_trial *trial) {
    if (!trial)
        return;
    for (size_t i = 0; i < trial->key_count; i++)
        hmac_destroy(trial->macs[i]);
    free(trial);
}

enum signature_verdict signature_check(const struct signature *signature, struct hmac *const *keys,
                                       size_t key_count, struct text body, int64_t now_s,
                                       int64_t tolerance_s, size_t *matched) {
    struct signature_trial *trial = signature_trial_create(signature, keys, key_count);
    signature_trial_feed(trial, body);
    enum signature_verdict verdict = signature_trial_end(trial, now_s, tolerance_s, matched);
    signature_trial_destroy(trial);
    return verdict;
}
