#include "pen/judge.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "kula/canonical.h"
#include "kula/policy.h"
#include "kula/signature.h"

struct bench { /* what is needed for the deliveries of one endpoint */
    const struct config_endpoint *config;
    struct hmac **keys;
};

struct judge {
    const struct config *config;
    struct bench *benches; /* one an endpoint */
};

struct judge *judge_create(const struct config *config) {
    struct judge *judge = memory_new(sizeof *judge);
    judge->config = config;
    judge->benches = memory_new(config->endpoint_count * sizeof *judge->benches);
    for (size_t i = 0; i < config->endpoint_count; i++) {
        const struct config_endpoint *endpoint = &config->endpoints[i];
        struct hmac **keys = memory_new(endpoint->secret_file_count * sizeof *keys);
        for (size_t k = 0; k < endpoint->secret_file_count; k++)
            keys[k] = hmac_create(&endpoint->secrets[k]);
        judge->benches[i] = (struct bench){endpoint, keys};
    }
    return judge;
}

void judge_destroy(struct judge *judge) {
    if (!judge)
        return;
    for (size_t i = 0; i < judge->config->endpoint_count; i++) {
        for (size_t k = 0; k < judge->benches[i].config->secret_file_count; k++)
            hmac_destroy(judge->benches[i].keys[k]);
        free(judge->benches[i].keys);
    }
    free(judge->benches);
    free(judge);
}

static const struct bench *find_bench(const struct judge *judge, struct text endpoint) {
    for (size_t i = 0; i < judge->config->endpoint_count; i++)
        if (text_is(endpoint, judge->benches[i].config->name))
            return &judge->benches[i];
    return NULL;
}

struct hearing {
    const struct bench *bench; /* NULL: the endpoint is configured no longer */
    const struct pen_entry *entry;
    int64_t window_ms;
    int64_t t_s;
    enum signature_verdict parsed;
    struct signature_trial *trial; /* NULL: there is nothing to try */
    size_t heard_bytes;
};

struct hearing *judge_hear(const struct judge *judge, const struct pen_entry *entry) {
    struct signature signature;
    struct hearing *hearing = memory_new(sizeof *hearing);
    hearing->bench = find_bench(judge, entry->endpoint);
    hearing->entry = entry;
    hearing->window_ms = judge->config->dedup_window_ms;
    if (!hearing->bench)
        return hearing;
    hearing->parsed = signature_parse(entry->signature, &signature);
    if (hearing->parsed != SIGNATURE_GOOD)
        return hearing;
    hearing->t_s = signature.t_s;
    hearing->trial = signature_trial_create(&signature, hearing->bench->keys,
                                            hearing->bench->config->secret_file_count);
    return hearing;
}

bool judge_heard(const struct hearing *hearing) {
    return !hearing->trial || hearing->heard_bytes == hearing->entry->body.size;
}

size_t judge_go_on(struct hearing *hearing, size_t bytes) {
    if (judge_heard(hearing))
        return 0;
    size_t left = hearing->entry->body.size - hearing->heard_bytes;
    size_t size = left < bytes ? left : bytes;
    signature_trial_feed(hearing->trial,
                         text_slice(hearing->entry->body.data + hearing->heard_bytes, size));
    hearing->heard_bytes += size;
    return size;
}

/* In one go, where the endpoint has that reading: a body that long has just had all of this turn.
 */
static enum signature_verdict try_canonical(const struct hearing *hearing) {
    const struct config_endpoint *config = hearing->bench->config;
    const struct pen_entry *entry = hearing->entry;
    struct signature signature;
    size_t matched;
    if (config->signed_body != CONFIG_SIGNED_BODY_RAW_OR_CANONICAL)
        return SIGNATURE_UNMATCHED;
    signature_parse(entry->signature, &signature);
    return canonical_check(&signature, hearing->bench->keys, config->secret_file_count, entry->body,
                           entry->received_ms / 1000, config->tolerance_ms / 1000, &matched);
}

/* NULL: it is Kula's, and came in time. */
static const char *doubt_signature(struct hearing *hearing, int64_t ahead_ms) {
    const struct config_endpoint *config = hearing->bench->config;
    int64_t apart_ms = ahead_ms < 0 ? -ahead_ms : ahead_ms;
    size_t matched;
    enum signature_verdict verdict = signature_trial_end(
        hearing->trial, hearing->entry->received_ms / 1000, config->tolerance_ms / 1000, &matched);
    if (verdict == SIGNATURE_UNMATCHED)
        verdict = try_canonical(hearing);
    if (verdict == SIGNATURE_GOOD)
        return NULL;
    if (verdict == SIGNATURE_STALE && policy_takes_stale(config, apart_ms, hearing->window_ms))
        return NULL;
    return signature_verdict_name(verdict);
}

const char *judge_reason_name(size_t i) {
    enum { OTHER_ACCOUNT = ENVELOPE_FAULTS - ENVELOPE_NOT_JSON, UNMATCHED, REASONS };
    if (i < OTHER_ACCOUNT)
        return envelope_fault_name((enum envelope_fault)(ENVELOPE_NOT_JSON + i));
    return i < REASONS ? (i == UNMATCHED ? LEDGER_UNMATCHED : POLICY_OTHER_ACCOUNT) : NULL;
}

/* NULL: it can be read, and is for us. */
static const char *doubt_body(const struct hearing *hearing, struct envelope *envelope) {
    enum envelope_fault fault = envelope_parse(hearing->entry->body, envelope);
    if (fault != ENVELOPE_FINE)
        return envelope_fault_name(fault);
    if (!policy_takes_account(hearing->bench->config, text_of(envelope->account)))
        return POLICY_OTHER_ACCOUNT;
    return NULL;
}

void judge_rule(struct hearing *hearing, struct ruling *ruling) {
    assert(judge_heard(hearing));
    int64_t ahead_ms = hearing->t_s * 1000 - hearing->entry->received_ms;
    *ruling = (struct ruling){.stays = "no_endpoint"};
    if (!hearing->bench)
        return;
    ruling->stays = signature_verdict_name(hearing->parsed);
    if (!hearing->trial)
        return;
    /* As at the door: what comes from the future may be replayed for longer. */
    ruling->window_ms = hearing->window_ms + (ahead_ms > 0 ? ahead_ms : 0);
    ruling->stays = doubt_signature(hearing, ahead_ms);
    if (!ruling->stays)
        ruling->stays = doubt_body(hearing, &ruling->envelope);
}

void judge_dismiss(struct hearing *hearing) {
    if (!hearing)
        return;
    signature_trial_destroy(hearing->trial);
    free(hearing);
}
