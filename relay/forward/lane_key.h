/* By what an event is kept in order: its account, or a member of its body. Pure.
 *
 * A string or a number counts, the number by its text, so 7 and "7" are one key. What
 * has no such member, or null, a list or anything else there, has no key. Where a
 * member is given twice the last one counts, as everybody else has it. */
#pragma once
#include "ledger/ledger.h"

enum { LANE_KEY_MOST = 255 }; /* bytes: of a longer key, so many count */

/* `order_by` as config_check_order lets it in. False, and nothing in `key`, where there is none. */
bool lane_key(const char *order_by, const struct ledger_event *, struct string *key);
