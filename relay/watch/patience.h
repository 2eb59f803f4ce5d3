/* When may a watcher ask Kula again, and when enable what Kula has disabled? Pure. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PATIENCE_ENABLES_MOST = 10, /* in 24 hours: each of them may cost 25 failed deliveries */
    PATIENCE_TESTS_MOST = 5,    /* of which Kula does not tell how they went: each is a ping */
    PATIENCE_DAY_MS = 24 * 3600 * 1000,
};

struct patience_share { /* of the account's requests; share.h says which part is ours */
    int64_t ours;       /* -1: there is no limit that is known */
    int64_t reset_s;    /* until then; Unix time */
};

/* How long to wait before the next request, of which `requests` go out in a round. */
int64_t patience_look_ms(int64_t every_ms, struct patience_share, size_t requests, int64_t now_s);

/* And before the next test, after so many of which it did not tell: it doubles, to an hour. */
int64_t patience_test_ms(int64_t every_ms, size_t untold);

struct patience {
    int64_t enabled_ms[PATIENCE_ENABLES_MOST]; /* the last ones, oldest first */
    size_t count;
};

/* 0: now. It doubles from a minute to an hour with each one of the last 24 hours; after the
 * last of these, until the first of them is a day ago. */
int64_t patience_enable_ms(const struct patience *, int64_t now_ms);
void patience_note_enabled(struct patience *, int64_t now_ms);
/* What somebody else remembers of it, as long ago as that was: each once, however often it is told.
 */
void patience_recall(struct patience *, const int64_t *ago_ms, size_t count, int64_t now_ms);
