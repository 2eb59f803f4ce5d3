/* Which part of the account's requests is a watcher's? The limit is shared by all that uses the
 * account, and a request of ours may be the one that somebody else is refused. Pure.
 *
 * What the others are expected to want, before Kula begins to count anew, is what they wanted
 * the time before, and as much as they are asking for now. Of what is left then half is ours, and
 * never more than a quarter of all that is left. */
#pragma once
#include <stdint.h>

struct share_limit { /* as Kula tells it; -1: not told */
    int64_t limit, remaining, reset_s;
};

struct share {
    struct share_limit last;
    int64_t asked;                    /* by us, as of then */
    int64_t others;                   /* their requests since Kula began to count anew */
    int64_t others_at_once;           /* of these, before we looked */
    int64_t others_before;            /* and the time before; -1: not known */
    int64_t began_s, looked_s, looks; /* when we looked first and last since then, and how often */
};

void share_init(struct share *);
/* After an answer. `asked`: how many requests we have sent since the start. */
void share_note(struct share *, struct share_limit, int64_t asked, int64_t now_s);
/* How many requests are ours until reset_s; -1: Kula tells of no limit. */
int64_t share_ours(const struct share *, int64_t now_s);
