#include "watch/patience.h"

#include <string.h>

#include "kula_api/kula_answer.h"

enum {
    FIRST_WAIT_MS = 60 * 1000,
    LONGEST_WAIT_MS = 3600 * 1000,
    SAME_MS = 30 * 1000, /* two that are nearer to each other are one, told by two clocks */
};

static int64_t shorter(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t longer(int64_t a, int64_t b) {
    return a > b ? a : b;
}

int64_t patience_look_ms(int64_t every_ms, struct patience_share share, size_t requests,
                         int64_t now_s) {
    int64_t left_ms = shorter(share.reset_s - now_s, KULA_LIMIT_WINDOW_S) * 1000;
    if (share.ours < 0 || share.reset_s < 0 || left_ms <= 0)
        return every_ms;
    if (share.ours < (int64_t)requests)
        return longer(every_ms, left_ms);
    return longer(every_ms, left_ms * (int64_t)requests / share.ours);
}

static int64_t doubled(int64_t wait_ms, size_t times) {
    for (; times > 0 && wait_ms < LONGEST_WAIT_MS; times--)
        wait_ms *= 2;
    return shorter(wait_ms, LONGEST_WAIT_MS);
}

int64_t patience_test_ms(int64_t every_ms, size_t untold) {
    return doubled(every_ms, untold - 1);
}

static size_t of_last_day(const struct patience *patience, int64_t now_ms) {
    size_t count = 0;
    for (size_t i = 0; i < patience->count; i++)
        count += now_ms - patience->enabled_ms[i] < PATIENCE_DAY_MS;
    return count;
}

int64_t patience_enable_ms(const struct patience *patience, int64_t now_ms) {
    size_t recent = of_last_day(patience, now_ms);
    if (recent == 0)
        return 0;
    int64_t until_ms =
        patience->enabled_ms[patience->count - 1] + doubled(FIRST_WAIT_MS, recent - 1);
    if (recent == PATIENCE_ENABLES_MOST)
        until_ms = longer(until_ms, patience->enabled_ms[0] + PATIENCE_DAY_MS);
    return longer(until_ms - now_ms, 0);
}

static void note(struct patience *patience, int64_t at_ms) {
    if (patience->count == PATIENCE_ENABLES_MOST)
        memmove(patience->enabled_ms, patience->enabled_ms + 1,
                --patience->count * sizeof(*patience->enabled_ms));
    size_t i = patience->count++;
    for (; i > 0 && patience->enabled_ms[i - 1] > at_ms; i--)
        patience->enabled_ms[i] = patience->enabled_ms[i - 1];
    patience->enabled_ms[i] = at_ms;
}

void patience_note_enabled(struct patience *patience, int64_t now_ms) {
    note(patience, now_ms);
}

static bool is_known(const struct patience *patience, int64_t at_ms) {
    for (size_t i = 0; i < patience->count; i++)
        if (at_ms > patience->enabled_ms[i] - SAME_MS && at_ms < patience->enabled_ms[i] + SAME_MS)
            return true;
    return false;
}

void patience_recall(struct patience *patience, const int64_t *ago_ms, size_t count,
                     int64_t now_ms) {
    for (size_t i = 0; i < count; i++) {
        int64_t at_ms = now_ms - longer(ago_ms[i], 0);
        bool full = patience->count == PATIENCE_ENABLES_MOST;
        if (!is_known(patience, at_ms) && !(full && at_ms < patience->enabled_ms[0]))
            note(patience, at_ms);
    }
}
