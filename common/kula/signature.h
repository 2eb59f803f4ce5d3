/* Kula's X-Kula-Signature: "t=<unix seconds>,v1=<64 hex>", where v1 is the
 * HMAC-SHA256, under the endpoint's secret, of t's digits, a dot and the body.
 * (Kula's security guide. Its example value is a copy of another vendor's and
 * verifies nothing.)
 *
 * The guide's sample takes item 0 for t and item 1 for v1. We read a comma list
 * of name=value in any order, blanks around items allowed, unknown names
 * skipped, up to SIGNATURE_MOST v1 values; exactly one t, 1 to 15 digits. */
#pragma once
#include "base/hmac.h"

enum { SIGNATURE_MOST = 8 };

enum signature_verdict {
    SIGNATURE_GOOD,
    SIGNATURE_STALE,     /* authentic, but t is further from now than the tolerance */
    SIGNATURE_UNMATCHED, /* well-formed, and no secret makes it */
    SIGNATURE_MALFORMED,
    SIGNATURE_MISSING, /* no header, or an empty one */
};
const char *signature_verdict_name(enum signature_verdict);

/* Of the body, what a signature covers: its bytes, or what JavaScript makes of them (canonical.h).
 */
enum signature_reading { SIGNATURE_RAW, SIGNATURE_CANONICAL, SIGNATURE_READINGS };
const char *signature_reading_name(enum signature_reading);

struct signature {
    struct text t_digits; /* borrowed from the header: the MAC covers the digits as sent */
    int64_t t_s;
    size_t count;
    unsigned char v1[SIGNATURE_MOST][HMAC_BYTES];
};

/* GOOD (meaning well-formed), MALFORMED or MISSING. */
enum signature_verdict signature_parse(struct text header, struct signature *);

/* Of a malformed one, for people: what was expected instead of what stands there, so many bytes
 * from its beginning. NULL where nothing was. */
const char *signature_expected(struct text header, size_t *at);

/* Whether t is within tolerance of now, both ways; at exactly the tolerance it is. */
bool signature_fresh(const struct signature *, int64_t now_s, int64_t tolerance_s);

/* A trial hashes a body with all keys as it arrives, so that a long one takes its time
 * in pieces. Signature and keys are only needed while it is created. */
struct signature_trial;
struct signature_trial *signature_trial_create(const struct signature *, struct hmac *const *keys,
                                               size_t key_count);
void signature_trial_feed(struct signature_trial *, struct text piece);
/* Ends it. All keys are tried against all v1 values, each compared in constant time and
 * none skipped after a match. On GOOD and STALE *matched is the key's position. */
enum signature_verdict signature_trial_end(struct signature_trial *, int64_t now_s,
                                           int64_t tolerance_s, size_t *matched);
void signature_trial_destroy(struct signature_trial *);

/* The same where the body is there already. */
enum signature_verdict signature_check(const struct signature *, struct hmac *const *keys,
                                       size_t key_count, struct text body, int64_t now_s,
                                       int64_t tolerance_s, size_t *matched);
