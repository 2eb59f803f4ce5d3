#include "watch/share.h"

#include <stdbool.h>

#include "kula_api/kula_answer.h"

enum {
    MOST = 4,           /* of what is left one in so many is ours, and not more */
    FLOOR = 200,        /* one in so many is, however fast the others are just now */
    LOOKS_FOR_PACE = 3, /* what they ask for is told from no less */
};

static int64_t more(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static int64_t less(int64_t a, int64_t b) {
    return a < b ? a : b;
}

void share_init(struct share *share) {
    *share = (struct share){.last = {-1, -1, -1}, .others_before = -1};
}

/* A server may say when it begins anew as so many seconds from now, and be one off. */
static bool goes_on(const struct share *share, struct share_limit limit) {
    int64_t apart_s = limit.reset_s - share->last.reset_s;
    return share->last.remaining >= 0 && apart_s >= -1 && apart_s <= 1;
}

/* As many as they ask for in so long, as they did since we have looked; 0 while that says nothing.
 */
static int64_t by_pace(const struct share *share, int64_t now_s, int64_t for_s) {
    int64_t since_s = now_s - share->began_s;
    if (share->looks < LOOKS_FOR_PACE || since_s <= 0)
        return 0;
    return (share->others - share->others_at_once) * less(more(for_s, 0), KULA_LIMIT_WINDOW_S) /
           since_s;
}

/* The last look may be long before the end. */
static int64_t others_in_all(const struct share *share) {
    return share->others + by_pace(share, share->looked_s, share->last.reset_s - share->looked_s);
}

void share_note(struct share *share, struct share_limit limit, int64_t asked, int64_t now_s) {
    int64_t ours = asked - share->asked;
    if (limit.remaining < 0 || limit.reset_s < 0)
        return;
    if (goes_on(share, limit)) {
        share->others += more(share->last.remaining - limit.remaining - ours, 0);
        share->looks++;
    } else {
        share->others_before = share->last.remaining < 0 ? -1 : others_in_all(share);
        share->others = more(limit.limit - limit.remaining - ours, 0);
        share->others_at_once = share->others;
        share->began_s = now_s;
        share->looks = 1;
    }
    share->last = limit;
    share->asked = asked;
    share->looked_s = now_s;
}

/* What is left when the others have had as much as the time before. */
static int64_t left_by_habit(const struct share *share) {
    int64_t remaining = share->last.remaining;
    if (share->others_before < 0)
        return remaining;
    return remaining - more(share->others_before - share->others, 0);
}

/* And when they go on as they do. A burst may be over soon, so a little is always left. */
static int64_t left_by_pace(const struct share *share, int64_t now_s) {
    int64_t remaining = share->last.remaining;
    return more(remaining - by_pace(share, now_s, share->last.reset_s - now_s),
                2 * (remaining / FLOOR));
}

int64_t share_ours(const struct share *share, int64_t now_s) {
    int64_t remaining = share->last.remaining;
    if (remaining < 0)
        return -1;
    int64_t left = less(left_by_habit(share), left_by_pace(share, now_s));
    return more(less(remaining / MOST, left / 2), 0);
}
