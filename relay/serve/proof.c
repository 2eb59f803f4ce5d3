#include "serve/proof.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "kula/canonical.h"

const char proof_header[] = "X-Kula-Signature";

struct proof {
    LIST_ENTRY(proof) proofs;
    const struct endpoint *endpoint;
    enum signature_verdict parsed;
    int64_t t_s;
    struct signature_trial *trial; /* NULL: there is nothing to try */
};

static void on_exchange_end(void *attached) {
    struct proof *proof = attached;
    LIST_REMOVE(proof, proofs);
    signature_trial_destroy(proof->trial);
    free(proof);
}

void proof_begin(struct proof_list *proofs, struct http_exchange *exchange,
                 const struct endpoint *endpoint) {
    struct signature signature;
    struct proof *proof = memory_new(sizeof *proof);
    LIST_INSERT_HEAD(proofs, proof, proofs);
    http_exchange_attach(exchange, proof, on_exchange_end);
    proof->endpoint = endpoint;
    proof->parsed = signature_parse(http_exchange_header(exchange, proof_header), &signature);
    /* Two of them would leave it open which one was meant. */
    if (http_exchange_header_twice(exchange, proof_header))
        proof->parsed = SIGNATURE_MALFORMED;
    if (proof->parsed != SIGNATURE_GOOD)
        return;
    proof->t_s = signature.t_s;
    proof->trial = signature_trial_create(&signature, endpoint->keys, endpoint->key_count);
}

const struct endpoint *proof_endpoint(const struct http_exchange *exchange) {
    const struct proof *proof = http_exchange_attached(exchange);
    return proof ? proof->endpoint : NULL;
}

void proof_feed(struct http_exchange *exchange, struct text piece) {
    struct proof *proof = http_exchange_attached(exchange);
    if (proof && proof->trial)
        signature_trial_feed(proof->trial, piece);
}

enum signature_verdict proof_end(struct http_exchange *exchange, int64_t now_ms,
                                 struct proof_finding *finding) {
    struct proof *proof = http_exchange_attached(exchange);
    assert(proof);
    *finding = (struct proof_finding){.reading = SIGNATURE_RAW};
    if (!proof->trial)
        return proof->parsed;
    finding->ahead_ms = proof->t_s * 1000 - now_ms;
    return signature_trial_end(proof->trial, now_ms / 1000,
                               proof->endpoint->config->tolerance_ms / 1000, &finding->matched);
}

bool proof_has_second(const struct http_exchange *exchange) {
    return proof_endpoint(exchange)->config->signed_body == CONFIG_SIGNED_BODY_RAW_OR_CANONICAL &&
           http_exchange_body(exchange).size <= CANONICAL_MOST;
}

enum signature_verdict proof_end_second(struct http_exchange *exchange, int64_t now_ms,
                                        struct proof_finding *finding) {
    const struct endpoint *endpoint = proof_endpoint(exchange);
    struct signature signature;
    signature_parse(http_exchange_header(exchange, proof_header), &signature);
    finding->reading = SIGNATURE_CANONICAL;
    return canonical_check(&signature, endpoint->keys, endpoint->key_count,
                           http_exchange_body(exchange), now_ms / 1000,
                           endpoint->config->tolerance_ms / 1000, &finding->matched);
}

bool proof_any_of(const struct proof_list *proofs, const struct endpoints *endpoints) {
    const struct proof *proof;
    LIST_FOREACH (proof, proofs, proofs)
        if (endpoints_own(endpoints, proof->endpoint))
            return true;
    return false;
}
