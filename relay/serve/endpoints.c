#include "serve/endpoints.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"

struct endpoints {
    struct endpoint *items;
    size_t count;
};

static void fill_endpoint(struct endpoint *endpoint, const struct config_endpoint *config) {
    static uint64_t editions;
    endpoint->edition = ++editions;
    endpoint->config = config;
    endpoint->key_count = config->secret_file_count;
    endpoint->keys = memory_new(endpoint->key_count * sizeof(struct hmac *));
    for (size_t i = 0; i < endpoint->key_count; i++)
        endpoint->keys[i] = hmac_create(&config->secrets[i]);
}

struct endpoints *endpoints_create(const struct config *config) {
    struct endpoints *endpoints = memory_new(sizeof *endpoints);
    endpoints->count = config->endpoint_count;
    endpoints->items = memory_new(endpoints->count * sizeof *endpoints->items);
    for (size_t i = 0; i < endpoints->count; i++)
        fill_endpoint(&endpoints->items[i], &config->endpoints[i]);
    return endpoints;
}

void endpoints_destroy(struct endpoints *endpoints) {
    if (!endpoints)
        return;
    for (size_t i = 0; i < endpoints->count; i++) {
        for (size_t k = 0; k < endpoints->items[i].key_count; k++)
            hmac_destroy(endpoints->items[i].keys[k]);
        free(endpoints->items[i].keys);
    }
    free(endpoints->items);
    free(endpoints);
}

const struct endpoint *endpoints_find(const struct endpoints *endpoints, struct text path) {
    for (size_t i = 0; i < endpoints->count; i++)
        if (text_is(path, endpoints->items[i].config->path))
            return &endpoints->items[i];
    return NULL;
}

static bool trust_stale(const struct endpoint *endpoint, bool near_enough, enum answer *refusal) {
    switch (endpoint->config->stale) {
    case CONFIG_STALE_ACCEPT:
        *refusal = ANSWER_STALE;
        return near_enough;
    case CONFIG_STALE_RETRY:
        *refusal = ANSWER_STALE_RETRY;
        return false;
    case CONFIG_STALE_REJECT:
        *refusal = ANSWER_STALE;
        return false;
    }
    assert(!"a policy that is none");
    abort();
}

bool endpoints_trust(const struct endpoint *endpoint, enum signature_verdict verdict,
                     int64_t apart_ms, int64_t window_ms, enum answer *refusal) {
    switch (verdict) {
    case SIGNATURE_GOOD:
        return true;
    case SIGNATURE_STALE:
        return trust_stale(endpoint, apart_ms < window_ms, refusal);
    case SIGNATURE_UNMATCHED:
        *refusal = endpoint->config->unmatched == CONFIG_UNMATCHED_RETRY
                       ? ANSWER_SIGNATURE_UNMATCHED_RETRY
                       : ANSWER_SIGNATURE_UNMATCHED;
        return false;
    case SIGNATURE_MALFORMED:
        *refusal = ANSWER_SIGNATURE_MALFORMED;
        return false;
    case SIGNATURE_MISSING:
        *refusal = ANSWER_SIGNATURE_MISSING;
        return false;
    }
    assert(!"a verdict that is none");
    abort();
}

bool endpoints_serve_account(const struct endpoint *endpoint, struct text account) {
    if (endpoint->config->account_count == 0)
        return true;
    for (size_t i = 0; i < endpoint->config->account_count; i++)
        if (text_is(account, endpoint->config->accounts[i]))
            return true;
    return false;
}
