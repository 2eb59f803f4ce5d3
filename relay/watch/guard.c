#include "watch/guard.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json_tree.h"
#include "base/log.h"
#include "base/memory.h"
#include "ledger/endpoint_alarm.h"
#include "watch/patience.h"
#include "watch/reconcile.h"

enum {
    READY_EVERY_MS = 5000, /* while it is disabled: asks serve only, not Kula */
    READY_PATIENCE_MS = 5000,
    READY_BYTES_MOST = 1024,
    TEST_FIRST_MS = 300,
    TEST_EVERY_MS = 2000,
    TEST_LOOKS_MOST = 16,
    LOOKS_FOR_WHAT_IS_NOT_THERE = 10, /* it costs as many requests as a look that finds it */
    LIST_PAGES_MOST = 10,             /* to find a URL in; each is a request of the account's */
    LOOKS_NEAR_THE_END = 3,           /* so many more while Kula is about to disable it */
    /* Without what earlier guards did: as if one had enabled it just before this one began. */
    UNKNOWN_WAIT_MS = 60000,
    RECONCILE_EVERY_MS = 24 * 60 * 60 * 1000,
    RECONCILE_AGAIN_MS = 60 * 60 * 1000, /* where it did not come to its end */
};

/* What is asked when the timer fires. */
enum step { LOOK, ASK_SERVE, ASK_TEST };

struct guard {
    struct guard_house *house;
    const struct config_webhook *wanted;
    char *id; /* NULL: not known yet, it is looked for by its URL */
    int64_t page;
    enum step step;
    struct loop_timer *timer;
    enum kula_state state, told_state; /* at the last look, and in the log */
    char *state_told;                  /* of that look, in Kula's word */
    struct patience patience;          /* by the steady clock */
    int64_t began_ms;                  /* by that too */
    enum endpoint_proof proof;
    bool recalled; /* Redis has told what earlier guards did */
    int64_t failed, unproved;
    struct endpoint_alarm alarm;
    bool told_serve, told_patience; /* once for each time that it is disabled */
    char *test_id;
    int test_looks;
    size_t tests_untold; /* since it was enabled: Kula did not tell how they went */
    int64_t test_at_ms;  /* by the steady clock; not before that again */
    struct reconcile *reconcile;
    int64_t reconcile_at_ms; /* by the steady clock */
};

static void wait_for(struct guard *guard, enum step step, int64_t in_ms) {
    guard->step = step;
    loop_timer_set(guard->timer, in_ms);
}

/* Whoever is about to disable it may be doing so now, and each second of that is lost. */
static int64_t every_ms(const struct guard *guard) {
    bool near_the_end = endpoint_level_of(guard->failed + guard->unproved) == ENDPOINT_ALARM;
    return guard->house->every_ms / (near_the_end ? LOOKS_NEAR_THE_END : 1);
}

static void look_later(struct guard *guard) {
    struct guard_house *house = guard->house;
    struct kula_api_limit told = kula_api_limit(house->api);
    const struct share_limit limit = {told.limit, told.remaining, told.reset_s};
    int64_t now_s = clock_wall_ms() / 1000;
    share_note(&house->share, limit, told.asked, now_s);
    wait_for(
        guard, LOOK,
        patience_look_ms(every_ms(guard),
                         (struct patience_share){share_ours(&house->share, now_s), limit.reset_s},
                         house->guards, now_s));
}

/* It may have been deleted and made again: then it has another id, and the same URL. */
static void forget_id(struct guard *guard) {
    guard->page = 1;
    guard->state = guard->told_state = KULA_STATE_NONE;
    if (guard->wanted->id)
        return;
    free(guard->id);
    guard->id = NULL;
}

static void tell_trouble(const struct guard *guard, const char *what,
                         const struct kula_answer *answer) {
    log_warning("kula refuses or does not answer what=%s endpoint=%s outcome=%s problem=%s", what,
                guard->wanted->endpoint, kula_outcome_name(answer->outcome), answer->problem.data);
}

static void look_after_trouble(struct guard *guard, const struct kula_answer *answer) {
    if (answer->outcome == KULA_LIMITED)
        wait_for(guard, LOOK, answer->retry_after_ms);
    else
        look_later(guard);
}

/* False, with the next look on its way, where Kula did not do what was asked. */
static bool is_done(struct guard *guard, const char *what, const struct kula_answer *answer) {
    if (answer->outcome == KULA_DONE)
        return true;
    if (answer->outcome == KULA_STOPPED)
        return false;
    tell_trouble(guard, what, answer);
    if (answer->outcome == KULA_MISSING)
        forget_id(guard);
    if (answer->outcome == KULA_MISSING && guard->id)
        wait_for(guard, LOOK, LOOKS_FOR_WHAT_IS_NOT_THERE * guard->house->every_ms);
    else
        look_after_trouble(guard, answer);
    return false;
}

/* What stands in Redis ------------------------------------------------------- */

static void hear_of_webhook(struct guard *guard, const struct endpoint_webhook *webhook) {
    if (!text_is(webhook->id, guard->id))
        return;
    patience_recall(&guard->patience, webhook->enabled_ago_ms, webhook->enabled_count,
                    clock_steady_ms());
    if (guard->proof == ENDPOINT_PROOF_NONE)
        guard->proof = webhook->proof;
}

static void hear(struct guard *guard, const struct endpoint_state *state) {
    if (state->outcome != LEDGER_DONE)
        return;
    guard->recalled = true;
    guard->failed = state->failures[ENDPOINT_FAILED];
    guard->unproved = state->failures[ENDPOINT_UNPROVED];
    endpoint_alarm_tell(&guard->alarm, guard->wanted->endpoint, state);
    for (size_t i = 0; i < state->webhook_count; i++)
        hear_of_webhook(guard, &state->webhooks[i]);
}

/* Tells what this guard knows, and hears what is known. All of it each time: so a Redis that
 * was away, or forgot, has it again. */
static void consult(struct guard *guard, endpoint_state_fn *next) {
    int64_t ago_ms[PATIENCE_ENABLES_MOST], now_ms = clock_steady_ms();
    const struct patience *patience = &guard->patience;
    for (size_t i = 0; i < patience->count; i++)
        ago_ms[i] = now_ms - patience->enabled_ms[i];
    endpoint_watch(guard->house->ledger,
                   &(struct endpoint_watched){
                       .endpoint = guard->wanted->endpoint,
                       .id = guard->id,
                       .state = kula_state_name(guard->state),
                       .proof = guard->proof,
                       .enabled_ago_ms = ago_ms,
                       .enabled_count = patience->count,
                   },
                   next, guard);
}

/* What was missed ------------------------------------------------------------ */

static void on_reconciled(void *arg, const struct kula_answer *last, bool whole) {
    struct guard *guard = arg;
    if (whole)
        guard->reconcile_at_ms = clock_steady_ms() + RECONCILE_EVERY_MS;
    if (is_done(guard, "logs", last))
        look_later(guard);
}

/* Without Redis nobody knows what was missed. */
static void reconcile_or_look_later(struct guard *guard, enum ledger_outcome redis) {
    int64_t now_ms = clock_steady_ms();
    if (redis != LEDGER_DONE || now_ms < guard->reconcile_at_ms) {
        look_later(guard);
        return;
    }
    guard->reconcile_at_ms = now_ms + RECONCILE_AGAIN_MS;
    reconcile_start(guard->reconcile, guard->id, on_reconciled, guard);
}

/* Proving ------------------------------------------------------------------- */

static void on_proof_noted(void *arg, const struct endpoint_state *state) {
    struct guard *guard = arg;
    hear(guard, state);
    reconcile_or_look_later(guard, state->outcome);
}

/* Not for ever: Kula may have sent its ping all the same, and services get it. Should it be the
 * webhook that is gone, the next look finds that. */
static void put_off_test(struct guard *guard, const struct kula_answer *answer) {
    if (answer->outcome == KULA_STOPPED)
        return;
    tell_trouble(guard, "test", answer);
    guard->test_at_ms =
        clock_steady_ms() + patience_test_ms(guard->house->every_ms, ++guard->tests_untold);
    if (guard->tests_untold == PATIENCE_TESTS_MOST) {
        guard->proof = ENDPOINT_PROOF_BAD;
        log_error("webhook enabled, but Kula does not tell how its tests went, see: kula-relay "
                  "webhook test endpoint=%s id=%s tests=%zu",
                  guard->wanted->endpoint, guard->id, guard->tests_untold);
    }
    look_after_trouble(guard, answer);
}

static void on_test(void *arg, struct kula_answer **place) {
    struct guard *guard = arg;
    const struct kula_answer *answer = *place;
    if (answer->outcome != KULA_DONE) {
        put_off_test(guard, answer);
        return;
    }
    const struct kula_test *test = &answer->test;
    free(guard->test_id);
    guard->test_id = text_copy(test->id);
    if (text_is(test->status, "pending") && guard->test_looks < TEST_LOOKS_MOST) {
        wait_for(guard, ASK_TEST, guard->test_looks++ ? TEST_EVERY_MS : TEST_FIRST_MS);
        return;
    }
    bool good = text_is(test->status, "delivered");
    guard->proof = good ? ENDPOINT_PROOF_GOOD : ENDPOINT_PROOF_BAD;
    if (good)
        log_info("webhook proved endpoint=%s id=%s ms=%" PRId64, guard->wanted->endpoint, guard->id,
                 test->response_time_ms);
    else
        log_error("webhook enabled, but its test is not delivered endpoint=%s id=%s status=%.*s "
                  "answer=%" PRId64,
                  guard->wanted->endpoint, guard->id, TEXT_ARG(test->status), test->response_code);
    consult(guard, on_proof_noted);
}

static void prove(struct guard *guard) {
    guard->test_looks = 0;
    kula_api_test(guard->house->api, guard->id, on_test, guard);
}

static void on_enabled(void *arg, struct kula_answer **place) {
    struct guard *guard = arg;
    if (!is_done(guard, "enable", *place))
        return;
    log_info("webhook enabled endpoint=%s id=%s", guard->wanted->endpoint, guard->id);
    guard->state = guard->told_state = KULA_STATE_NONE;
    prove(guard);
}

/* Only now: whatever becomes of us or of Kula's answer, it counts. */
static void on_enabling_noted(void *arg, const struct endpoint_state *state) {
    struct guard *guard = arg;
    hear(guard, state);
    kula_api_enable(guard->house->api, guard->id, on_enabled, guard);
}

static void enable(struct guard *guard) {
    patience_note_enabled(&guard->patience, clock_steady_ms());
    guard->proof = ENDPOINT_PROOF_OWED;
    guard->tests_untold = 0;
    guard->test_at_ms = guard->reconcile_at_ms = clock_steady_ms();
    consult(guard, on_enabling_noted);
}

/* Is serve ready? ------------------------------------------------------------ */

static void wait_for_serve(struct guard *guard) {
    if (!guard->told_serve)
        log_warning("serve is not ready, the webhook stays disabled endpoint=%s url=%s",
                    guard->wanted->endpoint, guard->house->ready_url);
    guard->told_serve = true;
    wait_for(guard, ASK_SERVE, READY_EVERY_MS);
}

static void wait_for_patience(struct guard *guard, int64_t wait_ms) {
    if (!guard->told_patience)
        log_error("webhook was enabled too often of late, and waits endpoint=%s id=%s ms=%" PRId64,
                  guard->wanted->endpoint, guard->id, wait_ms);
    guard->told_patience = true;
    /* A long wait is spent looking: somebody may enable it by hand. */
    if (wait_ms > guard->house->every_ms)
        look_later(guard);
    else
        wait_for(guard, ASK_SERVE, wait_ms);
}

/* Redis may say that it was enabled often enough; but while it is away for long, what Kula does
 * not send is lost. */
static void wait_for_redis(struct guard *guard, int64_t wait_ms) {
    if (!guard->told_patience)
        log_warning("redis is away, and nobody else knows how often the webhook was enabled, waits "
                    "endpoint=%s id=%s ms=%" PRId64,
                    guard->wanted->endpoint, guard->id, wait_ms);
    guard->told_patience = true;
    wait_for(guard, ASK_SERVE, wait_ms < READY_EVERY_MS ? wait_ms : READY_EVERY_MS);
}

/* 200, and what comes is stored: without a spool and Redis it is only held, and then fails. */
static bool is_ready(const struct http_result *result) {
    struct json_tree *told = json_tree_read(result->body);
    bool held = json_tree_true(json_tree_get(told, "held"));
    json_tree_destroy(told);
    return result->outcome == HTTP_ANSWERED && result->status == 200 && !held;
}

static void on_ready(void *arg, const struct http_result *result) {
    struct guard *guard = arg;
    int64_t now_ms = clock_steady_ms(), wait_ms = patience_enable_ms(&guard->patience, now_ms);
    int64_t unknown_ms = guard->recalled ? 0 : guard->began_ms + UNKNOWN_WAIT_MS - now_ms;
    if (result->outcome == HTTP_STOPPED)
        return;
    if (!is_ready(result))
        wait_for_serve(guard);
    else if (wait_ms)
        wait_for_patience(guard, wait_ms);
    else if (unknown_ms > 0)
        wait_for_redis(guard, unknown_ms);
    else
        enable(guard);
}

static void ask_serve(struct guard *guard) {
    const struct http_call call = {.method = "GET",
                                   .url = guard->house->ready_url,
                                   .timeout_ms = READY_PATIENCE_MS,
                                   .connect_timeout_ms = READY_PATIENCE_MS,
                                   .keep_bytes = READY_BYTES_MOST,
                                   .link_local = true}; /* a person named it */
    http_client_send(guard->house->client, &call, on_ready, guard);
}

/* Looking --------------------------------------------------------------------- */

/* What happens until it is enabled again Kula never sends. */
static void tell_disabled(const struct guard *guard) {
    log_error("webhook is disabled at Kula endpoint=%s id=%s failed=%" PRId64 " unproved=%" PRId64,
              guard->wanted->endpoint, guard->id, guard->failed, guard->unproved);
}

/* Perhaps Kula sends nothing; but somebody may mean that. */
static void tell_unknown(const struct guard *guard) {
    log_error("webhook is in a state that is not known, and left in it; if nothing comes, see: "
              "kula-relay webhook enable endpoint=%s id=%s state=%s",
              guard->wanted->endpoint, guard->id,
              *guard->state_told ? guard->state_told : "not told");
}

static void tell_state(struct guard *guard) {
    if (guard->told_state == guard->state)
        return;
    guard->told_state = guard->state;
    guard->told_serve = guard->told_patience = false;
    if (guard->state == KULA_STATE_DISABLED)
        tell_disabled(guard);
    else if (guard->state == KULA_STATE_UNKNOWN)
        tell_unknown(guard);
    else
        log_info("webhook watched endpoint=%s id=%s state=%s", guard->wanted->endpoint, guard->id,
                 kula_state_name(guard->state));
}

/* A guard before us may have been ended before it came to it. */
static bool owes_test(const struct guard *guard) {
    return guard->proof == ENDPOINT_PROOF_OWED && clock_steady_ms() >= guard->test_at_ms;
}

static void on_consulted(void *arg, const struct endpoint_state *state) {
    struct guard *guard = arg;
    hear(guard, state);
    tell_state(guard);
    if (guard->state == KULA_STATE_DISABLED)
        ask_serve(guard);
    else if (owes_test(guard))
        prove(guard);
    else
        reconcile_or_look_later(guard, state->outcome);
}

static void judge(struct guard *guard, const struct kula_webhook *webhook) {
    guard->state = webhook->state;
    free(guard->state_told);
    guard->state_told = text_copy(webhook->state_told);
    consult(guard, on_consulted);
}

static void look(struct guard *guard);

static void on_shown(void *arg, struct kula_answer **place) {
    struct guard *guard = arg;
    if (is_done(guard, "show", *place))
        judge(guard, (*place)->webhooks);
}

static void on_listed(void *arg, struct kula_answer **place) {
    struct guard *guard = arg;
    const struct kula_answer *answer = *place;
    if (!is_done(guard, "list", answer))
        return;
    for (size_t i = 0; i < answer->webhook_count; i++) {
        if (!text_is(answer->webhooks[i].url, guard->wanted->url))
            continue;
        guard->id = text_copy(answer->webhooks[i].id);
        judge(guard, &answer->webhooks[i]);
        return;
    }
    if (answer->more && guard->page < LIST_PAGES_MOST) {
        guard->page++;
        look(guard);
        return;
    }
    log_error("kula has no such webhook endpoint=%s url=%s", guard->wanted->endpoint,
              guard->wanted->url);
    guard->page = 1;
    wait_for(guard, LOOK, LOOKS_FOR_WHAT_IS_NOT_THERE * guard->house->every_ms);
}

static void look(struct guard *guard) {
    if (guard->id)
        kula_api_show(guard->house->api, guard->id, on_shown, guard);
    else
        kula_api_list(guard->house->api, guard->page, on_listed, guard);
}

static void on_timer(void *arg) {
    struct guard *guard = arg;
    switch (guard->step) {
    case LOOK:
        look(guard);
        return;
    case ASK_SERVE:
        consult(guard, on_consulted);
        return;
    case ASK_TEST:
        kula_api_test_result(guard->house->api, guard->id, guard->test_id, on_test, guard);
        return;
    }
}

struct guard *guard_create(struct guard_house *house, const struct config_webhook *wanted) {
    struct guard *guard = memory_new(sizeof *guard);
    guard->house = house;
    guard->wanted = wanted;
    guard->id = wanted->id ? text_copy(text_of(wanted->id)) : NULL;
    guard->page = 1;
    guard->began_ms = clock_steady_ms();
    guard->reconcile_at_ms = guard->began_ms;
    guard->reconcile = reconcile_create(&(struct reconcile_needs){
        .api = house->api,
        .ledger = house->ledger,
        .endpoint = wanted->endpoint,
        .dedup_window_ms = house->dedup_window_ms,
    });
    guard->timer = loop_timer_create(house->loop, on_timer, guard);
    wait_for(guard, LOOK, 0);
    return guard;
}

void guard_destroy(struct guard *guard) {
    if (!guard)
        return;
    loop_timer_destroy(guard->timer);
    reconcile_destroy(guard->reconcile);
    free(guard->id);
    free(guard->state_told);
    free(guard->test_id);
    free(guard);
}
