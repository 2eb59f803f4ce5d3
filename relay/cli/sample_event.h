/* Events made up in Kula's form, for `send` and `demo`: the documented envelope
 * around `data` with the objects that Kula's payload guide describes. Nobody in
 * them exists. */
#pragma once
#include <stdint.h>

#include "base/text.h"

/* Adds the body of event number `n`; the number varies what is in it. */
void sample_event_write(const char *type, const char *id, int64_t now_ms, uint64_t n,
                        struct string *body);
