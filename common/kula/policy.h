/* What an endpoint's configuration makes of an authentic delivery: the same at the
 * door and when it is released from the pen. */
#pragma once
#include "base/config.h"

/* Is a stale one let in? `apart_ms` is how far its signature's time was from its receipt, either
 * way; within `window_ms` a replay would be noticed. */
bool policy_takes_stale(const struct config_endpoint *, int64_t apart_ms, int64_t window_ms);

/* Is this account's delivery for us? Else it is penned with this reason. */
#define POLICY_OTHER_ACCOUNT "other_account"
bool policy_takes_account(const struct config_endpoint *, struct text account);
