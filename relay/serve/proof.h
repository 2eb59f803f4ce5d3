/* The proof that a delivery is Kula's: the signature stands in its head, and the
 * body is hashed as it arrives, so that a long one that is forged never holds the
 * loop. It is attached to the exchange and ends with it. */
#pragma once
#include <sys/queue.h>

#include "net/http_server.h"
#include "serve/endpoints.h"

struct proof;
LIST_HEAD(proof_list, proof); /* those that have begun; outlives their exchanges */

extern const char proof_header[];

/* When the head is there. From now to the end the delivery is for this endpoint, and judged by its
 * secrets, whatever a reload has put in its place meanwhile. */
void proof_begin(struct proof_list *, struct http_exchange *, const struct endpoint *);
const struct endpoint *proof_endpoint(const struct http_exchange *); /* NULL: it has not begun */
/* As the body arrives; for an exchange without a proof, nothing. */
void proof_feed(struct http_exchange *, struct text piece);

struct proof_finding {
    int64_t ahead_ms; /* how far the signature's time lies in the future; 0 where it has none */
    size_t matched;   /* the position of the secret, where one does */
    enum signature_reading reading; /* what that one covers */
};

/* When all of it is there. */
enum signature_verdict proof_end(struct http_exchange *, int64_t now_ms, struct proof_finding *);

/* What is unmatched may be read the second way, where the endpoint has it and the body is not too
 * long. That takes up to 30 ms, so it is for whoever calls to see when. */
bool proof_has_second(const struct http_exchange *);
enum signature_verdict proof_end_second(struct http_exchange *, int64_t now_ms,
                                        struct proof_finding *);

/* Is one of them for an endpoint of these? */
bool proof_any_of(const struct proof_list *, const struct endpoints *);
