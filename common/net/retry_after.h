/* Retry-After (RFC 9110, 10.2.3): for how long a server asks to be left alone,
 * in seconds or as a date, which HTTP lets be written in three ways. */
#pragma once
#include "base/text.h"

/* From `now_ms` (wall clock) on. 0 where the moment has passed, or where the
 * value means nothing: it is only a wish, and no answer is worse for it. */
int64_t retry_after_ms(struct text value, int64_t now_ms);
