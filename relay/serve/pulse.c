#include "serve/pulse.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/memory.h"
#include "base/random.h"
#include "ledger/endpoint_alarm.h"
#include "serve/failures.h"

_Static_assert((int)FAILURES_PART_MS == (int)ENDPOINT_PART_MS, "Redis goes by the same parts");

enum {
    TELL_EVERY_MS = 5000,
    TELL_SOON_MS = 200, /* after a failure: what a kill may cost */
    RUN_HEX = 8,
};

/* An endpoint by its name: it outlives the editions, and stays to the end. */
struct subject {
    SLIST_ENTRY(subject) link;
    struct pulse *pulse;
    char *name;
    bool configured;
    bool asked;  /* Redis has not answered yet */
    bool news;   /* something failed that was not told */
    bool parted; /* stopping: it was told for the last time */
    struct failures failures[ENDPOINT_FAILURES];
    int64_t ours[ENDPOINT_FAILURES];  /* of these, what was asked with last */
    int64_t known[ENDPOINT_FAILURES]; /* and what the answer had counted in */
    int64_t heard[ENDPOINT_FAILURES]; /* everybody's, by the last answer */
    int64_t accepted, accepted_ms;    /* not told yet, and when the last of them came */
    int64_t accepted_asked;
    char **webhooks; /* the ids that have gauges */
    size_t webhook_count;
    struct endpoint_alarm alarm;
};

struct pulse {
    struct pulse_needs needs;
    char run[RUN_HEX + 1];
    int64_t started_ms; /* steady */
    SLIST_HEAD(subjects, subject) subjects;
    struct loop_timer *due;
    bool soon; /* so is it set */
};

enum { FAILURES, SILENT, LAST_EVENT, WEBHOOK_ACTIVE, WEBHOOK_LOOKED, WEBHOOK_ENABLES };

static const struct metric_family families[] = {
    [FAILURES] =
        {"kula_relay_failures_of_24_hours",
         METRIC_GAUGE,
         "Deliveries that failed, as all serves saw them: Kula disables the endpoint at 25.",
         {"endpoint", "kind"}},
    [SILENT] = {"kula_relay_endpoint_silent",
                METRIC_GAUGE,
                "1 while no event comes for much longer than usual at this time of the week.",
                {"endpoint"}},
    [LAST_EVENT] = {"kula_relay_last_event_timestamp_seconds",
                    METRIC_GAUGE,
                    "When the last delivery was taken, by whichever serve.",
                    {"endpoint"}},
    [WEBHOOK_ACTIVE] = {"kula_relay_webhook_active",
                        METRIC_GAUGE,
                        "1 where Kula delivers by this webhook, 0 where not, as watch saw it last.",
                        {"endpoint", "webhook"}},
    [WEBHOOK_LOOKED] = {"kula_relay_webhook_looked_timestamp_seconds",
                        METRIC_GAUGE,
                        "When watch last looked at this webhook.",
                        {"endpoint", "webhook"}},
    [WEBHOOK_ENABLES] = {"kula_relay_webhook_enables_of_24_hours",
                         METRIC_GAUGE,
                         "How often watch has had this webhook enabled.",
                         {"endpoint", "webhook"}},
};

static void gauge(struct pulse *pulse, int family, const char *endpoint, const char *label,
                  int64_t value) {
    metric_set(metrics_series(pulse->needs.metrics, &families[family], endpoint, label), value);
}

static int64_t run_ms(const struct pulse *pulse) {
    return clock_steady_ms() - pulse->started_ms;
}

/* ---- What is known ---- */

/* What was heard last, and what we have counted since. */
static int64_t failures_now(const struct subject *subject, int i) {
    int64_t since = failures_sum(&subject->failures[i], run_ms(subject->pulse)) - subject->known[i];
    return subject->heard[i] + (since > 0 ? since : 0);
}

static void show_failures(struct subject *subject) {
    for (int i = 0; i < ENDPOINT_FAILURES; i++)
        gauge(subject->pulse, FAILURES, subject->name, endpoint_failure_name(i),
              subject->configured ? failures_now(subject, i) : 0);
}

static void forget_webhooks(struct subject *subject) {
    for (size_t i = 0; i < subject->webhook_count; i++) {
        metrics_forget(subject->pulse->needs.metrics, "webhook", subject->webhooks[i]);
        free(subject->webhooks[i]);
    }
    free(subject->webhooks);
    subject->webhooks = NULL;
    subject->webhook_count = 0;
}

static void show_webhook(struct subject *subject, const struct endpoint_webhook *webhook,
                         const char *id) {
    struct pulse *pulse = subject->pulse;
    gauge(pulse, WEBHOOK_ACTIVE, subject->name, id, text_is(webhook->state, "active"));
    gauge(pulse, WEBHOOK_LOOKED, subject->name, id,
          (clock_wall_ms() - webhook->looked_ago_ms) / 1000);
    gauge(pulse, WEBHOOK_ENABLES, subject->name, id, (int64_t)webhook->enabled_count);
}

static void show_state(struct subject *subject, const struct endpoint_state *state) {
    struct pulse *pulse = subject->pulse;
    gauge(pulse, SILENT, subject->name, NULL, endpoint_is_silent(state));
    if (state->silent_ms >= 0)
        gauge(pulse, LAST_EVENT, subject->name, NULL, (clock_wall_ms() - state->silent_ms) / 1000);
    forget_webhooks(subject);
    subject->webhooks = memory_new((state->webhook_count + 1) * sizeof *subject->webhooks);
    subject->webhook_count = state->webhook_count;
    for (size_t i = 0; i < state->webhook_count; i++) {
        subject->webhooks[i] = text_copy(state->webhooks[i].id);
        show_webhook(subject, &state->webhooks[i], subject->webhooks[i]);
    }
}

/* ---- Telling Redis, and hearing ---- */

static void hear(struct subject *subject, const struct endpoint_state *state) {
    for (int i = 0; i < ENDPOINT_FAILURES; i++) {
        subject->heard[i] = state->failures[i];
        subject->known[i] = subject->ours[i];
    }
    if (subject->configured)
        show_state(subject, state);
}

static void on_state(void *arg, const struct endpoint_state *heard) {
    struct subject *subject = arg;
    struct endpoint_state state = *heard;
    subject->asked = false;
    if (state.outcome == LEDGER_DONE) {
        hear(subject, &state);
    } else {
        subject->news = true;
        subject->accepted += subject->accepted_asked;
        state.usual = subject->alarm.silent ? INT64_MAX : 0; /* nobody knows: as it was */
    }
    for (int i = 0; i < ENDPOINT_FAILURES; i++)
        state.failures[i] = failures_now(subject, i);
    show_failures(subject);
    if (subject->configured)
        endpoint_alarm_tell(&subject->alarm, subject->name, &state);
}

/* All that stands, not what is new: so Redis hears again what it forgot. */
static size_t list_counts(struct subject *subject, int i, struct endpoint_count *counts) {
    const struct failures *failures = &subject->failures[i];
    int64_t now_ms = run_ms(subject->pulse);
    size_t count = 0;
    for (int64_t part = failures->newest; part > failures->newest - FAILURES_PARTS; part--) {
        int64_t number = failures_of(failures, part, now_ms);
        if (!number)
            continue;
        counts[count] = (struct endpoint_count){.failure = (enum endpoint_failure)i,
                                                .part = part,
                                                .count = number,
                                                .ago_ms = now_ms - part * FAILURES_PART_MS};
        count++;
    }
    subject->ours[i] = failures_sum(failures, now_ms);
    return count;
}

static void tell(struct subject *subject) {
    struct endpoint_count counts[ENDPOINT_FAILURES * FAILURES_PARTS];
    size_t count = 0;
    for (int i = 0; i < ENDPOINT_FAILURES; i++)
        count += list_counts(subject, i, counts + count);
    subject->asked = true;
    subject->news = false;
    subject->accepted_asked = subject->accepted;
    subject->accepted = 0;
    endpoint_report(subject->pulse->needs.ledger,
                    &(struct endpoint_report){
                        .endpoint = subject->name,
                        .run = subject->pulse->run,
                        .accepted = subject->accepted_asked,
                        .accepted_ago_ms = clock_steady_ms() - subject->accepted_ms,
                        .counts = counts,
                        .count = count,
                    },
                    on_state, subject);
}

static void on_due(void *arg) {
    struct pulse *pulse = arg;
    struct subject *subject;
    pulse->soon = false;
    loop_timer_set(pulse->due, TELL_EVERY_MS);
    SLIST_FOREACH (subject, &pulse->subjects, link)
        if (!subject->asked && (subject->configured || subject->news))
            tell(subject);
}

static void tell_soon(struct pulse *pulse) {
    if (!pulse->soon)
        loop_timer_set(pulse->due, TELL_SOON_MS);
    pulse->soon = true;
}

/* ---- Counting ---- */

static struct subject *find(const struct pulse *pulse, const char *name) {
    struct subject *subject;
    SLIST_FOREACH (subject, &pulse->subjects, link)
        if (strcmp(subject->name, name) == 0)
            return subject;
    return NULL;
}

static void note_failure(struct subject *subject, enum endpoint_failure failure) {
    failures_note(&subject->failures[failure], run_ms(subject->pulse));
    subject->news = true;
    tell_soon(subject->pulse);
}

void pulse_note(struct pulse *pulse, const char *endpoint, enum answer answer) {
    struct subject *subject = find(pulse, endpoint);
    assert(subject);
    switch (answers_tells(answer)) {
    case ANSWER_TELLS_NOTHING:
        return;
    case ANSWER_TELLS_TAKEN:
        subject->accepted++;
        subject->accepted_ms = clock_steady_ms();
        return;
    case ANSWER_TELLS_FAILED:
        note_failure(subject, ENDPOINT_FAILED);
        return;
    case ANSWER_TELLS_UNPROVED:
        note_failure(subject, ENDPOINT_UNPROVED);
        return;
    }
}

bool pulse_is_told(struct pulse *pulse) {
    struct subject *subject;
    bool told = true;
    if (!ledger_connected(pulse->needs.ledger))
        return true;
    SLIST_FOREACH (subject, &pulse->subjects, link) {
        if (subject->news && !subject->asked && !subject->parted) {
            subject->parted = true;
            tell(subject);
        }
        told = told && !subject->asked;
    }
    return told;
}

/* ---- Its life ---- */

static struct subject *enter(struct pulse *pulse, const char *name) {
    struct subject *subject = memory_new(sizeof *subject);
    subject->pulse = pulse;
    subject->name = text_copy(text_of(name));
    SLIST_INSERT_HEAD(&pulse->subjects, subject, link);
    return subject;
}

static void leave(struct subject *subject) {
    subject->alarm = (struct endpoint_alarm){0};
    forget_webhooks(subject);
    show_failures(subject);
    gauge(subject->pulse, SILENT, subject->name, NULL, 0);
}

void pulse_set_endpoints(struct pulse *pulse, const struct config *config) {
    struct subject *subject;
    SLIST_FOREACH (subject, &pulse->subjects, link)
        subject->configured = false;
    for (size_t i = 0; i < config->endpoint_count; i++) {
        subject = find(pulse, config->endpoints[i].name);
        if (!subject)
            subject = enter(pulse, config->endpoints[i].name);
        subject->configured = true;
        show_failures(subject);
    }
    SLIST_FOREACH (subject, &pulse->subjects, link)
        if (!subject->configured)
            leave(subject);
    tell_soon(pulse);
}

struct pulse *pulse_start(const struct pulse_needs *needs) {
    struct pulse *pulse = memory_new(sizeof *pulse);
    pulse->needs = *needs;
    pulse->started_ms = clock_steady_ms();
    SLIST_INIT(&pulse->subjects);
    random_hex(pulse->run, RUN_HEX);
    pulse->due = loop_timer_create(needs->loop, on_due, pulse);
    pulse_set_endpoints(pulse, needs->config);
    return pulse;
}

void pulse_stop(struct pulse *pulse) {
    struct subject *subject;
    if (!pulse)
        return;
    while ((subject = SLIST_FIRST(&pulse->subjects))) {
        SLIST_REMOVE_HEAD(&pulse->subjects, link);
        forget_webhooks(subject);
        free(subject->name);
        free(subject);
    }
    loop_timer_destroy(pulse->due);
    free(pulse);
}
