/* How an endpoint is doing, as Redis keeps it: what fails, what is missed, what watchers saw. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "books.h"
#include "ledger/endpoint_alarm.h"

enum { MINUTE_MS = 60000, HOUR_MS = 3600000 };

struct heard {
    struct books *books;
    struct endpoint_state state; /* its webhooks are the first one's, kept here */
    struct endpoint_webhook webhook;
    char word[BOOKS_KEPT];
};

static void on_state(void *arg, const struct endpoint_state *state) {
    struct heard *heard = arg;
    heard->state = *state;
    if (state->webhook_count) {
        heard->webhook = state->webhooks[0];
        books_keep(heard->word, state->webhooks[0].state);
    }
    heard->books->done = true;
}

static struct heard look(struct books *books) {
    struct heard heard = {.books = books};
    endpoint_look(books->ledger, "kula", on_state, &heard);
    books_await(books);
    assert_int_equal(heard.state.outcome, LEDGER_DONE);
    return heard;
}

static struct heard report(struct books *books, const char *run, int64_t accepted,
                           const struct endpoint_count *counts, size_t count) {
    struct heard heard = {.books = books};
    endpoint_report(
        books->ledger,
        &(struct endpoint_report){
            .endpoint = "kula", .run = run, .accepted = accepted, .counts = counts, .count = count},
        on_state, &heard);
    books_await(books);
    assert_int_equal(heard.state.outcome, LEDGER_DONE);
    return heard;
}

static struct heard watch(struct books *books, const char *state, enum endpoint_proof proof,
                          const int64_t *ago_ms, size_t count) {
    struct heard heard = {.books = books};
    endpoint_watch(books->ledger,
                   &(struct endpoint_watched){.endpoint = "kula",
                                              .id = "wh:1",
                                              .state = state,
                                              .proof = proof,
                                              .enabled_ago_ms = ago_ms,
                                              .enabled_count = count},
                   on_state, &heard);
    books_await(books);
    assert_int_equal(heard.state.outcome, LEDGER_DONE);
    return heard;
}

static int64_t redis_now_s(struct books *books) {
    const char *reply = redis_house_say(books->redis, "TIME");
    return strtoll(strchr(strchr(reply, '$'), '\n') + 1, NULL, 10);
}

/* ---- What fails ---- */

static void test_failures_of_all_runs_are_summed_and_said_twice_is_said_once(void **state) {
    struct books *books = *state;
    const struct endpoint_count ours[] = {
        {ENDPOINT_FAILED, 0, 3, HOUR_MS},
        {ENDPOINT_FAILED, 4, 1, 0},
        {ENDPOINT_UNPROVED, 4, 7, 0},
    };
    const struct endpoint_count grown[] = {{ENDPOINT_FAILED, 4, 2, MINUTE_MS}};
    report(books, "one", 0, ours, 3);
    struct heard heard = report(books, "one", 0, ours, 3);
    assert_int_equal(heard.state.failures[ENDPOINT_FAILED], 4);
    assert_int_equal(heard.state.failures[ENDPOINT_UNPROVED], 7);
    report(books, "one", 0, grown, 1);
    heard = report(books, "two", 0, ours, 1);
    assert_int_equal(heard.state.failures[ENDPOINT_FAILED], 8);
    assert_int_equal(look(books).state.failures[ENDPOINT_FAILED], 8);
}

static void test_after_a_day_they_count_no_longer_and_go(void **state) {
    struct books *books = *state;
    enum { DAY_MS = 24 * HOUR_MS };
    const struct endpoint_count counts[] = {
        {ENDPOINT_FAILED, 0, 5, DAY_MS + ENDPOINT_PART_MS + MINUTE_MS},
        {ENDPOINT_FAILED, 1, 2,
         DAY_MS + MINUTE_MS}, /* it began a day ago, and had a quarter to go */
    };
    books_say(books, "HSET kula:endpoint:kula appended 12");
    assert_int_equal(report(books, "one", 0, counts, 2).state.failures[ENDPOINT_FAILED], 2);
    assert_string_equal(redis_house_say(books->redis, "HLEN kula:endpoint:kula"), ":2\r\n");
    assert_string_equal(redis_house_say(books->redis, "HGET kula:endpoint:kula appended"),
                        "$2\r\n12\r\n");
}

static void test_a_clock_of_redis_that_went_back_leaves_nothing_for_ever(void **state) {
    struct books *books = *state;
    const struct endpoint_count counts[] = {{ENDPOINT_FAILED, 0, 5, 0}};
    books_say(books, "HSET kula:endpoint:kula failed:one:0 5@%lld",
              (long long)redis_now_s(books) + 86400 * 365);
    assert_int_equal(look(books).state.failures[ENDPOINT_FAILED], 0);
    report(books, "one", 0, NULL, 0);
    assert_int_equal(report(books, "one", 0, counts, 1).state.failures[ENDPOINT_FAILED], 5);
}

static void test_what_redis_forgot_it_hears_again(void **state) {
    struct books *books = *state;
    const struct endpoint_count counts[] = {{ENDPOINT_FAILED, 0, 5, 0}};
    report(books, "one", 0, counts, 1);
    books_say(books, "FLUSHALL");
    assert_int_equal(report(books, "one", 0, counts, 1).state.failures[ENDPOINT_FAILED], 5);
}

/* ---- Silence ---- */

/* So many an hour a week ago, and the last event so long ago. */
static struct heard silence(struct books *books, int an_hour, int64_t weeks_ago, int64_t silent_h) {
    int64_t now_s = redis_now_s(books), hour = now_s / 3600;
    books_say(books, "DEL kula:rhythm:kula");
    books_say(books, "HSET kula:rhythm:kula last %lld", (long long)(now_s - silent_h * 3600));
    for (int64_t i = 0; i < 168; i++)
        books_say(books, "HSET kula:rhythm:kula %lld %d@%lld", (long long)((hour - i) % 168),
                  an_hour, (long long)(hour - i - 168 * weeks_ago));
    return look(books);
}

static void test_silence_is_what_lasts_longer_than_twenty_events_usually_do(void **state) {
    static const struct {
        int64_t an_hour, weeks_ago, silent_h;
        bool silent;
    } cases[] = {
        {10, 1, 0, false},   {10, 1, 1, false}, {10, 1, 4, true},
        {1000, 1, 1, false}, /* one hour of a thousand is ten, and no silence yet */
        {1, 1, 19, false},   {1, 1, 22, true},  {0, 1, 60, false}, /* a weekend, as every week */
        {10, 3, 60, false}, /* nobody remembers what was usual */
        {10, 0, 60, false}, /* of this week itself nothing is learned */
    };
    struct books *books = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct heard heard =
            silence(books, (int)cases[i].an_hour, cases[i].weeks_ago, cases[i].silent_h);
        assert_true(heard.state.silent_ms / HOUR_MS == cases[i].silent_h);
        if (endpoint_is_silent(&heard.state) != cases[i].silent)
            fail_msg("case %zu: usual %lld", i, (long long)heard.state.usual);
    }
}

static void test_an_event_ends_it_and_is_learned_from(void **state) {
    struct books *books = *state;
    char ask[64];
    struct heard heard = silence(books, 10, 1, 5);
    assert_true(endpoint_is_silent(&heard.state));
    heard = report(books, "one", 3, NULL, 0);
    int64_t hour = redis_now_s(books) / 3600;
    assert_false(endpoint_is_silent(&heard.state));
    assert_true(heard.state.silent_ms < MINUTE_MS);
    report(books, "two", 4, NULL, 0);
    snprintf(ask, sizeof ask, "HGET kula:rhythm:kula %lld", (long long)(hour % 168));
    const char *slot = redis_house_say(books->redis, ask);
    assert_true(strstr(slot, "7@") || redis_now_s(books) / 3600 != hour);
}

static void test_an_endpoint_that_never_had_an_event_is_not_silent(void **state) {
    struct heard heard = look(*state);
    assert_int_equal(heard.state.silent_ms, -1);
    assert_false(endpoint_is_silent(&heard.state));
}

/* ---- What watchers saw ---- */

static void test_what_was_enabled_is_known_to_the_next_watcher(void **state) {
    struct books *books = *state;
    const int64_t first[] = {5 * HOUR_MS}, second[] = {MINUTE_MS, 5 * HOUR_MS};
    watch(books, "disabled", ENDPOINT_PROOF_NONE, NULL, 0);
    watch(books, "disabled", ENDPOINT_PROOF_OWED, first, 1);
    struct heard heard = watch(books, "active", ENDPOINT_PROOF_NONE, second, 2);
    assert_string_equal(heard.word, "active");
    assert_int_equal(heard.webhook.proof, ENDPOINT_PROOF_OWED);
    heard = watch(books, "", ENDPOINT_PROOF_GOOD, NULL, 0);
    assert_string_equal(heard.word, "active");
    assert_int_equal(heard.webhook.proof, ENDPOINT_PROOF_GOOD);
    assert_int_equal(heard.webhook.enabled_count, 2);
    assert_int_equal(heard.webhook.enabled_ago_ms[0] / 10000, MINUTE_MS / 10000);
    assert_int_equal(heard.webhook.enabled_ago_ms[1] / 10000, 5 * HOUR_MS / 10000);
}

static void test_the_last_ten_are_kept_and_none_older_than_a_day(void **state) {
    struct books *books = *state;
    int64_t ago_ms[14];
    for (int i = 0; i < 14; i++)
        ago_ms[i] = (i + 1) * (int64_t)2 * HOUR_MS; /* the last two of them a day ago and more */
    struct heard heard = watch(books, "active", ENDPOINT_PROOF_GOOD, ago_ms + 4, 10);
    assert_int_equal(heard.webhook.enabled_count, 8);
    heard = watch(books, "active", ENDPOINT_PROOF_GOOD, ago_ms, 10);
    assert_int_equal(heard.webhook.enabled_count, ENDPOINT_ENABLED_MOST);
    assert_int_equal(heard.webhook.enabled_ago_ms[0] / HOUR_MS, 2);
    assert_int_equal(heard.webhook.enabled_ago_ms[9] / HOUR_MS, 20);
}

static void test_a_webhook_that_nobody_watches_any_more_is_forgotten(void **state) {
    struct books *books = *state;
    books_say(books, "HSET kula:endpoint:kula webhook:old disabled_none_@%lld",
              (long long)redis_now_s(books) - 2 * 86400);
    assert_int_equal(look(books).state.webhook_count, 0);
    report(books, "one", 0, NULL, 0);
    assert_string_equal(redis_house_say(books->redis, "HLEN kula:endpoint:kula"), ":0\r\n");
}

static void test_what_somebody_else_wrote_there_is_passed_over(void **state) {
    struct books *books = *state;
    long long now_s = (long long)redis_now_s(books);
    books_say(books,
              "HSET kula:endpoint:kula failed:one:0 many@%lld webhook:x y@%lld failed:1 7 z 1",
              now_s, now_s);
    struct heard heard = look(books);
    assert_int_equal(heard.state.failures[ENDPOINT_FAILED], 0);
    assert_int_equal(heard.state.webhook_count, 1);
    assert_string_equal(heard.word, "unknown");
}

/* ---- When a line is due ---- */

static void test_a_crossing_is_told_once_and_again_after_a_fall(void **state) {
    static const struct {
        int64_t failed;
        enum endpoint_level level;
    } cases[] = {{0, ENDPOINT_CALM},     {9, ENDPOINT_CALM},   {10, ENDPOINT_WARNING},
                 {17, ENDPOINT_WARNING}, {18, ENDPOINT_ALARM}, {100, ENDPOINT_ALARM}};
    struct endpoint_alarm told = {0};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct endpoint_state now = {.failures = {[ENDPOINT_FAILED] = cases[i].failed}};
        assert_int_equal(endpoint_level_of(cases[i].failed), cases[i].level);
        endpoint_alarm_tell(&told, "kula", &now);
        assert_int_equal(told.levels[ENDPOINT_FAILED], cases[i].level);
    }
    endpoint_alarm_tell(&told, "kula", &(struct endpoint_state){.failures = {3, 0}});
    assert_int_equal(told.levels[ENDPOINT_FAILED], ENDPOINT_CALM);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, books_set_up, books_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_failures_of_all_runs_are_summed_and_said_twice_is_said_once),
        TEST(test_after_a_day_they_count_no_longer_and_go),
        TEST(test_a_clock_of_redis_that_went_back_leaves_nothing_for_ever),
        TEST(test_what_redis_forgot_it_hears_again),
        TEST(test_silence_is_what_lasts_longer_than_twenty_events_usually_do),
        TEST(test_an_event_ends_it_and_is_learned_from),
        TEST(test_an_endpoint_that_never_had_an_event_is_not_silent),
        TEST(test_what_was_enabled_is_known_to_the_next_watcher),
        TEST(test_the_last_ten_are_kept_and_none_older_than_a_day),
        TEST(test_a_webhook_that_nobody_watches_any_more_is_forgotten),
        TEST(test_what_somebody_else_wrote_there_is_passed_over),
        cmocka_unit_test(test_a_crossing_is_told_once_and_again_after_a_fall),
    };
    return cmocka_run_group_tests_name("endpoint", tests, NULL, NULL);
}
