#include "forward/backoff.h"

#include <assert.h>

int64_t backoff_ms(int64_t first_ms, int64_t most_ms, unsigned failed, uint64_t random) {
    assert(first_ms > 0 && failed > 0);
    int64_t bound = first_ms;
    for (unsigned doubled = 1; doubled < failed && bound < most_ms; doubled++)
        bound *= 2;
    if (bound > most_ms)
        bound = most_ms;
    int64_t least = first_ms / 10 < bound ? first_ms / 10 : bound;
    return least + (int64_t)(random % (uint64_t)(bound - least + 1));
}
