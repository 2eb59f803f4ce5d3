/* The second reading of a body: the text that JSON.stringify(JSON.parse(body)) gives in JavaScript.
 *
 * Kula's documents show that as what a signature covers. It is another text than the body's
 * where that has escapes, numbers or white space that JavaScript writes differently, keys
 * that look like integers, or a key twice. Nobody but who has the secret can sign either. */
#pragma once
#include "kula/signature.h"

/* Anybody may send a body of no worth to be read so, and the loop waits meanwhile. */
enum { CANONICAL_MOST = 256 * 1024 };

/* Added. False where there is no such reading: longer, deeper than json_read goes, no JSON, no
 * valid UTF-8 (where a reader would put U+FFFD, many bodies would have one signature), or more
 * numbers of 16 digits and more than anybody writes. What was added then is of no use. */
bool canonical_format(struct text json, struct string *);

/* signature_check over that text; UNMATCHED where there is none. */
enum signature_verdict canonical_check(const struct signature *, struct hmac *const *keys,
                                       size_t key_count, struct text body, int64_t now_s,
                                       int64_t tolerance_s, size_t *matched);
