#include "serve/unmatched.h"

#include <stdlib.h>

#include "base/memory.h"

struct unmatched_waiting {
    STAILQ_ENTRY(unmatched_waiting) link;
    uint64_t sequence;
    int64_t bytes;
};

void unmatched_init(struct unmatched *unmatched) {
    STAILQ_INIT(&unmatched->waiting);
    unmatched->sum = (struct ledger_pen){0};
}

void unmatched_finish(struct unmatched *unmatched) {
    unmatched_drained(unmatched, UINT64_MAX);
}

bool unmatched_fits(const struct unmatched *unmatched, const struct unmatched_elsewhere *elsewhere,
                    int64_t bytes) {
    int64_t on_disk = unmatched->sum.bytes + elsewhere->left_behind.bytes + bytes;
    int64_t events = unmatched->sum.events + elsewhere->left_behind.events + 1;
    return elsewhere->ledger_known && on_disk <= unmatched->spool_bytes &&
           elsewhere->ledger.events + events <= unmatched->most.events &&
           elsewhere->ledger.bytes + on_disk <= unmatched->most.bytes;
}

void unmatched_put(struct unmatched *unmatched, uint64_t sequence, int64_t bytes) {
    struct unmatched_waiting *one = memory_new(sizeof *one);
    one->sequence = sequence;
    one->bytes = bytes;
    STAILQ_INSERT_TAIL(&unmatched->waiting, one, link);
    unmatched->sum.events++;
    unmatched->sum.bytes += bytes;
}

void unmatched_drained(struct unmatched *unmatched, uint64_t up_to) {
    struct unmatched_waiting *one;
    while ((one = STAILQ_FIRST(&unmatched->waiting)) && one->sequence <= up_to) {
        STAILQ_REMOVE_HEAD(&unmatched->waiting, link);
        unmatched->sum.events--;
        unmatched->sum.bytes -= one->bytes;
        free(one);
    }
}
