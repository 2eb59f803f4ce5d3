#include "kula_api/kula_api.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "kula_api/kula_call.h"

struct asked {
    const char *method;
    enum kula_shape shape;
    bool repeatable;
};

static struct kula_call *begin(struct kula_api *api, const struct asked *asked, kula_api_fn *done,
                               void *arg) {
    struct kula_call *call = kula_call_begin(api, done, arg);
    call->method = asked->method;
    call->repeatable = asked->repeatable;
    call->question.shape = asked->shape;
    return call;
}

/* With what would end a path's segment, or a query's value, in its percent form. */
static void add_escaped(struct string *path, const char *word) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789-._~";
    for (; *word; word++) {
        if (strchr(plain, *word))
            string_add_char(path, *word);
        else
            string_addf(path, "%%%02X", (unsigned char)*word);
    }
}

static void add_segment(struct kula_call *call, const char *word) {
    string_add_char(&call->path, '/');
    add_escaped(&call->path, word);
}

static void add_page(struct kula_call *call, int64_t page) {
    call->question.page = page;
    string_addf(&call->path, "?page=%lld&limit=%d", (long long)page, KULA_API_PAGE);
}

/* What is asked about one webhook: "/webhooks/ID", and "/verb" behind it unless NULL. */
static void ask(struct kula_api *api, const struct asked *asked, const char *id, const char *verb,
                kula_api_fn *done, void *arg) {
    struct kula_call *call = begin(api, asked, done, arg);
    add_segment(call, id);
    if (verb)
        add_segment(call, verb);
    kula_call_send(call);
}

static const struct asked get_one = {"GET", KULA_WEBHOOK, true};
static const struct asked get_list = {"GET", KULA_WEBHOOKS, true};
static const struct asked get_logs = {"GET", KULA_LOGS, true};
static const struct asked get_types = {"GET", KULA_TYPES, true};
static const struct asked get_sample = {"GET", KULA_SAMPLE, true};
static const struct asked get_test = {"GET", KULA_TEST, true};
static const struct asked make = {"POST", KULA_WEBHOOK, false};
static const struct asked change = {"PATCH", KULA_WEBHOOK, true};
static const struct asked remove_one = {"DELETE", KULA_NOTHING, true};
static const struct asked switch_one = {"POST", KULA_NOTHING, true}; /* on or off */
static const struct asked renew = {"POST", KULA_SECRET, false};
static const struct asked post_test = {"POST", KULA_TEST, false};

void kula_api_list(struct kula_api *api, int64_t page, kula_api_fn *done, void *arg) {
    struct kula_call *call = begin(api, &get_list, done, arg);
    add_page(call, page);
    kula_call_send(call);
}

void kula_api_show(struct kula_api *api, const char *id, kula_api_fn *done, void *arg) {
    ask(api, &get_one, id, NULL, done, arg);
}

void kula_api_make(struct kula_api *api, const struct kula_api_fields *fields, kula_api_fn *done,
                   void *arg) {
    struct kula_call *call = begin(api, &make, done, arg);
    assert(!fields->secret || utf8_valid(secret_text(fields->secret)));
    kula_call_write(call, fields);
    kula_call_send(call);
}

void kula_api_update(struct kula_api *api, const char *id, const struct kula_api_fields *fields,
                     kula_api_fn *done, void *arg) {
    struct kula_call *call = begin(api, &change, done, arg);
    assert(!fields->secret);
    add_segment(call, id);
    kula_call_write(call, fields);
    kula_call_send(call);
}

void kula_api_delete(struct kula_api *api, const char *id, kula_api_fn *done, void *arg) {
    ask(api, &remove_one, id, NULL, done, arg);
}

void kula_api_enable(struct kula_api *api, const char *id, kula_api_fn *done, void *arg) {
    ask(api, &switch_one, id, "enable", done, arg);
}

void kula_api_disable(struct kula_api *api, const char *id, kula_api_fn *done, void *arg) {
    ask(api, &switch_one, id, "disable", done, arg);
}

void kula_api_renew_secret(struct kula_api *api, const char *id, kula_api_fn *done, void *arg) {
    ask(api, &renew, id, "regenerate-secret", done, arg);
}

void kula_api_test(struct kula_api *api, const char *id, kula_api_fn *done, void *arg) {
    struct kula_call *call = begin(api, &post_test, done, arg);
    add_segment(call, id);
    add_segment(call, "test");
    string_add_of(&call->bodies[0], "{}");
    kula_call_send(call);
}

void kula_api_test_result(struct kula_api *api, const char *id, const char *test_id,
                          kula_api_fn *done, void *arg) {
    struct kula_call *call = begin(api, &get_test, done, arg);
    add_segment(call, id);
    add_segment(call, "test");
    add_segment(call, test_id);
    kula_call_send(call);
}

static void add_query(struct kula_call *call, const char *key, const char *value) {
    if (!value)
        return;
    string_addf(&call->path, "&%s=", key);
    add_escaped(&call->path, value);
}

void kula_api_logs(struct kula_api *api, const char *id, const struct kula_api_filter *filter,
                   int64_t page, kula_api_fn *done, void *arg) {
    struct kula_call *call = begin(api, &get_logs, done, arg);
    add_segment(call, id);
    add_segment(call, "logs");
    add_page(call, page);
    add_query(call, "status", filter->status);
    add_query(call, "event", filter->event);
    kula_call_send(call);
}

void kula_api_types(struct kula_api *api, kula_api_fn *done, void *arg) {
    struct kula_call *call = begin(api, &get_types, done, arg);
    add_segment(call, "events");
    kula_call_send(call);
}

void kula_api_sample(struct kula_api *api, const char *type, kula_api_fn *done, void *arg) {
    struct kula_call *call = begin(api, &get_sample, done, arg);
    call->type = text_copy(text_of(type));
    call->question.type = call->type;
    add_segment(call, "sample");
    add_segment(call, type);
    kula_call_send(call);
}

/* Create and destroy -------------------------------------------------------- */

struct kula_api *kula_api_create(struct loop *loop, const struct kula_api_settings *settings) {
    struct kula_api *api = memory_new(sizeof *api);
    struct text token = text_slice((const char *)settings->token->data, settings->token->size);
    api->loop = loop;
    api->client = http_client_create(loop);
    api->url = settings->url;
    api->timeout_ms = settings->timeout_ms;
    api->limit = (struct kula_api_limit){-1, -1, -1, 0};
    string_add_of(&api->authorization, "Authorization: Bearer ");
    size_t before = api->authorization.size;
    string_add(&api->authorization, token);
    api->token = text_slice(api->authorization.data + before, token.size);
    LIST_INIT(&api->calls);
    return api;
}

void kula_api_destroy(struct kula_api *api) {
    if (!api)
        return;
    http_client_destroy(api->client); /* ends those that are asked */
    kula_call_stop_all(api);
    string_wipe(&api->authorization);
    free(api);
}

struct kula_api_limit kula_api_limit(const struct kula_api *api) {
    return api->limit;
}
