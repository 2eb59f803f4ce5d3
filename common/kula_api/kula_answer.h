/* What Kula's management API answers, as values. Its documents and its own client differ
 * in names and envelopes, so each of them is taken; nothing above this room knows of it. */
#pragma once
#include "base/json_tree.h"

enum kula_outcome {
    KULA_DONE,
    KULA_MISSING,  /* there is no such webhook, or no such thing */
    KULA_REFUSED,  /* and would be again: the token, what was asked for */
    KULA_LIMITED,  /* too many requests: retry_after_ms */
    KULA_AWAY,     /* no answer, or trouble at Kula's side */
    KULA_NONSENSE, /* what answers does not speak as Kula does */
    KULA_STOPPED,  /* kula_api was destroyed */
};
const char *kula_outcome_name(enum kula_outcome);

/* It counts requests anew each hour. What would be later is told in another unit, or by a clock
 * that is not as ours. */
enum { KULA_LIMIT_WINDOW_S = 3600 };

enum kula_state {
    KULA_STATE_NONE, /* nobody has looked */
    KULA_STATE_UNKNOWN,
    KULA_STATE_ACTIVE,
    KULA_STATE_DISABLED,
};
const char *kula_state_name(enum kula_state);

/* How Kula's objects call the list of event types. */
enum kula_spelling { KULA_SUBSCRIBED_EVENTS, KULA_EVENTS, KULA_SPELLINGS };
const char *kula_spelling_name(enum kula_spelling);

/* A text that Kula did not tell is empty, a number -1. */
struct kula_webhook {
    struct text id, name, url, description, created_at;
    enum kula_state state;
    struct text state_told; /* in Kula's word */
    bool events_told;
    enum kula_spelling spelling; /* where they were told */
    struct text *events;
    size_t event_count;
};

struct kula_log { /* one delivery */
    struct text id, event, event_id, status, created_at, response_body;
    int64_t response_code, response_time_ms, attempts;
};
bool kula_log_is_ping(const struct kula_log *);      /* of a test: nothing happened */
int64_t kula_log_created_s(const struct kula_log *); /* Unix time; -1: not told as the guide does */

struct kula_test {
    struct text id, status; /* pending, delivered, failed */
    int64_t response_code, response_time_ms;
};

/* What is looked for in an answer. */
enum kula_shape {
    KULA_NOTHING,
    KULA_WEBHOOK,
    KULA_WEBHOOKS,
    KULA_LOGS,
    KULA_TYPES,
    KULA_TEST,
    KULA_SECRET,
    KULA_SAMPLE,
};

struct kula_answer {
    enum kula_outcome outcome;
    int status;             /* HTTP's; 0: none came */
    struct string problem;  /* unless DONE: for people, as it goes on behind "kula-relay: " */
    int64_t retry_after_ms; /* LIMITED */
    bool perhaps;           /* not DONE, and yet Kula may have done it */

    /* Of what was looked for; texts live as long as the answer. */
    struct kula_webhook *webhooks; /* the only one, for KULA_WEBHOOK */
    size_t webhook_count;
    struct kula_log *logs;
    size_t log_count;
    struct text *types;
    size_t type_count;
    bool more; /* pages */
    struct kula_test test;
    struct string secret; /* empty: not told */
    struct string sample; /* a body, as Kula would deliver it */
    struct json_tree *tree;
};

void kula_answer_destroy(struct kula_answer *);

struct kula_question {
    enum kula_shape shape;
    int64_t page, page_size;
    const char *type; /* of the sample */
    int64_t now_ms;
};

/* Takes the body of a 2xx apart. False where what was looked for is not in it. */
bool kula_answer_read(struct kula_answer *, const struct kula_question *, struct text body);
