#include "kula_api/kula_answer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"

enum { DEEPEST = 4 }; /* envelopes in envelopes */

const char *kula_outcome_name(enum kula_outcome outcome) {
    static const char *const names[] = {
        [KULA_DONE] = "done",       [KULA_MISSING] = "missing", [KULA_REFUSED] = "refused",
        [KULA_LIMITED] = "limited", [KULA_AWAY] = "away",       [KULA_NONSENSE] = "nonsense",
        [KULA_STOPPED] = "stopped",
    };
    return names[outcome];
}

const char *kula_state_name(enum kula_state state) {
    static const char *const names[] = {
        [KULA_STATE_NONE] = "",
        [KULA_STATE_UNKNOWN] = "unknown",
        [KULA_STATE_ACTIVE] = "active",
        [KULA_STATE_DISABLED] = "disabled",
    };
    return names[state];
}

const char *kula_spelling_name(enum kula_spelling spelling) {
    return spelling == KULA_EVENTS ? "events" : "subscribed_events";
}

/* Looking for things ------------------------------------------------------- */

/* The first of these keys that is there; NULL ends them. */
static const struct json_tree *any_of(const struct json_tree *object, const char *const *keys) {
    for (; *keys; keys++)
        if (json_tree_get(object, *keys))
            return json_tree_get(object, *keys);
    return NULL;
}

/* An id may be a string or a number; null is the same as not told. */
static struct text text_at(const struct json_tree *object, const char *key) {
    return json_tree_text(json_tree_get(object, key));
}

static int64_t number_at(const struct json_tree *object, const char *key) {
    int64_t number;
    return json_tree_number(json_tree_get(object, key), &number) ? number : -1;
}

static const char *const envelopes[] = {"data", "webhooks", "webhook", "logs", "test", NULL};

/* The list that the answer is about, however deep in envelopes. */
static const struct json_tree *find_list(const struct json_tree *tree, int depth) {
    if (json_tree_kind(tree) == JSON_LIST)
        return tree;
    const struct json_tree *inner = any_of(tree, envelopes);
    return inner && depth < DEEPEST ? find_list(inner, depth + 1) : NULL;
}

/* The object that has this key. */
static const struct json_tree *find_object(const struct json_tree *tree, const char *key,
                                           int depth) {
    const struct json_tree *found = json_tree_get(tree, key) ? tree : NULL;
    for (const char *const *name = envelopes; !found && *name && depth < DEEPEST; name++)
        if (json_tree_kind(json_tree_get(tree, *name)) == JSON_OBJECT)
            found = find_object(json_tree_get(tree, *name), key, depth + 1);
    return found;
}

/* Event types -------------------------------------------------------------- */

static void add_type(struct text **types, size_t *count, struct text type) {
    for (size_t i = 0; i < *count; i++)
        if (text_equal((*types)[i], type))
            return;
    *types = memory_resize(*types, (*count + 1) * sizeof(**types));
    (*types)[(*count)++] = type;
}

/* A list of names, or of objects that have one, or either by groups. */
static void collect_types(const struct json_tree *tree, int depth, struct text **types,
                          size_t *count) {
    static const char *const names[] = {"event", "event_type", "type", "name", NULL};
    const struct json_tree *name = any_of(tree, names);
    if (json_tree_kind(name) == JSON_STRING) {
        add_type(types, count, json_tree_text(name));
        return;
    }
    for (size_t i = 0; i < json_tree_count(tree); i++) {
        const struct json_tree *item = json_tree_at(tree, i);
        bool in_list = json_tree_kind(tree) == JSON_LIST;
        if (in_list && json_tree_kind(item) == JSON_STRING)
            add_type(types, count, json_tree_text(item));
        else if (depth < DEEPEST && !text_is(json_tree_key(tree, i), "meta"))
            collect_types(item, depth + 1, types, count);
    }
}

/* Webhooks ----------------------------------------------------------------- */

static enum kula_state read_state(const struct json_tree *object, struct text word) {
    static const char *const flags[] = {"enabled", "active", "is_active", NULL};
    const struct json_tree *flag = any_of(object, flags);
    if (text_is(word, "active") || text_is(word, "enabled"))
        return KULA_STATE_ACTIVE;
    if (text_is(word, "disabled") || text_is(word, "inactive"))
        return KULA_STATE_DISABLED;
    if (json_tree_kind(flag) != JSON_BOOL)
        return KULA_STATE_UNKNOWN;
    return json_tree_true(flag) ? KULA_STATE_ACTIVE : KULA_STATE_DISABLED;
}

static void read_events(const struct json_tree *object, struct kula_webhook *webhook) {
    for (int i = 0; i < KULA_SPELLINGS && !webhook->events_told; i++) {
        const struct json_tree *list = json_tree_get(object, kula_spelling_name(i));
        if (json_tree_kind(list) != JSON_LIST)
            continue;
        webhook->events_told = true;
        webhook->spelling = i;
        collect_types(list, 0, &webhook->events, &webhook->event_count);
    }
}

static void read_webhook(const struct json_tree *object, struct kula_webhook *webhook) {
    static const char *const states[] = {"state", "status", NULL};
    webhook->id = text_at(object, "id");
    webhook->name = text_at(object, "name");
    webhook->url = text_at(object, "url");
    webhook->description = text_at(object, "description");
    webhook->created_at = text_at(object, "created_at");
    webhook->state_told = json_tree_text(any_of(object, states));
    webhook->state = read_state(object, webhook->state_told);
    read_events(object, webhook);
}

static bool read_webhooks(struct kula_answer *answer, const struct json_tree *list) {
    answer->webhook_count = json_tree_count(list);
    answer->webhooks = memory_new((answer->webhook_count + 1) * sizeof(*answer->webhooks));
    for (size_t i = 0; i < answer->webhook_count; i++) {
        read_webhook(json_tree_at(list, i), &answer->webhooks[i]);
        if (!answer->webhooks[i].id.size)
            return false;
    }
    return list;
}

static bool read_one_webhook(struct kula_answer *answer) {
    const struct json_tree *object = find_object(answer->tree, "id", 0);
    answer->webhook_count = 1;
    answer->webhooks = memory_new(sizeof(*answer->webhooks));
    read_webhook(object, answer->webhooks);
    struct text secret = text_at(object, "secret");
    string_add(&answer->secret, secret);
    return answer->webhooks[0].id.size;
}

/* Logs and tests ----------------------------------------------------------- */

static void read_log(const struct json_tree *object, struct kula_log *log) {
    *log = (struct kula_log){
        .id = text_at(object, "id"),
        .event = text_at(object, "event"),
        .event_id = text_at(object, "event_id"),
        .status = text_at(object, "status"),
        .created_at = text_at(object, "created_at"),
        .response_body = text_at(object, "response_body"),
        .response_code = number_at(object, "response_code"),
        .response_time_ms = number_at(object, "response_time_ms"),
        .attempts = number_at(object, "attempts"),
    };
    /* Kula's own client knows the other word. */
    if (text_is(log->status, "success"))
        log->status = text_of("delivered");
}

bool kula_log_is_ping(const struct kula_log *log) {
    return text_is(log->event, "ping");
}

int64_t kula_log_created_s(const struct kula_log *log) {
    char created[32] = "";
    struct tm parts = {0};
    if (log->created_at.size && log->created_at.size < sizeof created)
        memcpy(created, log->created_at.data, log->created_at.size);
    return strptime(created, "%Y-%m-%dT%H:%M:%S", &parts) ? (int64_t)timegm(&parts) : -1;
}

static bool read_logs(struct kula_answer *answer, const struct json_tree *list) {
    answer->log_count = json_tree_count(list);
    answer->logs = memory_new((answer->log_count + 1) * sizeof(*answer->logs));
    for (size_t i = 0; i < answer->log_count; i++)
        read_log(json_tree_at(list, i), &answer->logs[i]);
    return list;
}

static bool read_test(struct kula_answer *answer) {
    const struct json_tree *object = find_object(answer->tree, "test_id", 0);
    answer->test = (struct kula_test){
        .id = text_at(object, "test_id"),
        .status = text_at(object, "status"),
        .response_code = number_at(object, "response_code"),
        .response_time_ms = number_at(object, "response_time_ms"),
    };
    return answer->test.id.size && answer->test.status.size;
}

static bool read_secret(struct kula_answer *answer) {
    string_add(&answer->secret, text_at(find_object(answer->tree, "secret", 0), "secret"));
    return answer->secret.size;
}

/* Samples ------------------------------------------------------------------ */

static void add_text(struct json_writer *json, const char *key, const char *value) {
    json_key(json, key);
    json_string(json, text_of(value));
}

/* Only what stands in `data` was told: the rest as Kula's guides have it. */
static void write_around(const struct json_tree *data, const struct kula_question *question,
                         struct json_writer *json) {
    char id[64], created[64];
    time_t seconds = (time_t)(question->now_ms / 1000);
    struct tm parts = {0};
    gmtime_r(&seconds, &parts);
    strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", &parts);
    snprintf(id, sizeof id, "evt_sample_%lld", (long long)question->now_ms);
    json_open(json, '{');
    add_text(json, "event", question->type);
    add_text(json, "event_id", id);
    add_text(json, "created_at", created);
    json_key(json, "account_id");
    json_number(json, 0);
    json_key(json, "data");
    json_tree_write(data, json);
    json_close(json, '}');
}

static bool is_event(const struct json_tree *tree) {
    return json_tree_kind(json_tree_get(tree, "event")) == JSON_STRING &&
           json_tree_kind(json_tree_get(tree, "event_id")) == JSON_STRING;
}

static bool read_sample(struct kula_answer *answer, const struct kula_question *question) {
    static const char *const inner[] = {"payload", "sample", "data", NULL};
    const struct json_tree *found = answer->tree;
    /* The event itself has `data` too, so it is looked for before each step inwards. */
    while (!is_event(found) && json_tree_kind(any_of(found, inner)) == JSON_OBJECT)
        found = any_of(found, inner);
    if (json_tree_kind(found) != JSON_OBJECT || json_tree_count(found) == 0)
        return false;
    struct json_writer *json = json_writer_create();
    if (is_event(found))
        json_tree_write(found, json);
    else
        write_around(found, question, json);
    string_add(&answer->sample, json_writer_text(json));
    json_writer_destroy(json);
    return true;
}

/* The answer as a whole ---------------------------------------------------- */

/* Where nobody says how many pages there are, a full one may not be the last. */
static bool has_more(const struct json_tree *tree, const struct kula_question *question,
                     size_t count) {
    static const char *const abouts[] = {"meta", "pagination", NULL};
    int64_t pages = number_at(any_of(tree, abouts), "total_pages");
    if (count == 0)
        return false;
    return pages >= 0 ? question->page < pages : count >= (size_t)question->page_size;
}

static bool read_list(struct kula_answer *answer, const struct kula_question *question) {
    const struct json_tree *list = find_list(answer->tree, 0);
    answer->more = has_more(answer->tree, question, json_tree_count(list));
    return question->shape == KULA_LOGS ? read_logs(answer, list) : read_webhooks(answer, list);
}

bool kula_answer_read(struct kula_answer *answer, const struct kula_question *question,
                      struct text body) {
    if (question->shape == KULA_NOTHING)
        return true; /* a 204 says as much */
    answer->tree = json_tree_read(body);
    switch (question->shape) {
    case KULA_WEBHOOK:
        return read_one_webhook(answer);
    case KULA_WEBHOOKS:
    case KULA_LOGS:
        return read_list(answer, question);
    case KULA_TYPES:
        collect_types(answer->tree, 0, &answer->types, &answer->type_count);
        return answer->type_count;
    case KULA_TEST:
        return read_test(answer);
    case KULA_SECRET:
        return read_secret(answer);
    case KULA_SAMPLE:
        return read_sample(answer, question);
    case KULA_NOTHING:
        break;
    }
    assert(!"a shape that is none");
    abort();
}

void kula_answer_destroy(struct kula_answer *answer) {
    if (!answer)
        return;
    for (size_t i = 0; i < answer->webhook_count; i++)
        free(answer->webhooks[i].events);
    free(answer->webhooks);
    free(answer->logs);
    free(answer->types);
    string_finish(&answer->problem);
    string_finish(&answer->sample);
    string_wipe(&answer->secret);
    json_tree_destroy(answer->tree);
    free(answer);
}
