/* A signature's header and a body that somebody has made up: nothing that was not made
 * with the key is good, what was made with it is, and how the body arrives is all one.
 *
 * The header is the input up to its first NUL, the body the rest. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "kula/signature.h"

enum { NOW_S = 1700000000, TOLERANCE_S = 300 };

static struct hmac *keys[2];

static void make_keys(void) {
    static unsigned char first[] = "whsec_first", second[] = "whsec_second";
    keys[0] = hmac_create(&(struct secret){first, sizeof first - 1});
    keys[1] = hmac_create(&(struct secret){second, sizeof second - 1});
}

static enum signature_verdict try_in_pieces(const struct signature *signature, struct text body) {
    struct signature_trial *trial = signature_trial_create(signature, keys, 2);
    size_t matched;
    for (size_t at = 0, size = 1; at < body.size; at += size, size = size * 3 % 17 + 1) {
        size = size < body.size - at ? size : body.size - at;
        signature_trial_feed(trial, text_slice(body.data + at, size));
    }
    enum signature_verdict verdict = signature_trial_end(trial, NOW_S, TOLERANCE_S, &matched);
    signature_trial_destroy(trial);
    return verdict;
}

/* The same header with what the key makes of it added. */
static void sign_and_check(struct text header, const struct signature *signature,
                           struct text body) {
    unsigned char digest[HMAC_BYTES];
    char hex[HMAC_HEX + 1];
    struct string signed_header = {0};
    struct signature read;
    size_t matched = 2;
    hmac_restart(keys[1]);
    hmac_feed(keys[1], signature->t_digits);
    hmac_feed(keys[1], text_of("."));
    hmac_feed(keys[1], body);
    hmac_result(keys[1], digest);
    hmac_format(digest, hex);
    string_add(&signed_header, header);
    string_addf(&signed_header, ",v1=%s", hex);
    enum signature_verdict parsed = signature_parse(string_text(&signed_header), &read);
    if (signature->count == SIGNATURE_MOST) {
        assert(parsed == SIGNATURE_MALFORMED);
    } else {
        bool fresh = signature_fresh(signature, NOW_S, TOLERANCE_S);
        assert(parsed == SIGNATURE_GOOD);
        assert(signature_check(&read, keys, 2, body, NOW_S, TOLERANCE_S, &matched) ==
               (fresh ? SIGNATURE_GOOD : SIGNATURE_STALE));
        assert(matched == 1);
    }
    string_finish(&signed_header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct text body = text_slice((const char *)data, size);
    struct text header = text_cut(&body, '\0');
    struct signature signature;
    size_t matched;
    if (!keys[0])
        make_keys();
    enum signature_verdict verdict = signature_parse(header, &signature);
    assert(signature_verdict_name(verdict));
    if (verdict != SIGNATURE_GOOD)
        return 0;
    assert(signature.count >= 1 && signature.count <= SIGNATURE_MOST && signature.t_s >= 0);
    verdict = signature_check(&signature, keys, 2, body, NOW_S, TOLERANCE_S, &matched);
    assert(verdict == SIGNATURE_UNMATCHED); /* nobody finds one by trying */
    assert(try_in_pieces(&signature, body) == verdict);
    sign_and_check(header, &signature, body);
    return 0;
}
