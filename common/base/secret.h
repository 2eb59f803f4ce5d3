/* A secret is the content of a file, wiped from memory when it is finished.
 *
 * Configuration names files, never values. One trailing newline (LF or CRLF)
 * is dropped, because editors and `echo` add it; nothing else is touched, for
 * Kula keys its HMAC with the secret's bytes as they are. */
#pragma once
#include "base/text.h"

struct secret {
    unsigned char *data;
    size_t size;
};

/* False with a sentence for people in `why` (what, which file, what to do):
 * missing, unreadable, empty, over 64 KiB. The sentence never holds content. */
bool secret_read(const char *path, struct secret *, struct string *why);
/* Standard Webhooks writes a key as "whsec_" and base64 of 24 to 64 bytes; the prefix may be
 * missing. The key takes the place of its text. False with what is wrong, for people. */
bool secret_decode(struct secret *, struct string *why);
/* Whether it can go where only text goes, as in JSON, and stay the bytes that it is. False with
 * what is wrong, for people. */
bool secret_is_text(const struct secret *, struct string *why);
struct text secret_text(const struct secret *); /* its bytes */
void secret_finish(struct secret *);
