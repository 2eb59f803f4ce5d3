#include "forward/signer.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/config.h"
#include "base/memory.h"
#include "forward/headers.h"
#include "kula/stamp.h"

struct signer {
    enum config_sign scheme;
    struct hmac **keys;
    size_t key_count;
};

struct signer *signer_create(const struct config_service *service) {
    struct signer *signer = memory_new(sizeof *signer);
    signer->scheme = service->sign;
    signer->key_count = service->sign_secret_file_count;
    signer->keys = memory_new(signer->key_count * sizeof(struct hmac *));
    for (size_t i = 0; i < signer->key_count; i++)
        signer->keys[i] = hmac_create(&service->sign_keys[i]);
    return signer;
}

void signer_destroy(struct signer *signer) {
    if (!signer)
        return;
    for (size_t i = 0; i < signer->key_count; i++)
        hmac_destroy(signer->keys[i]);
    free(signer->keys);
    free(signer);
}

void signer_sign(struct signer *signer, struct text event_id, struct text body, int64_t now_s,
                 struct headers *headers) {
    const struct stamp_keys keys = {signer->keys, signer->key_count};
    struct string stamp = {0};
    switch (signer->scheme) {
    case CONFIG_SIGN_NONE:
        break;
    case CONFIG_SIGN_KULA:
        stamp_kula(keys, now_s, body, &stamp);
        headers_add(headers, "X-Kula-Timestamp: %" PRId64, now_s);
        headers_add(headers, "X-Kula-Signature: %s", stamp.data);
        break;
    case CONFIG_SIGN_STANDARD_WEBHOOKS:
        stamp_standard(keys, event_id, now_s, body, &stamp);
        headers_add(headers, "webhook-id: %.*s", TEXT_ARG(event_id));
        headers_add(headers, "webhook-timestamp: %" PRId64, now_s);
        headers_add(headers, "webhook-signature: %s", stamp.data);
        break;
    }
    string_finish(&stamp);
}
