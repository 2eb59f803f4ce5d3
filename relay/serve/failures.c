#include "serve/failures.h"

#include <stdbool.h>

static int64_t part_at(int64_t at_ms) {
    return at_ms / FAILURES_PART_MS;
}

void failures_note(struct failures *failures, int64_t at_ms) {
    int64_t part = part_at(at_ms);
    int64_t first =
        part - failures->newest > FAILURES_PARTS ? part - FAILURES_PARTS : failures->newest;
    for (int64_t i = first + 1; i <= part; i++)
        failures->parts[i % FAILURES_PARTS] = 0;
    failures->newest = part;
    failures->parts[part % FAILURES_PARTS]++;
}

int64_t failures_of(const struct failures *failures, int64_t part, int64_t at_ms) {
    bool stands = part >= 0 && part <= failures->newest && part > failures->newest - FAILURES_PARTS;
    return stands && part > part_at(at_ms) - FAILURES_PARTS ? failures->parts[part % FAILURES_PARTS]
                                                            : 0;
}

int64_t failures_sum(const struct failures *failures, int64_t at_ms) {
    int64_t sum = 0;
    for (int64_t part = failures->newest; part > failures->newest - FAILURES_PARTS; part--)
        sum += failures_of(failures, part, at_ms);
    return sum;
}
