/* What keeps a service in trouble from its events, and an event from its service. */
#include <stdio.h>
#include <string.h>

#include "books.h"

/* Nothing is handed out before the next probe's time: takes until it is there. */
static struct haul take_probe(struct books *books) {
    struct haul haul;
    do
        haul = books_take(books, &books_crm);
    while (!haul.count && haul.haul.held_for_ms);
    assert_int_equal(haul.count, 1);
    assert_true(haul.haul.probe && haul.haul.breaker_open);
    return haul;
}

static void settle_probe(struct books *books, const struct haul *haul, enum moves_verdict verdict) {
    bool well = verdict == MOVES_DONE;
    assert_int_equal(books_settle_breaker(books, haul, 0, haul->taken[0].lease, verdict,
                                          well ? MOVES_BREAKER_CLOSES : MOVES_BREAKER_STAYS),
                     MOVES_SETTLED);
}

/* Two owed events and four unread ones, behind an open breaker. */
static void open_breaker(struct books *books) {
    static const char *const ids[] = {"evt_1", "evt_2", "evt_3", "evt_4", "evt_5", "evt_6"};
    books_open_service(books, &books_crm);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        books_append(books, ids[i], "ping");
    struct haul haul = books_take_for(books, &books_crm, 2, BOOKS_LEASE_MS);
    books_settle(books, &haul, 0, MOVES_DEFER);
    books_settle_breaker(books, &haul, 1, haul.taken[1].lease, MOVES_DEFER, MOVES_BREAKER_OPENS);
}

static void test_an_open_breaker_hands_out_one_probe_at_a_time_in_turn_due_and_new(void **state) {
    static const char *const turns[] = {"evt_3", "evt_1", "evt_4", "evt_2"};
    struct books *books = *state;
    open_breaker(books);
    struct haul haul = books_take(books, &books_crm);
    assert_int_equal(haul.count, 0);
    assert_in_range(haul.haul.held_for_ms, 1, BOOKS_PROBE_MS);
    assert_true(haul.haul.breaker_open);
    for (size_t i = 0; i < sizeof turns / sizeof *turns; i++) {
        haul = take_probe(books);
        assert_string_equal(haul.taken[0].id, turns[i]);
        assert_int_equal(haul.haul.breaker_probes, i);
        /* Nobody else gets one while this one is on its way. */
        assert_int_equal(books_take(books, &books_crm).count, 0);
        settle_probe(books, &haul, MOVES_DEFER);
    }
    assert_int_equal(books_take(books, &books_crm).haul.owed, 4);
    books_assert_balances(books);
}

static void test_a_probe_that_goes_well_closes_the_breaker_for_all(void **state) {
    struct books *books = *state;
    open_breaker(books);
    struct haul haul = take_probe(books);
    settle_probe(books, &haul, MOVES_DONE);
    haul = books_take(books, &books_crm);
    assert_false(haul.haul.breaker_open);
    assert_int_equal(haul.haul.held_for_ms, 0);
    assert_int_equal(haul.count, 5);
    assert_string_equal(redis_house_say(books->redis, "HEXISTS kula:service:crm probe_at"),
                        ":0\r\n");
}

static void test_another_probe_follows_when_the_prober_has_died(void **state) {
    struct books *books = *state;
    open_breaker(books);
    struct haul dead;
    do
        dead = books_take_for(books, &books_crm, 8, 30);
    while (!dead.count);
    struct haul alive = take_probe(books);
    settle_probe(books, &alive, MOVES_DONE);
    assert_false(books_take(books, &books_crm).haul.breaker_open);
}

static void test_a_breaker_that_is_open_is_not_opened_again(void **state) {
    struct books *books = *state;
    open_breaker(books);
    struct haul haul = take_probe(books);
    settle_probe(books, &haul, MOVES_DEFER);
    haul = take_probe(books);
    books_settle_breaker(books, &haul, 0, haul.taken[0].lease, MOVES_DEFER, MOVES_BREAKER_OPENS);
    assert_int_equal(books_take(books, &books_crm).haul.breaker_probes, 1);
}

static void test_retries_get_no_more_slots_than_they_may_have(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    for (int i = 0; i < 4; i++)
        books_append(books, (const char *[]){"a", "b", "c", "d"}[i], "ping");
    books_take_for(books, &books_crm, 3, 1);
    struct haul haul;
    do /* until all three are due */
        haul = books_take_as(books, &(struct moves_take){&books_crm, 0, 0, BOOKS_LEASE_MS,
                                                         BOOKS_OWED_MOST_MS, BOOKS_DEADLINE_MS});
    while (haul.haul.next_due_in_ms);
    haul = books_take_as(books, &(struct moves_take){&books_crm, 3, 1, BOOKS_LEASE_MS,
                                                     BOOKS_OWED_MOST_MS, BOOKS_DEADLINE_MS});
    assert_int_equal(haul.count, 2);
    assert_true(strcmp(haul.taken[0].id, "d") == 0 || strcmp(haul.taken[1].id, "d") == 0);
    assert_int_equal(haul.haul.next_due_in_ms, 0);
}

static void test_what_is_handed_out_ten_times_and_never_settled_is_dead(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    books_append(books, "evt_1", "ping");
    struct haul haul;
    int handed_out = 0;
    do {
        haul = books_take_for(books, &books_crm, 8, 1);
        handed_out += (int)haul.count;
    } while (!haul.haul.poisonous);
    assert_int_equal(handed_out, 10);
    assert_int_equal(haul.haul.poisonous, 1);
    assert_int_equal(haul.haul.owed, 0);
    struct letters letters = books_dead_letters(books);
    assert_string_equal(letters.reason, "handed out 10 times and never tried to the end");
    assert_int_equal(letters.tries, 0);
    books_assert_balances(books);
}

static void test_what_is_tried_to_its_end_is_no_poison_however_often(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    books_append(books, "evt_1", "ping");
    for (int tries = 0; tries < 15; tries++) {
        struct haul haul = books_take_when_due(books);
        assert_int_equal(haul.taken[0].attempts, tries);
        books_settle(books, &haul, 0, MOVES_DEFER);
    }
    books_assert_balances(books);
}

static struct haul take_with_retention(struct books *books, int64_t owed_most_ms) {
    return books_take_as(books, &(struct moves_take){&books_crm, 8, 8, BOOKS_LEASE_MS, owed_most_ms,
                                                     BOOKS_DEADLINE_MS});
}

static void test_what_is_owed_for_longer_than_the_retention_is_dead(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    books_append(books, "evt_1", "ping");
    struct haul haul = books_take(books, &books_crm);
    books_settle(books, &haul, 0, MOVES_DEFER);
    books_append(books, "evt_2", "ping"); /* never tried: that one is not old */
    books_take_for(books, &books_crm, 1, 1);
    do
        haul = take_with_retention(books, 20);
    while (!haul.haul.expired);
    assert_int_equal(haul.haul.expired, 1);
    assert_int_equal(haul.haul.owed, 1);
    struct letters letters = books_dead_letters(books);
    assert_int_equal(letters.count, 1);
    assert_string_equal(letters.id, "evt_1");
    assert_string_equal(letters.reason, "owed for longer than forward.retention.events");
    books_assert_balances(books);
}

static void test_what_is_owed_ages_behind_an_open_breaker_too(void **state) {
    struct books *books = *state;
    open_breaker(books);
    books_say(books,
              "HSET kula:service:crm held_until 99999999999999"); /* beyond an hour: no hold */
    books_say(books, "HSET kula:service:crm paused 1");
    int64_t expired = 0;
    while (expired < 2) {
        struct haul haul = take_with_retention(books, 20);
        assert_int_equal(haul.count, 0);
        assert_true(haul.haul.paused && haul.haul.held_for_ms > 0);
        expired += haul.haul.expired;
    }
    assert_int_equal(books_assert_balances(books).unread, 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, books_set_up, books_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_an_open_breaker_hands_out_one_probe_at_a_time_in_turn_due_and_new),
        TEST(test_a_probe_that_goes_well_closes_the_breaker_for_all),
        TEST(test_another_probe_follows_when_the_prober_has_died),
        TEST(test_a_breaker_that_is_open_is_not_opened_again),
        TEST(test_retries_get_no_more_slots_than_they_may_have),
        TEST(test_what_is_handed_out_ten_times_and_never_settled_is_dead),
        TEST(test_what_is_tried_to_its_end_is_no_poison_however_often),
        TEST(test_what_is_owed_for_longer_than_the_retention_is_dead),
        TEST(test_what_is_owed_ages_behind_an_open_breaker_too),
    };
    return cmocka_run_group_tests_name("ledger_pacing", tests, NULL, NULL);
}
