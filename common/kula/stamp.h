/* A stamp is a signature that we make: in Kula's form, for `send` and for
 * services that check deliveries as Kula documents it, or as Standard Webhooks
 * has it.
 *
 * It holds one signature for each key, in the order of the keys, so that a
 * secret can be exchanged without a gap. Who checks as Kula's own sample does
 * looks at the first alone. */
#pragma once
#include "base/hmac.h"

struct stamp_keys {
    struct hmac *const *keys;
    size_t count; /* at least one */
};

/* "t=<t_s>,v1=<hex>,v1=<hex>", added to the string. */
void stamp_kula(struct stamp_keys, int64_t t_s, struct text body, struct string *);
/* "v1,<base64> v1,<base64>", over the id, the time and the body with dots between them. */
void stamp_standard(struct stamp_keys, struct text id, int64_t t_s, struct text body,
                    struct string *);
