/* A guard looks after one webhook: when Kula has disabled it and serve is ready to take
 * deliveries again, it has it enabled, and proved by Kula's own test. Then, and once a day,
 * it tells what Kula gave up on meanwhile. What it does stands in
 * Redis, so that the next guard, after a restart, has the same patience and proves what this one
 * did not come to prove. */
#pragma once
#include "base/config.h"
#include "kula_api/kula_api.h"
#include "ledger/ledger.h"
#include "net/http_client.h"
#include "watch/share.h"

struct guard_house { /* shared by all guards; outlives them */
    struct loop *loop;
    struct kula_api *api;
    struct http_client *client;
    struct ledger *ledger;
    const char *ready_url; /* of serve */
    int64_t every_ms;      /* between two looks, while the account's limit allows it */
    int64_t dedup_window_ms;
    size_t guards;
    struct share share; /* of the account's requests */
};

struct guard;

struct guard *guard_create(struct guard_house *, const struct config_webhook *);
/* After the house's api, client and ledger are gone: nothing is in flight any more. */
void guard_destroy(struct guard *);
