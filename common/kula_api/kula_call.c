#include "kula_api/kula_call.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/version.h"
#include "kula_api/kula_refusal.h"

enum {
    TRIES_MOST = 3,
    FIRST_WAIT_MS = 500,     /* before a second try; it doubles */
    LONGEST_WAIT_MS = 10000, /* that a rate limit may ask for; longer is for the caller */
    ANSWER_BYTES_MOST = 1024 * 1024,
    REQUESTS_MOST = 1000000000, /* in an hour, that are believed */
};

/* Ending ------------------------------------------------------------------- */

static void call_destroy(struct kula_call *call) {
    LIST_REMOVE(call, entry);
    for (size_t i = 0; i < call->event_count; i++)
        free(call->events[i]);
    free(call->events);
    free(call->type);
    string_finish(&call->path);
    string_wipe(&call->secret);
    for (int i = 0; i < KULA_SPELLINGS; i++)
        string_wipe(&call->bodies[i]);
    kula_answer_destroy(call->made);
    loop_timer_destroy(call->again);
    free(call);
}

/* Kula's own words are told to people, and an error may quote what was sent. */
static void hide(struct string *problem, struct text secret) {
    for (size_t at = 0; secret.size && at + secret.size <= problem->size; at++)
        if (memcmp(problem->data + at, secret.data, secret.size) == 0)
            memset(problem->data + at, '*', secret.size);
}

/* The call is gone when its callback comes, which may then do as it likes. */
static void finish(struct kula_call *call, struct kula_answer *answer) {
    kula_api_fn *done = call->done;
    void *arg = call->arg;
    hide(&answer->problem, call->api->token);
    hide(&answer->problem, string_text(&call->secret));
    call_destroy(call);
    done(arg, &answer);
    kula_answer_destroy(answer);
}

/* Which name has the list of event types? ----------------------------------- */

static bool has_all_events(const struct kula_call *call, const struct kula_webhook *webhook) {
    size_t found = 0;
    for (size_t i = 0; i < call->event_count; i++)
        for (size_t k = 0; k < webhook->event_count; k++)
            found += text_is(webhook->events[k], call->events[i]);
    return found == call->event_count && found == webhook->event_count;
}

static void learn_spelling(struct kula_api *api, const struct kula_answer *answer) {
    for (size_t i = 0; i < answer->webhook_count; i++)
        if (answer->webhooks[i].events_told)
            api->spelling = answer->webhooks[i].spelling;
}

static bool may_respell(const struct kula_call *call) {
    return call->sends_events && !call->respelled;
}

static void respell(struct kula_call *call) {
    call->respelled = true;
    call->spelling = call->spelling == KULA_EVENTS ? KULA_SUBSCRIBED_EVENTS : KULA_EVENTS;
    call->tries = 0;
    loop_timer_set(call->again, 0);
}

static void write_events(struct json_writer *json, const struct kula_call *call,
                         enum kula_spelling spelling) {
    json_key(json, kula_spelling_name(spelling));
    json_open(json, '[');
    for (size_t i = 0; i < call->event_count; i++)
        json_string(json, text_of(call->events[i]));
    json_close(json, ']');
}

/* The webhook is there, but not the events that it should have: only those once more. */
static void mend_events(struct kula_call *call, struct kula_answer *answer) {
    struct json_writer *json = json_writer_create();
    struct text id = answer->webhooks[0].id;
    for (int i = 0; i < KULA_SPELLINGS; i++) {
        json_writer_restart(json);
        json_open(json, '{');
        write_events(json, call, i);
        json_close(json, '}');
        string_clear(&call->bodies[i]);
        string_add(&call->bodies[i], json_writer_text(json));
    }
    json_writer_destroy(json);
    if (strcmp(call->method, "POST") == 0)
        string_addf(&call->path, "/%.*s", TEXT_ARG(id));
    call->method = "PATCH";
    call->repeatable = true;
    call->made = answer;
    respell(call);
}

/* Kula said yes and nothing else: see what it has now. */
static void look_again(struct kula_call *call, struct kula_answer *answer) {
    kula_answer_destroy(answer);
    call->method = "GET";
    for (int i = 0; i < KULA_SPELLINGS; i++)
        string_wipe(&call->bodies[i]);
    call->tries = 0;
    loop_timer_set(call->again, 0);
}

/* The webhook is there all the same, and its secret is told once: the answer that told it goes on,
 * with what went wrong since. */
static struct kula_answer *what_was_made(struct kula_call *call, struct kula_answer *answer) {
    struct kula_answer *made = call->made;
    made->outcome = answer->outcome;
    made->status = answer->status;
    made->retry_after_ms = answer->retry_after_ms;
    string_add(&made->problem, string_text(&answer->problem));
    kula_answer_destroy(answer);
    call->made = NULL;
    return made;
}

/* Kula has done it; have its events come along? */
static void finish_written(struct kula_call *call, struct kula_answer *answer) {
    bool short_of_events = call->sends_events && answer->outcome == KULA_DONE &&
                           answer->webhook_count && answer->webhooks[0].events_told &&
                           !has_all_events(call, answer->webhooks);
    if (short_of_events && may_respell(call)) {
        mend_events(call, answer);
        return;
    }
    if (call->made && answer->outcome == KULA_DONE && !answer->webhook_count) {
        look_again(call, answer);
        return;
    }
    bool unmended = call->made && answer->outcome != KULA_DONE;
    if (unmended) {
        answer = what_was_made(call, answer);
    } else if (call->made && call->made->secret.size) {
        string_clear(&answer->secret);
        string_add(&answer->secret, string_text(&call->made->secret));
    }
    if (short_of_events || unmended) {
        answer->outcome = answer->outcome == KULA_DONE ? KULA_REFUSED : answer->outcome;
        answer->perhaps = true;
        string_addf(&answer->problem,
                    "%sKula has the webhook, but not the events that it should have: see "
                    "`kula-relay webhook list`",
                    answer->problem.size ? "; " : "");
    }
    finish(call, answer);
}

/* What came of a try -------------------------------------------------------- */

static bool may_try_again(const struct kula_call *call, const struct kula_answer *answer) {
    if (call->tries >= TRIES_MOST)
        return false;
    if (answer->outcome == KULA_LIMITED)
        return answer->retry_after_ms <= LONGEST_WAIT_MS;
    return answer->outcome == KULA_AWAY && call->repeatable;
}

static void try_again(struct kula_call *call, const struct kula_answer *answer) {
    int64_t wait_ms = (int64_t)FIRST_WAIT_MS << (call->tries - 1);
    if (answer->outcome == KULA_LIMITED)
        wait_ms = answer->retry_after_ms;
    loop_timer_set(call->again, wait_ms);
}

static void on_again(void *arg) {
    kula_call_send(arg);
}

/* An answer to the first of two deletions may have been lost on its way. */
static bool is_gone_as_wished(const struct kula_call *call, const struct kula_answer *answer) {
    return answer->outcome == KULA_MISSING && call->tries > 1 &&
           strcmp(call->method, "DELETE") == 0;
}

static void add_remarks(const struct kula_call *call, struct kula_answer *answer) {
    if (answer->outcome != KULA_AWAY)
        return;
    if (call->tries > 1)
        string_addf(&answer->problem, " (%d tries)", call->tries);
    answer->perhaps = strcmp(call->method, "GET") != 0;
    if (!call->repeatable)
        string_add_of(&answer->problem, "; should it have reached Kula, it may be done all the "
                                        "same: look first, with `kula-relay webhook list`");
}

static void judge(struct kula_call *call, struct kula_answer *answer) {
    learn_spelling(call->api, answer);
    if (may_try_again(call, answer)) {
        try_again(call, answer);
        kula_answer_destroy(answer);
        return;
    }
    if (kula_refusal_is_about_events(answer) && may_respell(call)) {
        kula_answer_destroy(answer);
        respell(call);
        return;
    }
    if (is_gone_as_wished(call, answer)) {
        answer->outcome = KULA_DONE;
        string_clear(&answer->problem);
    }
    add_remarks(call, answer);
    finish_written(call, answer);
}

static int64_t number_in(const struct http_result *result, const char *header, int64_t most) {
    uint64_t number;
    return text_to_uint(http_result_header(result, header), (uint64_t)most, &number)
               ? (int64_t)number
               : -1;
}

static void note_limit(struct kula_api *api, const struct http_result *result) {
    struct kula_api_limit limit = {
        .limit = number_in(result, "X-RateLimit-Limit", REQUESTS_MOST),
        .remaining = number_in(result, "X-RateLimit-Remaining", REQUESTS_MOST),
        .reset_s = number_in(result, "X-RateLimit-Reset", INT64_MAX / 1000),
        .asked = api->limit.asked,
    };
    if (limit.remaining >= 0)
        api->limit = limit;
}

static int64_t limit_wait_ms(const struct kula_api *api, const struct http_result *result) {
    int64_t left_ms = api->limit.reset_s * 1000 - clock_wall_ms();
    if (result->retry_after_ms || api->limit.reset_s < 0 || left_ms <= 0)
        return result->retry_after_ms;
    return (left_ms + 999) / 1000 * 1000; /* whole seconds: people read it */
}

/* Whether Kula answers a change with the webhook or with a bare 204, it does not say. */
static bool is_bare_yes(const struct kula_call *call, const struct http_result *result) {
    return call->question.shape == KULA_WEBHOOK && result->body.size == 0 &&
           strcmp(call->method, "GET") != 0;
}

static void read_answer(const struct kula_call *call, const struct http_result *result,
                        struct kula_answer *answer) {
    struct kula_api *api = call->api;
    note_limit(api, result);
    struct kula_refusal refusal = {.status = result->status,
                                   .body = result->body,
                                   .url = api->url,
                                   .retry_after_ms = limit_wait_ms(api, result)};
    answer->status = result->status;
    if (result->status < 200 || result->status > 299)
        kula_refusal_read(answer, &refusal);
    else if (!is_bare_yes(call, result) &&
             !kula_answer_read(answer, &call->question, result->body)) {
        kula_refusal_of_nonsense(answer, &refusal);
        answer->perhaps = !call->repeatable;
    }
}

static void on_answer(void *arg, const struct http_result *result) {
    struct kula_call *call = arg;
    struct kula_answer *answer = memory_new(sizeof *answer);
    switch (result->outcome) {
    case HTTP_ANSWERED:
        read_answer(call, result, answer);
        break;
    case HTTP_FAILED:
        answer->outcome = KULA_AWAY;
        string_addf(&answer->problem, "no answer from %s: %s", call->api->url, result->error);
        break;
    case HTTP_STOPPED:
        answer->outcome = KULA_STOPPED;
        finish(call, answer);
        return;
    }
    judge(call, answer);
}

/* Asking -------------------------------------------------------------------- */

struct kula_call *kula_call_begin(struct kula_api *api, kula_api_fn *done, void *arg) {
    struct kula_call *call = memory_new(sizeof *call);
    call->api = api;
    call->question = (struct kula_question){.page_size = KULA_API_PAGE, .now_ms = clock_wall_ms()};
    call->spelling = api->spelling;
    call->again = loop_timer_create(api->loop, on_again, call);
    call->done = done;
    call->arg = arg;
    LIST_INSERT_HEAD(&api->calls, call, entry);
    string_add_of(&call->path, "/webhooks");
    return call;
}

static void add_field(struct json_writer *json, const char *key, const char *value) {
    if (!value)
        return;
    json_key(json, key);
    json_string(json, text_of(value));
}

static void write_fields(struct kula_call *call, const struct kula_api_fields *fields,
                         enum kula_spelling spelling) {
    struct json_writer *json = json_writer_create();
    json_open(json, '{');
    add_field(json, "url", fields->url);
    add_field(json, "name", fields->name);
    add_field(json, "description", fields->description);
    if (fields->events)
        write_events(json, call, spelling);
    if (call->secret.size) {
        json_key(json, "secret");
        json_string(json, string_text(&call->secret));
    }
    json_close(json, '}');
    string_add(&call->bodies[spelling], json_writer_text(json));
    json_writer_destroy(json);
}

void kula_call_write(struct kula_call *call, const struct kula_api_fields *fields) {
    call->sends_events = fields->events;
    call->event_count = fields->events ? fields->event_count : 0;
    call->events = memory_new((call->event_count + 1) * sizeof(*call->events));
    for (size_t i = 0; i < call->event_count; i++)
        call->events[i] = text_copy(fields->events[i]);
    if (fields->secret)
        string_add(&call->secret,
                   text_slice((const char *)fields->secret->data, fields->secret->size));
    for (int i = 0; i < KULA_SPELLINGS; i++)
        write_fields(call, fields, i);
}

void kula_call_send(struct kula_call *call) {
    static const char user_agent[] = "User-Agent: kula-relay/" KULA_RELAY_VERSION;
    struct kula_api *api = call->api;
    struct string url = {0};
    const struct string *body = &call->bodies[call->sends_events ? call->spelling : 0];
    const char *headers[] = {api->authorization.data, "Accept: application/json", user_agent,
                             body->size ? "Content-Type: application/json" : NULL, NULL};
    call->tries++;
    api->limit.asked++;
    string_addf(&url, "%s%s", api->url, call->path.data);
    const struct http_call http = {
        .method = call->method,
        .url = url.data,
        .headers = headers,
        .body = string_text(body),
        .timeout_ms = (int)api->timeout_ms,
        .connect_timeout_ms = (int)api->timeout_ms,
        .keep_bytes = ANSWER_BYTES_MOST,
        .once = strcmp(call->method, "GET") != 0,
    };
    http_client_send(api->client, &http, on_answer, call);
    string_finish(&url);
}

void kula_call_stop_all(struct kula_api *api) {
    while (!LIST_EMPTY(&api->calls)) {
        struct kula_answer *answer = memory_new(sizeof *answer);
        answer->outcome = KULA_STOPPED;
        finish(LIST_FIRST(&api->calls), answer);
    }
}
