#include "cli/sender.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/random.h"
#include "cli/sample_event.h"
#include "kula/envelope.h"
#include "kula/stamp.h"

enum {
    PATIENCE_MS = 10000, /* Kula's */
    SLOWEST_MS = PATIENCE_MS + 1000,
    ANSWER_KEPT = 512,
    ID_SIZE = ENVELOPE_TEXT + 24,
};

struct sender {
    struct sender_plan plan;
    struct loop *loop;
    struct http_client *client;
    struct hmac *key;
    struct loop_timer *timer;
    sender_answer_fn *on_answer;
    loop_fn *on_end;
    void *arg;
    struct sender_tally tally;
    int64_t started_ms, in_flight;
    char base_id[ID_SIZE];
    int64_t by_ms[SLOWEST_MS + 1]; /* how many answers took so long */
};

struct delivery { /* one in flight */
    struct sender *sender;
    struct string body;
    char id[ID_SIZE];
    char type[ENVELOPE_TEXT];
};

static void choose_base_id(struct sender *sender) {
    if (sender->plan.id)
        snprintf(sender->base_id, sizeof sender->base_id, "%s", sender->plan.id);
    else
        snprintf(sender->base_id, sizeof sender->base_id, "evt_%016llx",
                 (unsigned long long)random_bits());
}

/* A body that was given names itself; X-Kula-Event and its like are taken from it. */
static void name_given(struct delivery *delivery, struct text body) {
    struct envelope envelope = {0};
    envelope_parse(body, &envelope);
    snprintf(delivery->id, sizeof delivery->id, "%s", envelope.id);
    snprintf(delivery->type, sizeof delivery->type, "%s", envelope.type);
}

static void name_made_up(struct delivery *delivery, const struct sender *sender) {
    if (sender->plan.count == 1)
        snprintf(delivery->id, sizeof delivery->id, "%s", sender->base_id);
    else
        snprintf(delivery->id, sizeof delivery->id, "%.255s-%lld", sender->base_id,
                 (long long)sender->tally.sent);
    snprintf(delivery->type, sizeof delivery->type, "%s", sender->plan.type);
}

static struct delivery *make_delivery(struct sender *sender) {
    struct delivery *delivery = memory_new(sizeof *delivery);
    delivery->sender = sender;
    if (sender->plan.body.data) {
        name_given(delivery, sender->plan.body);
        string_add(&delivery->body, sender->plan.body);
        return delivery;
    }
    name_made_up(delivery, sender);
    sample_event_write(delivery->type, delivery->id, clock_wall_ms(), (uint64_t)sender->tally.sent,
                       &delivery->body);
    return delivery;
}

struct answer_reading {
    bool is_status, duplicate;
};

static bool on_answer_key(void *arg, struct text key) {
    struct answer_reading *reading = arg;
    reading->is_status = text_is(key, "status");
    return true;
}

static bool on_answer_string(void *arg, struct text value) {
    struct answer_reading *reading = arg;
    if (reading->is_status)
        reading->duplicate = text_is(value, "duplicate");
    return true;
}

static bool says_duplicate(struct text answer) {
    static const struct json_reader reader = {.on_key = on_answer_key,
                                              .on_string = on_answer_string};
    struct answer_reading reading = {0};
    return json_read(answer, &reader, &reading) == JSON_WHOLE && reading.duplicate;
}

static void count_answer(struct sender *sender, const struct http_result *result) {
    struct sender_tally *tally = &sender->tally;
    if (result->outcome != HTTP_ANSWERED)
        tally->failed++;
    else if (result->status < 200 || result->status > 299)
        tally->refused++;
    else if (says_duplicate(result->body))
        tally->duplicate++;
    else
        tally->accepted++;
    int64_t took_ms = result->took_ms < SLOWEST_MS ? result->took_ms : SLOWEST_MS;
    sender->by_ms[took_ms < 0 ? 0 : took_ms]++;
}

static void on_done(void *arg, const struct http_result *result) {
    struct delivery *delivery = arg;
    struct sender *sender = delivery->sender;
    if (result->outcome != HTTP_STOPPED) {
        count_answer(sender, result);
        sender->in_flight--;
        sender->tally.took_ms = clock_steady_ms() - sender->started_ms;
        if (sender->on_answer)
            sender->on_answer(sender->arg, delivery->id, result);
        /* Not from here: libcurl has just called us, and the timer is a turn of its own. */
        loop_timer_set(sender->timer, 0);
    }
    string_finish(&delivery->body);
    free(delivery);
}

static void send_one(struct sender *sender) {
    struct string signature = {0};
    char timestamp[64];
    char id[ID_SIZE + 32], type[ENVELOPE_TEXT + 32];
    sender->tally.sent++;
    struct delivery *delivery = make_delivery(sender);
    struct text body = string_text(&delivery->body);
    int64_t now_s = clock_wall_ms() / 1000;
    string_add_of(&signature, "X-Kula-Signature: ");
    stamp_kula((struct stamp_keys){&sender->key, 1}, now_s, body, &signature);
    snprintf(timestamp, sizeof timestamp, "X-Kula-Timestamp: %lld", (long long)now_s);
    snprintf(id, sizeof id, "X-Kula-Event-Id: %s", delivery->id);
    snprintf(type, sizeof type, "X-Kula-Event: %s", delivery->type);
    const char *headers[] = {
        "Content-Type: application/json", signature.data, timestamp, id, type, NULL};
    if (!*delivery->id || !*delivery->type)
        headers[3] = NULL; /* what the body does not say, no header says */
    const struct http_call call = {
        .method = "POST",
        .url = sender->plan.url,
        .headers = headers,
        .body = body,
        .timeout_ms = PATIENCE_MS,
        .connect_timeout_ms = PATIENCE_MS,
        .keep_bytes = ANSWER_KEPT,
        .ca_file = sender->plan.ca_file,
        .link_local = true, /* a person named it */
    };
    sender->in_flight++;
    http_client_send(sender->client, &call, on_done, delivery);
    string_finish(&signature);
}

/* How many may have been sent by now, at this rate. */
static int64_t due_by_now(const struct sender *sender) {
    if (!sender->plan.rate)
        return sender->plan.count;
    int64_t due = 1 + (clock_steady_ms() - sender->started_ms) * sender->plan.rate / 1000;
    return due < sender->plan.count ? due : sender->plan.count;
}

static void send_due(struct sender *sender) {
    int64_t due = due_by_now(sender);
    while (sender->tally.sent < due && sender->in_flight < sender->plan.concurrency)
        send_one(sender);
    if (sender->tally.sent < sender->plan.count && sender->in_flight < sender->plan.concurrency)
        loop_timer_set(sender->timer, sender->plan.rate < 1000 ? 1000 / sender->plan.rate : 1);
}

static void on_timer(void *arg) {
    struct sender *sender = arg;
    if (sender->tally.sent == sender->plan.count && sender->in_flight == 0)
        sender->on_end(sender->arg);
    else
        send_due(sender);
}

struct sender *sender_start(struct loop *loop, const struct sender_plan *plan,
                            sender_answer_fn *on_answer, loop_fn *on_end, void *arg) {
    struct sender *sender = memory_new(sizeof *sender);
    sender->plan = *plan;
    sender->loop = loop;
    sender->client = http_client_create(loop);
    sender->key = hmac_create(plan->secret);
    sender->timer = loop_timer_create(loop, on_timer, sender);
    sender->on_answer = on_answer;
    sender->on_end = on_end;
    sender->arg = arg;
    sender->started_ms = clock_steady_ms();
    choose_base_id(sender);
    loop_timer_set(sender->timer, 0);
    return sender;
}

void sender_destroy(struct sender *sender) {
    if (!sender)
        return;
    http_client_destroy(sender->client); /* first: its callbacks still look at us */
    loop_timer_destroy(sender->timer);
    hmac_destroy(sender->key);
    free(sender);
}

const struct sender_tally *sender_tally(struct sender *sender) {
    return &sender->tally;
}

int64_t sender_percentile_ms(const struct sender *sender, unsigned percent) {
    int64_t answers = 0, seen = 0;
    for (int64_t ms = 0; ms <= SLOWEST_MS; ms++)
        answers += sender->by_ms[ms];
    for (int64_t ms = 0; ms <= SLOWEST_MS; ms++) {
        seen += sender->by_ms[ms];
        if (answers && seen * 100 >= answers * (int64_t)percent)
            return ms;
    }
    return 0;
}
