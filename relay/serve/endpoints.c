#include "serve/endpoints.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "kula/policy.h"

struct endpoints {
    struct endpoint *items;
    size_t count;
};

struct endpoint_key_use {
    struct metric *position, *matches, *matched_at;
};

enum { POSITION, MATCHES, MATCHED_AT, READINGS };

static const struct metric_family families[] = {
    [POSITION] = {"kula_relay_secret_position",
                  METRIC_GAUGE,
                  "Where a secret, named by its mark, stands: 1 is the newest, 0 is no longer.",
                  {"endpoint", "secret"}},
    [MATCHES] = {"kula_relay_secret_matches_total",
                 METRIC_COUNTER,
                 "Good signatures by the secret that made them.",
                 {"endpoint", "secret"}},
    [MATCHED_AT] = {"kula_relay_secret_matched_timestamp_seconds",
                    METRIC_GAUGE,
                    "When a secret last made a good signature; 0: not since the start.",
                    {"endpoint", "secret"}},
    [READINGS] = {"kula_relay_signature_readings_total",
                  METRIC_COUNTER,
                  "Good signatures by what they cover: the body as it came (raw), or as JavaScript "
                  "writes it again (canonical).",
                  {"endpoint", "reading"}},
};

static void fill_endpoint(struct endpoint *endpoint, const struct config_endpoint *config,
                          int64_t window_ms) {
    endpoint->config = config;
    endpoint->window_ms = window_ms;
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
        fill_endpoint(&endpoints->items[i], &config->endpoints[i], config->dedup_window_ms);
    return endpoints;
}

void endpoints_destroy(struct endpoints *endpoints) {
    if (!endpoints)
        return;
    for (size_t i = 0; i < endpoints->count; i++) {
        for (size_t k = 0; k < endpoints->items[i].key_count; k++)
            hmac_destroy(endpoints->items[i].keys[k]);
        free(endpoints->items[i].keys);
        free(endpoints->items[i].uses);
    }
    free(endpoints->items);
    free(endpoints);
}

bool endpoints_own(const struct endpoints *endpoints, const struct endpoint *endpoint) {
    for (size_t i = 0; i < endpoints->count; i++)
        if (endpoint == &endpoints->items[i])
            return true;
    return false;
}

/* ---- Which secret is in use ---- */

static void enter(struct endpoint *endpoint, struct metrics *metrics) {
    const char *name = endpoint->config->name;
    endpoint->uses = memory_new(endpoint->key_count * sizeof *endpoint->uses);
    for (enum signature_reading reading = SIGNATURE_RAW; reading < SIGNATURE_READINGS; reading++)
        endpoint->readings[reading] =
            metrics_series(metrics, &families[READINGS], name, signature_reading_name(reading));
    /* The newest last, so that the same secret given twice has its best position. */
    for (size_t i = endpoint->key_count; i-- > 0;) {
        struct endpoint_key_use *use = &endpoint->uses[i];
        char mark[HMAC_MARK + 1];
        hmac_mark(&endpoint->config->secrets[i], mark);
        use->position = metrics_series(metrics, &families[POSITION], name, mark);
        use->matches = metrics_series(metrics, &families[MATCHES], name, mark);
        use->matched_at = metrics_series(metrics, &families[MATCHED_AT], name, mark);
        metric_set(use->position, (int64_t)i + 1);
    }
}

void endpoints_enter(struct endpoints *endpoints, struct metrics *metrics) {
    for (size_t i = 0; i < endpoints->count; i++)
        enter(&endpoints->items[i], metrics);
}

void endpoints_leave(struct endpoints *endpoints) {
    for (size_t i = 0; i < endpoints->count; i++)
        for (size_t k = 0; k < endpoints->items[i].key_count; k++)
            metric_set(endpoints->items[i].uses[k].position, 0);
}

void endpoints_count_match(const struct endpoint *endpoint, size_t position,
                           enum signature_reading reading, int64_t now_ms) {
    assert(endpoint->uses && position < endpoint->key_count);
    metric_add(endpoint->readings[reading], 1);
    metric_add(endpoint->uses[position].matches, 1);
    metric_set(endpoint->uses[position].matched_at, now_ms / 1000);
}

/* ---- Which one, and what it makes of a signature ---- */

const struct endpoint *endpoints_find(const struct endpoints *endpoints, struct text path) {
    for (size_t i = 0; i < endpoints->count; i++)
        if (text_is(path, endpoints->items[i].config->path))
            return &endpoints->items[i];
    return NULL;
}

/* Beyond the window nobody could tell a replay from an event. Kula's own is sent again all the
 * same: it may be our clock that is wrong, and then each of Kula's deliveries comes here. */
static bool trust_stale(const struct endpoint *endpoint, int64_t apart_ms, enum answer *refusal) {
    *refusal = endpoint->config->stale == CONFIG_STALE_REJECT ? ANSWER_STALE : ANSWER_STALE_RETRY;
    return policy_takes_stale(endpoint->config, apart_ms, endpoint->window_ms);
}

static const enum answer unmatched_answers[] = {
    [CONFIG_UNMATCHED_REJECT] = ANSWER_SIGNATURE_UNMATCHED,
    [CONFIG_UNMATCHED_RETRY] = ANSWER_SIGNATURE_UNMATCHED_RETRY,
    [CONFIG_UNMATCHED_PEN] = ANSWER_SIGNATURE_UNMATCHED_PENNED,
};

bool endpoints_trust(const struct endpoint *endpoint, enum signature_verdict verdict,
                     int64_t apart_ms, enum answer *refusal) {
    switch (verdict) {
    case SIGNATURE_GOOD:
        return true;
    case SIGNATURE_STALE:
        return trust_stale(endpoint, apart_ms, refusal);
    case SIGNATURE_UNMATCHED:
        *refusal = unmatched_answers[endpoint->config->unmatched];
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
