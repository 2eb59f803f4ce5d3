/* What stands in the ledger when Redis' clock was set back: times so late that nobody can have
 * meant them. */
#include <inttypes.h>

#include "books.h"

enum { SOON_MS = 30, HALF_AN_HOUR_MS = 1800000, DAY_MS = 86400000 };
static const char TOMORROW[] = "99999999999999";

static int64_t now_ms(struct books *books) {
    return books_take_for(books, &books_crm, 0, BOOKS_LEASE_MS).haul.now_ms;
}

static struct haul take_one(struct books *books) {
    books_open_service(books, &books_crm);
    books_append(books, "evt_1", "ping");
    struct haul haul = books_take(books, &books_crm);
    assert_int_equal(haul.count, 1);
    return haul;
}

static void test_what_would_be_due_a_day_late_is_due_when_a_lease_would_end(void **state) {
    struct books *books = *state;
    struct haul haul = take_one(books);
    const char *id = haul.taken[0].stream_id;
    books_say(books, "ZADD kula:due:crm %" PRId64 " %s", now_ms(books) + DAY_MS, id);
    books_heal_as(books,
                  &(struct moves_heal){"crm", SOON_MS, BOOKS_DUE_MOST_MS, BOOKS_DEADLINE_MS});
    assert_in_range(books_take_for(books, &books_crm, 0, 1).haul.next_due_in_ms, 0, SOON_MS);
    assert_string_equal(books_take_when_due(books).taken[0].id, "evt_1");
    books_assert_balances(books);
}

static void test_what_may_be_due_so_late_keeps_its_time(void **state) {
    struct books *books = *state;
    struct haul haul = take_one(books);
    books_say(books, "ZADD kula:due:crm %" PRId64 " %s", now_ms(books) + HALF_AN_HOUR_MS,
              haul.taken[0].stream_id);
    books_heal_as(books,
                  &(struct moves_heal){"crm", SOON_MS, BOOKS_DUE_MOST_MS, BOOKS_DEADLINE_MS});
    assert_in_range(books_take_for(books, &books_crm, 0, 1).haul.next_due_in_ms,
                    HALF_AN_HOUR_MS / 2, HALF_AN_HOUR_MS);
}

static void test_a_first_attempt_of_tomorrow_was_made_now_and_is_given_up_in_time(void **state) {
    struct books *books = *state;
    struct haul haul = take_one(books);
    books_say(books, "HSET kula:owed:crm %s \"%s 1 %s %s answered\"", haul.taken[0].stream_id,
              haul.taken[0].lease, TOMORROW, TOMORROW);
    int64_t before_ms = now_ms(books);
    assert_int_equal(books_settle(books, &haul, 0, MOVES_DEFER), MOVES_SETTLED);
    haul = books_take_when_due(books);
    assert_int_equal(haul.taken[0].attempts, 2);
    assert_in_range(haul.taken[0].first_ms, before_ms, haul.haul.now_ms);
}

static void test_a_pause_is_kept_though_one_of_tomorrow_is_noted(void **state) {
    struct books *books = *state;
    struct haul haul = take_one(books);
    books_say(books, "HSET kula:service:crm held_until %s", TOMORROW);
    assert_int_equal(
        books_settle_as(books, &(struct moves_settle){.service = "crm",
                                                      .stream_id = text_of(haul.taken[0].stream_id),
                                                      .lease = text_of(haul.taken[0].lease),
                                                      .event_id = text_of("evt_1"),
                                                      .verdict = MOVES_DEFER,
                                                      .delay_ms = 1,
                                                      .hold_ms = HALF_AN_HOUR_MS,
                                                      .reason = "answered",
                                                      .status = 503,
                                                      .deadline_ms = BOOKS_DEADLINE_MS}),
        MOVES_SETTLED);
    assert_in_range(books_take(books, &books_crm).haul.held_for_ms, 1, HALF_AN_HOUR_MS);
}

static void test_a_probe_waits_no_longer_than_any_may(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    books_append(books, "evt_1", "ping");
    books_say(books, "HSET kula:service:crm breaker open probes 1 probe_at %" PRId64,
              now_ms(books) + HALF_AN_HOUR_MS);
    struct haul haul = books_take(books, &books_crm);
    assert_int_equal(haul.count, 1);
    assert_true(haul.haul.probe);
}

static void test_a_dead_owner_is_waited_for_no_longer_than_any_may_own(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    books_append(books, "evt_1", "ping");
    books_say(books, "HSET kula:service:crm owner dead owner_until %" PRId64,
              now_ms(books) + HALF_AN_HOUR_MS);
    assert_int_equal(books_take(books, &books_crm).count, 1);
}

/* Redis failed over, lost its newest entries, and its clock is behind. */
static void lose_all_and_add_under_its_id(struct books *books, const char *stream_id,
                                          const char *id) {
    books_say(books, "DEL kula:events kula:owed:crm kula:due:crm");
    books_say(books, "HSET kula:places crm 0-0");
    books_say(books, "XADD kula:events %s id %s type ping endpoint kula body {}", stream_id, id);
    books_heal(books, "crm");
}

static void test_what_was_delivered_is_not_another_event_that_has_its_stream_id_now(void **state) {
    struct books *books = *state;
    struct haul lost = take_one(books);
    lose_all_and_add_under_its_id(books, lost.taken[0].stream_id, "evt_2");
    struct haul haul = books_take(books, &books_crm);
    assert_string_equal(haul.taken[0].id, "evt_2");
    assert_string_equal(haul.taken[0].stream_id, lost.taken[0].stream_id);
    assert_int_equal(books_settle(books, &lost, 0, MOVES_DONE), MOVES_LEASE_LOST);
    assert_int_equal(books_settle(books, &haul, 0, MOVES_DONE), MOVES_SETTLED);
}

static void test_what_was_delivered_is_done_though_it_was_added_once_more(void **state) {
    struct books *books = *state;
    struct haul lost = take_one(books);
    lose_all_and_add_under_its_id(books, lost.taken[0].stream_id, "evt_1");
    assert_int_equal(books_take(books, &books_crm).count, 1);
    assert_int_equal(books_settle(books, &lost, 0, MOVES_DONE), MOVES_SETTLED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, books_set_up, books_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_what_would_be_due_a_day_late_is_due_when_a_lease_would_end),
        TEST(test_what_may_be_due_so_late_keeps_its_time),
        TEST(test_a_first_attempt_of_tomorrow_was_made_now_and_is_given_up_in_time),
        TEST(test_a_pause_is_kept_though_one_of_tomorrow_is_noted),
        TEST(test_a_probe_waits_no_longer_than_any_may),
        TEST(test_a_dead_owner_is_waited_for_no_longer_than_any_may_own),
        TEST(test_what_was_delivered_is_not_another_event_that_has_its_stream_id_now),
        TEST(test_what_was_delivered_is_done_though_it_was_added_once_more),
    };
    return cmocka_run_group_tests_name("ledger_clock", tests, NULL, NULL);
}
