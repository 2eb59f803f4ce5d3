#include "watch/guard.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "watch/patience.h"

enum {
    READY_EVERY_MS = 5000, /* while it is disabled: asks serve only, not Kula */
    READY_PATIENCE_MS = 5000,
    TEST_FIRST_MS = 300,
    TEST_EVERY_MS = 2000,
    TEST_LOOKS_MOST = 16,
    LOOKS_FOR_WHAT_IS_NOT_THERE = 10, /* it costs as many requests as a look that finds it */
};

/* What is asked when the timer fires. */
enum step { LOOK, ASK_SERVE, ASK_TEST };

struct guard {
    const struct guard_house *house;
    const struct config_webhook *wanted;
    char *id; /* NULL: not known yet, it is looked for by its URL */
    int64_t page;
    enum step step;
    struct loop_timer *timer;
    enum kula_state state; /* at the last look */
    struct patience patience;
    bool told_serve, told_patience; /* once for each time that it is disabled */
    char *test_id;
    int test_looks;
};

static void wait_for(struct guard *guard, enum step step, int64_t in_ms) {
    guard->step = step;
    loop_timer_set(guard->timer, in_ms);
}

static void look_later(struct guard *guard) {
    struct kula_api_limit limit = kula_api_limit(guard->house->api);
    wait_for(guard, LOOK,
             patience_look_ms(guard->house->every_ms,
                              (struct patience_limit){limit.remaining, limit.reset_s},
                              guard->house->guards, clock_wall_ms() / 1000));
}

/* It may have been deleted and made again: then it has another id, and the same URL. */
static void forget_id(struct guard *guard) {
    guard->page = 1;
    guard->state = KULA_STATE_UNKNOWN;
    if (guard->wanted->id)
        return;
    free(guard->id);
    guard->id = NULL;
}

/* False, with the next look on its way, where Kula did not do what was asked. */
static bool is_done(struct guard *guard, const char *what, const struct kula_answer *answer) {
    if (answer->outcome == KULA_DONE)
        return true;
    if (answer->outcome == KULA_STOPPED)
        return false;
    log_warning("kula refuses or does not answer what=%s endpoint=%s outcome=%s problem=%s", what,
                guard->wanted->endpoint, kula_outcome_name(answer->outcome), answer->problem.data);
    if (answer->outcome == KULA_MISSING)
        forget_id(guard);
    if (answer->outcome == KULA_LIMITED)
        wait_for(guard, LOOK, answer->retry_after_ms);
    else if (answer->outcome == KULA_MISSING && guard->id)
        wait_for(guard, LOOK, LOOKS_FOR_WHAT_IS_NOT_THERE * guard->house->every_ms);
    else
        look_later(guard);
    return false;
}

/* Proving ------------------------------------------------------------------- */

static void on_test(void *arg, struct kula_answer **place) {
    struct guard *guard = arg;
    const struct kula_answer *answer = *place;
    if (!is_done(guard, "test", answer))
        return;
    const struct kula_test *test = &answer->test;
    free(guard->test_id);
    guard->test_id = text_copy(test->id);
    if (text_is(test->status, "pending") && guard->test_looks < TEST_LOOKS_MOST) {
        wait_for(guard, ASK_TEST, guard->test_looks++ ? TEST_EVERY_MS : TEST_FIRST_MS);
        return;
    }
    if (text_is(test->status, "delivered"))
        log_info("webhook proved endpoint=%s id=%s ms=%" PRId64, guard->wanted->endpoint, guard->id,
                 test->response_time_ms);
    else
        log_error("webhook enabled, but its test is not delivered endpoint=%s id=%s status=%.*s "
                  "answer=%" PRId64,
                  guard->wanted->endpoint, guard->id, TEXT_ARG(test->status), test->response_code);
    look_later(guard);
}

static void on_enabled(void *arg, struct kula_answer **place) {
    struct guard *guard = arg;
    if (!is_done(guard, "enable", *place))
        return;
    log_info("webhook enabled endpoint=%s id=%s", guard->wanted->endpoint, guard->id);
    guard->state = KULA_STATE_UNKNOWN;
    guard->test_looks = 0;
    kula_api_test(guard->house->api, guard->id, on_test, guard);
}

/* Is serve ready? ------------------------------------------------------------ */

static void on_ready(void *arg, const struct http_result *result) {
    struct guard *guard = arg;
    int64_t wait_ms = patience_enable_ms(&guard->patience, clock_wall_ms());
    if (result->outcome == HTTP_STOPPED)
        return;
    if (result->outcome != HTTP_ANSWERED || result->status != 200) {
        if (!guard->told_serve)
            log_warning("serve is not ready, the webhook stays disabled endpoint=%s url=%s",
                        guard->wanted->endpoint, guard->house->ready_url);
        guard->told_serve = true;
        wait_for(guard, ASK_SERVE, READY_EVERY_MS);
    } else if (wait_ms) {
        if (!guard->told_patience)
            log_error(
                "webhook was enabled too often of late, and waits endpoint=%s id=%s ms=%" PRId64,
                guard->wanted->endpoint, guard->id, wait_ms);
        guard->told_patience = true;
        wait_for(guard, ASK_SERVE, wait_ms);
    } else {
        /* Before the answer: one that is lost counts too. */
        patience_note_enabled(&guard->patience, clock_wall_ms());
        kula_api_enable(guard->house->api, guard->id, on_enabled, guard);
    }
}

static void ask_serve(struct guard *guard) {
    const struct http_call call = {.method = "GET",
                                   .url = guard->house->ready_url,
                                   .timeout_ms = READY_PATIENCE_MS,
                                   .connect_timeout_ms = READY_PATIENCE_MS,
                                   .link_local = true}; /* a person named it */
    http_client_send(guard->house->client, &call, on_ready, guard);
}

/* Looking --------------------------------------------------------------------- */

static void judge(struct guard *guard, const struct kula_webhook *webhook) {
    bool changed = webhook->state != guard->state;
    guard->state = webhook->state;
    if (webhook->state != KULA_STATE_DISABLED) {
        if (changed)
            log_info("webhook watched endpoint=%s id=%s state=%s", guard->wanted->endpoint,
                     guard->id, kula_state_name(webhook->state));
        look_later(guard);
        return;
    }
    /* What happens until it is enabled again Kula never sends. */
    if (changed)
        log_error("webhook is disabled at Kula endpoint=%s id=%s", guard->wanted->endpoint,
                  guard->id);
    guard->told_serve = guard->told_patience = false;
    ask_serve(guard);
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
    if (answer->more) {
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
        ask_serve(guard);
        return;
    case ASK_TEST:
        kula_api_test_result(guard->house->api, guard->id, guard->test_id, on_test, guard);
        return;
    }
}

struct guard *guard_create(const struct guard_house *house, const struct config_webhook *wanted) {
    struct guard *guard = memory_new(sizeof *guard);
    guard->house = house;
    guard->wanted = wanted;
    guard->id = wanted->id ? text_copy(text_of(wanted->id)) : NULL;
    guard->page = 1;
    guard->timer = loop_timer_create(house->loop, on_timer, guard);
    wait_for(guard, LOOK, 0);
    return guard;
}

void guard_destroy(struct guard *guard) {
    if (!guard)
        return;
    loop_timer_destroy(guard->timer);
    free(guard->id);
    free(guard->test_id);
    free(guard);
}
