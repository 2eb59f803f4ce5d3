/* What the ledger does for a service whose events go by lanes: one owner, heads, marks. */
#include <stdio.h>
#include <string.h>

#include "books.h"

enum { OWNER_MS = 60000, SOON_MS = 30 };

/* A take as an owner, told as one line: what was put, handed out, or not tried, by stream ids
 * whose "-0" is left out; then what else it said. */
struct told {
    struct books *books;
    struct string line;
    enum moves_owned owned;
    int64_t held_for_ms;
    bool all_is_put, probe;
};

static void add(struct told *told, const char *word, struct text id, const char *more) {
    string_addf(&told->line, "%s%s %.*s%s", told->line.size ? ", " : "", word, (int)(id.size - 2),
                id.data, more);
}

static void on_taken(void *arg, const struct moves_haul *haul) {
    struct told *told = arg;
    assert_int_equal(haul->outcome, LEDGER_DONE);
    assert_false(haul->no_group);
    for (size_t i = 0; i < haul->put_count; i++)
        add(told, haul->put[i].tried ? "put tried" : "put", haul->put[i].event.stream_id,
            haul->put[i].wait_ms ? " later" : "");
    for (size_t i = 0; i < haul->count; i++)
        add(told, "try", haul->taken[i].event.stream_id, "");
    for (size_t i = 0; i < haul->not_tried_count; i++)
        add(told, haul->not_tried[i].wait_ms < 0 ? "gone" : "later", haul->not_tried[i].stream_id,
            haul->not_tried[i].dead.size ? " dead" : "");
    for (size_t i = 0; i < haul->mark_count; i++)
        string_addf(&told->line, "%s%.*s after %.*s", told->line.size ? ", " : "",
                    TEXT_ARG(haul->marks[i].lane), TEXT_ARG(haul->marks[i].dead));
    told->owned = haul->owned;
    told->held_for_ms = haul->held_for_ms;
    told->all_is_put = haul->all_is_put;
    told->probe = haul->probe;
    told->books->done = true;
}

static struct told take_with(struct books *books, const struct moves_order *order, size_t slots,
                             int64_t lease_ms, int64_t owed_most_ms) {
    struct told told = {.books = books};
    struct moves_take what = {&books_crm,        slots, slots, lease_ms, owed_most_ms,
                              BOOKS_DEADLINE_MS, order};
    moves_take(books->ledger, &what, on_taken, &told);
    books_await(books);
    return told;
}

/* "1 2" are the heads 1-0 and 2-0, in lanes named "l1" and "l2". */
static struct told take(struct books *books, const char *owner, const char *heads,
                        const char *after, int64_t lease_ms) {
    char ids[8][16], lanes[8][16];
    struct moves_head list[8];
    struct text rest = text_of(heads);
    size_t count = 0;
    for (; rest.size; count++) {
        struct text id = text_cut(&rest, ' ');
        snprintf(ids[count], sizeof ids[count], "%.6s-0", id.data);
        snprintf(lanes[count], sizeof lanes[count], "l%.6s", id.data);
        ids[count][id.size] = '-';
        ids[count][id.size + 1] = '0';
        ids[count][id.size + 2] = lanes[count][id.size + 1] = '\0';
        list[count] = (struct moves_head){text_of(ids[count]), text_of(lanes[count])};
    }
    struct moves_order order = {owner, OWNER_MS, text_of(after), list, count};
    return take_with(books, &order, 8, lease_ms, BOOKS_OWED_MOST_MS);
}

static void drop(struct told told) {
    string_finish(&told.line);
}

static bool is_told(struct told *told, const char *line) {
    bool is = text_is(string_text(&told->line), line);
    string_finish(&told->line);
    return is;
}

static void assert_told(struct told told, const char *line) {
    if (!text_is(string_text(&told.line), line))
        fail_msg("\"%.*s\" instead of \"%s\"", TEXT_ARG(string_text(&told.line)), line);
    string_finish(&told.line);
}

/* Events 1-0 to count-0, unread; then "a" owns the service. */
static void begin(struct books *books, int count) {
    books_open_service(books, &books_crm);
    for (int i = 1; i <= count; i++)
        books_say(books, "XADD kula:events %d-0 id evt_%d type ping endpoint kula body {}", i, i);
    books_say(books, "HINCRBY kula:endpoint:kula appended %d", count);
    struct told told = take(books, "a", "", "", BOOKS_LEASE_MS);
    assert_int_equal(told.owned, MOVES_OURS_ANEW);
    assert_told(told, "");
}

static enum moves_settled settle(struct books *books, const char *id, const char *lease,
                                 enum moves_verdict verdict, const char *lane) {
    return books_settle_as(books, &(struct moves_settle){.service = "crm",
                                                         .stream_id = text_of(id),
                                                         .lease = text_of(lease),
                                                         .event_id = text_of("evt"),
                                                         .lane = text_of(lane),
                                                         .verdict = verdict,
                                                         .reason = "answered",
                                                         .deadline_ms = BOOKS_DEADLINE_MS});
}

static void expire_owner(struct books *books) {
    books_say(books, "HSET kula:service:crm owner_until 1");
}

static void test_new_events_are_put_and_heads_are_tried(void **state) {
    struct books *books = *state;
    begin(books, 3);
    assert_told(take(books, "a", "", "", BOOKS_LEASE_MS), "put 1, put 2, put 3");
    assert_told(take(books, "a", "2 3", "", BOOKS_LEASE_MS), "try 2, try 3");
    assert_int_equal(settle(books, "3-0", "a", MOVES_DONE, ""), MOVES_SETTLED);
    assert_told(take(books, "a", "3 1", "", BOOKS_LEASE_MS), "try 1, gone 3");
    assert_int_equal(books_assert_balances(books).owed, 2);
}

static void test_while_somebody_owns_it_nobody_else_gets_anything(void **state) {
    struct books *books = *state;
    begin(books, 3);
    struct told told = take(books, "b", "", "", BOOKS_LEASE_MS);
    assert_int_equal(told.owned, MOVES_NOT_OURS);
    assert_in_range(told.held_for_ms, 1, OWNER_MS);
    struct haul haul = books_take(books, &books_crm); /* nor one to whom it is not ordered */
    assert_int_equal(haul.count, 0);
    assert_in_range(haul.haul.held_for_ms, 1, OWNER_MS);
    assert_told(take(books, "a", "", "", BOOKS_LEASE_MS), "put 1, put 2, put 3");
}

static void test_who_comes_after_a_dead_owner_waits_for_what_that_one_may_be_trying(void **state) {
    struct books *books = *state;
    begin(books, 3);
    drop(take(books, "a", "", "", BOOKS_LEASE_MS));
    assert_told(take(books, "a", "1", "", BOOKS_LEASE_MS), "try 1");
    expire_owner(books);
    assert_int_equal(take(books, "b", "2", "", BOOKS_LEASE_MS).owned, MOVES_OURS_ANEW);
    struct told told = take(books, "b", "", "0-0", BOOKS_LEASE_MS);
    assert_told(told, "put 1 later, put 2, put 3");
    assert_true(told.all_is_put);
    assert_told(take(books, "b", "1 2", "", BOOKS_LEASE_MS), "try 2, later 1");
    /* The old one is told so, but where the event is through. */
    assert_int_equal(take(books, "a", "3", "", BOOKS_LEASE_MS).owned, MOVES_NOT_OURS);
    assert_int_equal(settle(books, "1-0", "a", MOVES_DEFER, ""), MOVES_LEASE_LOST);
    assert_int_equal(settle(books, "1-0", "a", MOVES_BURY, "l1"), MOVES_LEASE_LOST);
    assert_int_equal(settle(books, "1-0", "a", MOVES_DONE, ""), MOVES_SETTLED);
    assert_told(take(books, "b", "1", "", BOOKS_LEASE_MS), "gone 1");
}

static void test_a_former_owners_lease_runs_out(void **state) {
    struct books *books = *state;
    begin(books, 1);
    drop(take(books, "a", "", "", BOOKS_LEASE_MS));
    assert_told(take(books, "a", "1", "", SOON_MS), "try 1");
    expire_owner(books);
    drop(take(books, "b", "", "", BOOKS_LEASE_MS));
    struct told told;
    do
        told = take(books, "b", "1", "", BOOKS_LEASE_MS);
    while (is_told(&told, "later 1"));
    assert_told(take(books, "b", "1", "", BOOKS_LEASE_MS), "try 1");
}

static void test_what_is_owed_is_put_behind_the_place_that_was_reached(void **state) {
    struct books *books = *state;
    begin(books, 4);
    drop(take(books, "a", "", "", BOOKS_LEASE_MS));
    drop(take(books, "a", "2", "", BOOKS_LEASE_MS));
    settle(books, "2-0", "a", MOVES_DEFER, "");
    books_say(books, "XADD kula:events 9-0 id evt_9 type ping endpoint kula body {}");
    struct moves_order order = {"a", OWNER_MS, text_of("0-0"), NULL, 0};
    struct told told = take_with(books, &order, 2, BOOKS_LEASE_MS, BOOKS_OWED_MOST_MS);
    assert_told(told, "put 1, put tried 2");
    assert_false(told.all_is_put);
    told = take(books, "a", "", "2-0", BOOKS_LEASE_MS);
    assert_told(told, "put 3, put 4");
    assert_true(told.all_is_put);
    assert_told(take(books, "a", "", "", BOOKS_LEASE_MS), "put 9");
}

static void test_a_mark_stays_until_the_next_of_its_lane_is_done(void **state) {
    struct books *books = *state;
    begin(books, 2);
    drop(take(books, "a", "", "", BOOKS_LEASE_MS));
    drop(take(books, "a", "1 2", "", BOOKS_LEASE_MS));
    assert_int_equal(settle(books, "1-0", "a", MOVES_BURY, "l"), MOVES_SETTLED);
    expire_owner(books);
    drop(take(books, "b", "", "", BOOKS_LEASE_MS));
    assert_told(take(books, "b", "", "0-0", BOOKS_LEASE_MS), "put 2 later, l after evt_1");
    assert_int_equal(settle(books, "2-0", "a", MOVES_DONE, "l"), MOVES_SETTLED);
    assert_told(take(books, "b", "", "0-0", BOOKS_LEASE_MS), "");
}

static void test_a_head_that_is_owed_for_too_long_is_dead_and_marks_its_lane(void **state) {
    struct books *books = *state;
    begin(books, 1);
    drop(take(books, "a", "", "", BOOKS_LEASE_MS));
    drop(take(books, "a", "1", "", BOOKS_LEASE_MS));
    settle(books, "1-0", "a", MOVES_DEFER, "");
    struct moves_order order = {
        "a", OWNER_MS, {0}, &(struct moves_head){text_of("1-0"), text_of("l1")}, 1};
    struct told told = take_with(books, &order, 8, BOOKS_LEASE_MS, 1);
    while (is_told(&told, "try 1")) { /* not yet a millisecond */
        settle(books, "1-0", "a", MOVES_DEFER, "");
        told = take_with(books, &order, 8, BOOKS_LEASE_MS, 1);
    }
    assert_told(take(books, "a", "", "0-0", BOOKS_LEASE_MS), "l1 after evt_1");
    books_assert_balances(books);
}

static void test_what_was_ordered_is_handed_out_as_it_comes_when_nobody_owns_it(void **state) {
    struct books *books = *state;
    begin(books, 2);
    drop(take(books, "a", "", "", BOOKS_LEASE_MS));
    expire_owner(books);
    struct haul haul;
    do
        haul = books_take(books, &books_crm);
    while (haul.count < 2);
    assert_string_equal(redis_house_say(books->redis, "HEXISTS kula:service:crm owner"), ":0\r\n");
    assert_int_equal(books_settle(books, &haul, 0, MOVES_DEFER), MOVES_SETTLED);
}

static void test_an_open_breaker_tries_one_head_in_turn_tried_and_untried(void **state) {
    struct books *books = *state;
    begin(books, 3);
    books_say(books, "HSET kula:service:crm breaker open probe_at 0 probes 0");
    /* No head yet: one that is new may be one. */
    assert_told(take(books, "a", "", "", BOOKS_LEASE_MS), "put 1, put 2, put 3");
    struct told told = take(books, "a", "1 2", "", BOOKS_LEASE_MS);
    assert_told(told, "try 1");
    assert_true(told.probe);
    assert_in_range(told.held_for_ms, 1, BOOKS_LEASE_MS);
    assert_told(take(books, "a", "2", "", BOOKS_LEASE_MS), "");
    settle(books, "1-0", "a", MOVES_DEFER, "");
    books_say(books, "HSET kula:service:crm probe_at 0");
    assert_told(take(books, "a", "2 1", "", BOOKS_LEASE_MS), "try 1");
    settle(books, "1-0", "a", MOVES_DEFER, "");
    books_say(books, "HSET kula:service:crm probe_at 0");
    assert_told(take(books, "a", "1 2", "", BOOKS_LEASE_MS), "try 2");
}

static void
test_behind_an_open_breaker_the_lanes_are_put_together_whosever_turn_it_is(void **state) {
    struct books *books = *state;
    begin(books, 2);
    assert_told(take(books, "a", "", "", BOOKS_LEASE_MS), "put 1, put 2");
    books_say(books, "HSET kula:service:crm breaker open probe_at 0 probes 1 probed new");
    assert_told(take(books, "a", "", "0-0", BOOKS_LEASE_MS), "put 1, put 2");
}

static void test_behind_an_open_breaker_what_is_new_is_read_where_nothing_was_tried(void **state) {
    struct books *books = *state;
    begin(books, 1);
    books_say(books, "HSET kula:service:crm breaker open probe_at 0 probes 1 probed new");
    assert_told(take(books, "a", "", "", BOOKS_LEASE_MS), "put 1");
}

static void on_released(void *arg, enum ledger_outcome outcome) {
    struct books *books = arg;
    assert_int_equal(outcome, LEDGER_DONE);
    books->done = true;
}

static void release(struct books *books, const char *owner) {
    moves_release(books->ledger, "crm", owner, BOOKS_DEADLINE_MS, on_released, books);
    books_await(books);
}

static void test_only_the_owner_can_give_it_up(void **state) {
    struct books *books = *state;
    begin(books, 0);
    release(books, "b");
    assert_int_equal(take(books, "b", "", "", BOOKS_LEASE_MS).owned, MOVES_NOT_OURS);
    release(books, "a");
    assert_int_equal(take(books, "b", "", "", BOOKS_LEASE_MS).owned, MOVES_OURS_ANEW);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, books_set_up, books_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_new_events_are_put_and_heads_are_tried),
        TEST(test_while_somebody_owns_it_nobody_else_gets_anything),
        TEST(test_who_comes_after_a_dead_owner_waits_for_what_that_one_may_be_trying),
        TEST(test_a_former_owners_lease_runs_out),
        TEST(test_what_is_owed_is_put_behind_the_place_that_was_reached),
        TEST(test_a_mark_stays_until_the_next_of_its_lane_is_done),
        TEST(test_a_head_that_is_owed_for_too_long_is_dead_and_marks_its_lane),
        TEST(test_what_was_ordered_is_handed_out_as_it_comes_when_nobody_owns_it),
        TEST(test_an_open_breaker_tries_one_head_in_turn_tried_and_untried),
        TEST(test_behind_an_open_breaker_the_lanes_are_put_together_whosever_turn_it_is),
        TEST(test_behind_an_open_breaker_what_is_new_is_read_where_nothing_was_tried),
        TEST(test_only_the_owner_can_give_it_up),
    };
    return cmocka_run_group_tests_name("ledger_order", tests, NULL, NULL);
}
