/* One call in flight, from its first try to the one answer that its caller gets. What is
 * asked is put together in kula_api.c; what came back, how often it is tried, and which of its
 * two names the list of event types has is decided here. Private to this room. */
#pragma once
#include <sys/queue.h>

#include "kula_api/kula_api.h"
#include "net/http_client.h"

struct kula_call { /* one in flight: asked, or waiting for its next try */
    LIST_ENTRY(kula_call) entry;
    struct kula_api *api;
    const char *method;
    struct string path;
    struct string bodies[KULA_SPELLINGS]; /* the same but for one name where events are sent */
    enum kula_spelling spelling;
    bool respelled;
    bool repeatable; /* sent twice, it does the same as once */
    int tries;
    char *type;           /* of the sample */
    struct string secret; /* that it sends */
    struct kula_question question;
    char **events; /* that Kula should have afterwards */
    size_t event_count;
    bool sends_events;
    struct kula_answer *made; /* by the first of two requests: its secret is told only once */
    struct loop_timer *again;
    kula_api_fn *done;
    void *arg;
};

struct kula_api {
    struct loop *loop;
    struct http_client *client;
    const char *url;
    int64_t timeout_ms;
    struct string authorization;
    struct text token; /* in there */
    struct kula_api_limit limit;
    enum kula_spelling spelling; /* as far as is known */
    LIST_HEAD(kula_calls, kula_call) calls;
};

/* With "/webhooks" as its path, and nothing else. */
struct kula_call *kula_call_begin(struct kula_api *, kula_api_fn *, void *arg);
/* Takes it: it is gone when its caller has been answered. */
void kula_call_send(struct kula_call *);
void kula_call_stop_all(struct kula_api *);

/* What Kula is to know: as much of it as is set. */
void kula_call_write(struct kula_call *, const struct kula_api_fields *);
