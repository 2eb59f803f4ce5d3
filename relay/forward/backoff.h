/* Full jitter: anywhere between nothing and a doubling bound, so that events
 * that failed together do not come back together. */
#pragma once
#include <stdint.h>

/* For the attempt after `failed` ones (at least 1). `random` is any 64 bits.
 * Never under a tenth of `first_ms`: a retry at once would be none. */
int64_t backoff_ms(int64_t first_ms, int64_t most_ms, unsigned failed, uint64_t random);
