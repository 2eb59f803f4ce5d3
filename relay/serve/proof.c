#include "serve/proof.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"

const char proof_header[] = "X-Kula-Signature";

struct proof {
    enum signature_verdict parsed;
    int64_t t_s;
    uint64_t edition;              /* of the endpoint whose secrets are tried */
    struct signature_trial *trial; /* NULL: there is nothing to try */
};

static void on_exchange_end(void *attached) {
    struct proof *proof = attached;
    signature_trial_destroy(proof->trial);
    free(proof);
}

static void start_trial(struct proof *proof, const struct http_exchange *exchange,
                        const struct endpoint *endpoint) {
    struct signature signature;
    proof->edition = endpoint->edition;
    proof->parsed = signature_parse(http_exchange_header(exchange, proof_header), &signature);
    /* Two of them would leave it open which one was meant. */
    if (http_exchange_header_twice(exchange, proof_header))
        proof->parsed = SIGNATURE_MALFORMED;
    if (proof->parsed != SIGNATURE_GOOD)
        return;
    proof->t_s = signature.t_s;
    proof->trial = signature_trial_create(&signature, endpoint->keys, endpoint->key_count);
}

void proof_begin(struct http_exchange *exchange, const struct endpoint *endpoint) {
    struct proof *proof = memory_new(sizeof *proof);
    http_exchange_attach(exchange, proof, on_exchange_end);
    start_trial(proof, exchange, endpoint);
}

void proof_feed(struct http_exchange *exchange, struct text piece) {
    struct proof *proof = http_exchange_attached(exchange);
    if (proof && proof->trial)
        signature_trial_feed(proof->trial, piece);
}

enum signature_verdict proof_end(struct http_exchange *exchange, const struct endpoint *endpoint,
                                 int64_t now_ms, int64_t *ahead_ms, size_t *matched) {
    struct proof *proof = http_exchange_attached(exchange);
    assert(proof);
    if (proof->edition != endpoint->edition) { /* the secrets were changed meanwhile */
        signature_trial_destroy(proof->trial);
        proof->trial = NULL;
        start_trial(proof, exchange, endpoint);
        proof_feed(exchange, http_exchange_body(exchange));
    }
    if (!proof->trial)
        return proof->parsed;
    *ahead_ms = proof->t_s * 1000 - now_ms;
    return signature_trial_end(proof->trial, now_ms / 1000, endpoint->config->tolerance_ms / 1000,
                               matched);
}
