#include "kula/policy.h"

bool policy_takes_stale(const struct config_endpoint *endpoint, int64_t apart_ms,
                        int64_t window_ms) {
    return endpoint->stale == CONFIG_STALE_ACCEPT && apart_ms < window_ms;
}

bool policy_takes_account(const struct config_endpoint *endpoint, struct text account) {
    if (endpoint->account_count == 0)
        return true;
    for (size_t i = 0; i < endpoint->account_count; i++)
        if (text_is(account, endpoint->accounts[i]))
            return true;
    return false;
}
