/* A signer shows to one service that a request is ours, in the way of its
 * `sign`: freshly at each attempt, with the service's own secrets. */
#pragma once
#include "base/text.h"

struct signer;
struct config_service;
struct headers;

struct signer *signer_create(const struct config_service *); /* copies what it needs */
void signer_destroy(struct signer *);

/* Adds no header where the service's `sign` is none. */
void signer_sign(struct signer *, struct text event_id, struct text body, int64_t now_s,
                 struct headers *);
