/* A stamp is the signature that we make, in Kula's form: for `send`, and for
 * services that check deliveries as Kula documents it. */
#pragma once
#include "base/hmac.h"

enum { STAMP_SIZE = 128 };

/* "t=<t_s>,v1=<hex>", NUL-terminated. */
void stamp_format(struct hmac *key, int64_t t_s, struct text body, char stamp[STAMP_SIZE]);
