/* Kula's management API: a typed call for each of its endpoints.
 *
 * Each call is answered exactly once, later, whatever happens. What is safe to send again is
 * sent up to three times where no answer came or Kula has trouble of its own; after a 429
 * everything is, if the wait is short. So a call ends within three times the time-out
 * and some seconds. Which of two names Kula has for the list of event types is
 * found out here, and so is that it has passed over the wrong one. */
#pragma once
#include "base/secret.h"
#include "kula_api/kula_answer.h"
#include "net/loop.h"

struct kula_api;

struct kula_api_settings {
    const char *url;            /* borrowed for its life */
    const struct secret *token; /* borrowed until the call returns */
    int64_t timeout_ms;         /* of each try */
};

struct kula_api *kula_api_create(struct loop *, const struct kula_api_settings *);
void kula_api_destroy(struct kula_api *); /* ends what is in flight as STOPPED */

/* The account's rate limit, as the last answer told it; -1: not told. */
struct kula_api_limit {
    int64_t limit, remaining;
    int64_t reset_s; /* Unix time, as it was told: KULA_LIMIT_WINDOW_S bounds it */
    int64_t asked;   /* requests that we have sent, each try counted */
};
struct kula_api_limit kula_api_limit(const struct kula_api *);

/* The answer may be taken: then it is for you to destroy, and the place is left NULL. */
typedef void kula_api_fn(void *arg, struct kula_answer **);

/* What is NULL is not sent. Borrowed until the call returns. */
struct kula_api_fields {
    const char *url, *name, *description;
    const struct text *events; /* NULL: not sent */
    size_t event_count;
    const struct secret *secret; /* create only; must be text, or Kula would get another one */
};

struct kula_api_filter { /* NULL: all */
    const char *status, *event;
};

enum { KULA_API_PAGE = 100 }; /* the most that Kula gives */

/* Pages count from 1, while the answer says `more`. */
void kula_api_list(struct kula_api *, int64_t page, kula_api_fn *, void *arg);
void kula_api_show(struct kula_api *, const char *id, kula_api_fn *, void *arg);
/* Answered with the webhook and its secret, where Kula tells them: where it is not DONE too, if the
 * webhook was made and did not come to its events. */
void kula_api_make(struct kula_api *, const struct kula_api_fields *, kula_api_fn *, void *arg);
void kula_api_update(struct kula_api *, const char *id, const struct kula_api_fields *,
                     kula_api_fn *, void *arg);
void kula_api_delete(struct kula_api *, const char *id, kula_api_fn *, void *arg);
void kula_api_enable(struct kula_api *, const char *id, kula_api_fn *, void *arg);
void kula_api_disable(struct kula_api *, const char *id, kula_api_fn *, void *arg);
/* The new secret holds at once: what Kula signs from then on is signed with it. */
void kula_api_renew_secret(struct kula_api *, const char *id, kula_api_fn *, void *arg);
/* Has Kula send a ping; its test's id is what to ask the outcome by. */
void kula_api_test(struct kula_api *, const char *id, kula_api_fn *, void *arg);
void kula_api_test_result(struct kula_api *, const char *id, const char *test_id, kula_api_fn *,
                          void *arg);
void kula_api_logs(struct kula_api *, const char *id, const struct kula_api_filter *, int64_t page,
                   kula_api_fn *, void *arg);
void kula_api_types(struct kula_api *, kula_api_fn *, void *arg);
void kula_api_sample(struct kula_api *, const char *type, kula_api_fn *, void *arg);
