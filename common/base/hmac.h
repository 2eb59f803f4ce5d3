/* HMAC-SHA256 (RFC 2104), fed in pieces so that a long body can be hashed as
 * it arrives. */
#pragma once
#include "base/secret.h"

enum { HMAC_BYTES = 32, HMAC_HEX = 64 };

struct hmac;

struct hmac *hmac_create(const struct secret *); /* copies what it needs of the key */
struct hmac *hmac_copy(const struct hmac *);     /* same key, nothing fed */
void hmac_restart(struct hmac *);                /* same key, nothing fed */
void hmac_feed(struct hmac *, struct text);
void hmac_result(struct hmac *, unsigned char digest[HMAC_BYTES]); /* ends it until restarted */
void hmac_destroy(struct hmac *);

/* A short name for a secret, to tell it from others without showing it. */
enum { HMAC_MARK = 8 };
void hmac_mark(const struct secret *, char mark[HMAC_MARK + 1]);

/* Takes as long whatever the bytes are. */
bool hmac_equal(const unsigned char *, const unsigned char *);
void hmac_format(const unsigned char digest[HMAC_BYTES], char hex[HMAC_HEX + 1]); /* lower case */
bool hmac_parse(struct text hex, unsigned char digest[HMAC_BYTES]); /* exactly 64, either case */
