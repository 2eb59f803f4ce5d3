/* What is settled in one turn of the loop shares a call, and nothing else: each is judged by its
 * own lease, in the order in which it was said, and is told its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "books.h"

enum { MOST = 150 };

struct told {
    struct books *books;
    size_t *waiting;
    bool once;
    enum moves_settled settled;
};

static void on_settled(void *arg, enum moves_settled settled) {
    struct told *told = arg;
    assert_false(told->once);
    told->once = true;
    told->settled = settled;
    if (--*told->waiting == 0)
        told->books->done = true;
}

/* All that is said before `together_await` is said in one turn. */
struct together {
    struct books *books;
    const struct haul *haul;
    struct told told[MOST];
    size_t count, waiting;
};

static void say_with(struct together *together, struct moves_settle what) {
    struct told *told = &together->told[together->count++];
    *told = (struct told){.books = together->books, .waiting = &together->waiting};
    together->waiting++;
    what.reason = "answered";
    what.deadline_ms = BOOKS_DEADLINE_MS;
    moves_settle(together->books->ledger, &what, on_settled, told);
}

static void say(struct together *together, size_t i, enum moves_verdict verdict,
                enum moves_breaker breaker) {
    const struct haul *haul = together->haul;
    say_with(together, (struct moves_settle){.service = haul->service,
                                             .stream_id = text_of(haul->taken[i].stream_id),
                                             .lease = text_of(haul->taken[i].lease),
                                             .event_id = text_of(haul->taken[i].id),
                                             .verdict = verdict,
                                             .delay_ms = 50,
                                             .breaker = breaker,
                                             .probe_in_ms = BOOKS_PROBE_MS});
}

static void together_await(struct together *together) {
    books_await(together->books);
    assert_int_equal(together->waiting, 0);
}

static void assert_told(const struct together *together, size_t i, enum moves_settled settled) {
    assert_true(together->told[i].once);
    assert_int_equal(together->told[i].settled, settled);
}

static long calls(struct books *books) {
    const char *stats = redis_house_say(books->redis, "INFO commandstats");
    const char *of_scripts = strstr(stats, "cmdstat_evalsha:calls=");
    assert_non_null(of_scripts);
    return strtol(strchr(of_scripts, '=') + 1, NULL, 10);
}

static struct haul haul_of(struct books *books, const struct config_service *service, int count) {
    for (int i = 0; i < count; i++) {
        char id[16];
        snprintf(id, sizeof id, "evt_%d", i);
        books_append(books, id, "ping");
    }
    struct haul haul = books_take_for(books, service, (size_t)count, BOOKS_LEASE_MS);
    assert_int_equal(haul.count, count);
    return haul;
}

static void test_what_is_settled_in_one_turn_is_one_call_and_each_is_told_its_own(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    struct haul haul = haul_of(books, &books_crm, 5);
    struct together together = {.books = books, .haul = &haul};
    long before = calls(books);
    say(&together, 0, MOVES_DONE, MOVES_BREAKER_AS_IS);
    say(&together, 1, MOVES_DEFER, MOVES_BREAKER_AS_IS);
    say(&together, 0, MOVES_DONE, MOVES_BREAKER_AS_IS);
    say(&together, 1, MOVES_DEFER, MOVES_BREAKER_AS_IS);
    say(&together, 1, MOVES_DONE, MOVES_BREAKER_AS_IS);
    strcpy(haul.taken[2].lease, "another's");
    say(&together, 2, MOVES_BURY, MOVES_BREAKER_AS_IS);
    together_await(&together);
    assert_int_equal(calls(books) - before, 1);
    assert_told(&together, 0, MOVES_SETTLED);
    assert_told(&together, 1, MOVES_SETTLED);
    assert_told(&together, 2, MOVES_LEASE_LOST);
    assert_told(&together, 3, MOVES_LEASE_LOST); /* the one before gave its lease back */
    assert_told(&together, 4, MOVES_SETTLED);
    assert_told(&together, 5, MOVES_LEASE_LOST);
    struct audit_service crm = books_assert_balances(books);
    assert_int_equal(crm.done, 2);
    assert_int_equal(crm.owed, 3);
}

static void test_a_call_is_for_one_service(void **state) {
    struct books *books = *state;
    struct config_service search = {.name = books_name("search"), .concurrency = 8};
    books_open_service(books, &books_crm);
    books_open_service(books, &search);
    struct haul crms = haul_of(books, &books_crm, 2);
    struct haul theirs = books_take(books, &search);
    struct together together = {.books = books, .haul = &crms};
    long before = calls(books);
    say(&together, 0, MOVES_DONE, MOVES_BREAKER_AS_IS);
    together.haul = &theirs;
    say(&together, 0, MOVES_DEFER, MOVES_BREAKER_AS_IS);
    together.haul = &crms;
    say(&together, 1, MOVES_DONE, MOVES_BREAKER_AS_IS);
    together_await(&together);
    assert_int_equal(calls(books) - before, 2);
    assert_int_equal(books_assert_balances(books).done, 2);
}

static void test_a_call_has_an_end_by_number_by_bytes_and_at_a_burial(void **state) {
    struct books *books = *state;
    static char reason[8000];
    books_open_service(books, &books_crm);
    struct haul haul = haul_of(books, &books_crm, 2);
    struct together together = {.books = books, .haul = &haul};
    long before = calls(books);
    for (int i = 0; i < 130; i++)
        say(&together, 0, MOVES_DONE, MOVES_BREAKER_AS_IS);
    together_await(&together);
    assert_int_equal(calls(books) - before, 3);

    together.count = 0;
    before = calls(books);
    memset(reason, 'x', sizeof reason);
    for (int i = 0; i < 20; i++)
        say_with(&together, (struct moves_settle){.service = "crm",
                                                  .stream_id = text_of(haul.taken[0].stream_id),
                                                  .event_id = text_slice(reason, sizeof reason)});
    together_await(&together);
    assert_int_equal(calls(books) - before, 3);

    together.count = 0;
    before = calls(books);
    say(&together, 1, MOVES_BURY, MOVES_BREAKER_AS_IS);
    say(&together, 1, MOVES_BURY, MOVES_BREAKER_AS_IS);
    together_await(&together);
    assert_int_equal(calls(books) - before, 2);
    assert_int_equal(books_assert_balances(books).dead, 1);
}

static void test_the_breaker_moves_with_each_in_turn(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    struct haul haul = haul_of(books, &books_crm, 4);
    struct together together = {.books = books, .haul = &haul};
    say(&together, 0, MOVES_DEFER, MOVES_BREAKER_OPENS);
    say(&together, 1, MOVES_DEFER, MOVES_BREAKER_STAYS);
    say(&together, 2, MOVES_DEFER, MOVES_BREAKER_STAYS);
    together_await(&together);
    haul = books_take(books, &books_crm);
    assert_true(haul.haul.breaker_open);
    assert_int_equal(haul.haul.breaker_probes, 2);
}

static void test_what_redis_refuses_of_one_leaves_the_others_alone(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    struct haul haul = haul_of(books, &books_crm, 3);
    struct together together = {.books = books, .haul = &haul};
    books_say(books, "SET kula:dead:crm no-stream");
    say(&together, 0, MOVES_DONE, MOVES_BREAKER_AS_IS);
    say(&together, 1, MOVES_BURY, MOVES_BREAKER_AS_IS);
    say(&together, 2, MOVES_DONE, MOVES_BREAKER_AS_IS);
    together_await(&together);
    assert_told(&together, 0, MOVES_SETTLED);
    assert_told(&together, 1, MOVES_UNSETTLED);
    assert_told(&together, 2, MOVES_SETTLED);
    books_say(books, "DEL kula:dead:crm");
    assert_int_equal(books_assert_balances(books).owed, 1);
}

static void test_what_was_said_to_a_redis_that_dies_is_settled_once_by_the_next(void **state) {
    static const char *const on_disk[] = {"--appendonly", "yes", "--appendfsync", "always", NULL};
    struct books *books = *state;
    redis_house_stop(books->redis);
    ledger_destroy(books->ledger);
    struct string why = {0};
    books->redis = redis_house_start(on_disk);
    free(books->config.redis.url);
    books->config.redis.url = strdup(redis_house_url(books->redis));
    books->ledger = ledger_create(books->loop, &books->config, "test", NULL, NULL, &why);
    books_open_service(books, &books_crm);
    struct haul haul = haul_of(books, &books_crm, 20);
    struct together together = {.books = books, .haul = &haul};
    redis_house_pause(books->redis);
    for (size_t i = 0; i < haul.count; i++)
        say(&together, i, i % 2 ? MOVES_DEFER : MOVES_DONE, MOVES_BREAKER_AS_IS);
    loop_turn(books->loop);
    redis_house_restart(books->redis);
    together_await(&together);
    for (size_t i = 0; i < haul.count; i++)
        assert_int_not_equal(together.told[i].settled, MOVES_UNSETTLED);
    struct audit_service crm = books_assert_balances(books);
    assert_int_equal(crm.done, 10);
    assert_int_equal(crm.owed, 10);
}

static void test_what_is_not_sent_yet_goes_with_the_ledger(void **state) {
    struct books *books = *state;
    struct config_service search = {.name = books_name("search"), .concurrency = 8};
    books_open_service(books, &books_crm);
    books_open_service(books, &search);
    struct haul haul = haul_of(books, &books_crm, 1);
    struct together together = {.books = books, .haul = &haul};
    say(&together, 0, MOVES_DONE, MOVES_BREAKER_AS_IS);
    haul.service = "search";
    say(&together, 0, MOVES_DONE, MOVES_BREAKER_AS_IS);
    ledger_destroy(books->ledger);
    books->ledger = NULL;
    assert_int_equal(together.waiting, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, books_set_up, books_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_settled_in_one_turn_is_one_call_and_each_is_told_its_own),
        TEST(test_a_call_is_for_one_service),
        TEST(test_a_call_has_an_end_by_number_by_bytes_and_at_a_burial),
        TEST(test_the_breaker_moves_with_each_in_turn),
        TEST(test_what_redis_refuses_of_one_leaves_the_others_alone),
        TEST(test_what_was_said_to_a_redis_that_dies_is_settled_once_by_the_next),
        TEST(test_what_is_not_sent_yet_goes_with_the_ledger),
    };
    return cmocka_run_group_tests_name("settles", tests, NULL, NULL);
}
