/* The pen against a real Redis: how much it takes of what no secret matches, and what it says of
 * it. */
#include <string.h>

#include "books.h"
#include "ledger/pen.h"

/* Of 20 bytes. */
static struct ledger_item unmatched(struct ledger_pen most) {
    return (struct ledger_item){
        .pen = true,
        .event = {.endpoint = text_of("kula"), .body = text_of("0123456789")},
        .reason = text_of(LEDGER_UNMATCHED),
        .signature = text_of("t=12345,v1"),
        .most = most};
}

static struct stored append(struct books *books, const struct ledger_item *item,
                            enum ledger_stored expected) {
    struct stored stored = books_append_item(books, item, BOOKS_DEADLINE_MS);
    assert_int_equal(stored.stored, expected);
    return stored;
}

static void expect_held(struct books *books, int64_t events, int64_t bytes) {
    struct ledger_pen held;
    assert_true(ledger_pen_holds(books->ledger, &held));
    assert_int_equal(held.events, events);
    assert_int_equal(held.bytes, bytes);
}

static void on_removed(void *arg, enum ledger_outcome outcome, const bool *went) {
    struct books *books = arg;
    assert_int_equal(outcome, LEDGER_DONE);
    assert_true(went[0]);
    assert_false(went[1]);
    books->done = true;
}

static void remove_one(struct books *books, const char *pen_id) {
    const struct text ids[] = {text_of(pen_id), text_of("1-1")}; /* the second is not there */
    pen_remove(books->ledger, ids, 2, on_removed, books);
    books_await(books);
}

static void test_of_what_no_secret_matches_the_pen_takes_so_much_and_no_more(void **state) {
    static const struct ledger_pen mosts[] = {{3, 1000}, {1000, 79}};
    struct books *books = *state;
    for (size_t i = 0; i < sizeof mosts / sizeof *mosts; i++) {
        struct ledger_item item = unmatched(mosts[i]);
        struct stored last = {0};
        for (int taken = 1; taken <= 3; taken++) {
            last = append(books, &item, LEDGER_STORED);
            expect_held(books, taken, 20 * (int64_t)taken);
        }
        append(books, &item, LEDGER_PEN_FULL);
        assert_string_equal(redis_house_say(books->redis, "XLEN kula:pen"), ":3\r\n");
        remove_one(books, last.stream_id);
        expect_held(books, 2, 40);
        append(books, &item, LEDGER_STORED);
        append(books, &item, LEDGER_PEN_FULL);
        books_say(books, "DEL kula:pen"); /* which nobody counted */
    }
}

static void test_what_is_authentic_is_not_refused_for_what_strangers_sent(void **state) {
    struct books *books = *state;
    struct ledger_item item = unmatched((struct ledger_pen){1, 1000});
    append(books, &item, LEDGER_STORED);
    append(books, &item, LEDGER_PEN_FULL);
    item.reason = text_of("not_json");
    struct stored authentic = append(books, &item, LEDGER_STORED);
    books_append(books, "evt_1", "ping");
    expect_held(books, 1, 20);
    remove_one(books, authentic.stream_id);
    expect_held(books, 1, 20);
}

static void on_batched(void *arg, const struct ledger_batched *batched) {
    struct books *books = arg;
    assert_int_equal(batched->outcome, LEDGER_DONE);
    assert_int_equal(batched->stored, 3);
    books->done = true;
}

static void on_looked(void *arg, const struct ledger_look *look) {
    struct books *books = arg;
    assert_int_equal(look->last, 3);
    books->done = true;
}

/* It was answered 2xx. */
static void test_what_stands_in_a_spool_is_taken_however_full_the_pen_is(void **state) {
    struct books *books = *state;
    struct ledger_pen held;
    struct ledger_item items[3];
    assert_false(ledger_pen_holds(books->ledger, &held));
    for (size_t i = 0; i < 3; i++)
        items[i] = unmatched((struct ledger_pen){1, 1});
    ledger_append_batch(books->ledger,
                        &(struct ledger_batch){.spool = "0123456789abcdef",
                                               .last = 3,
                                               .items = items,
                                               .count = 3,
                                               .deadline_ms = BOOKS_DEADLINE_MS},
                        on_batched, books);
    books_await(books);
    expect_held(books, 3, 60);
    books_say(books, "DEL kula:pen");
    ledger_look_at_spool(books->ledger, "0123456789abcdef", BOOKS_DEADLINE_MS, on_looked, books);
    books_await(books);
    expect_held(books, 0, 0);
}

struct batch_of_three {
    struct books *books;
    enum ledger_outcome outcome;
};

static void on_batch_of_three(void *arg, const struct ledger_batched *batched) {
    struct batch_of_three *batch = arg;
    batch->outcome = batched->outcome;
    batch->books->done = true;
}

/* One for the pen, an event, and one more for the pen. */
static enum ledger_outcome append_three(struct books *books) {
    struct ledger_item items[3] = {
        unmatched((struct ledger_pen){0}),
        {.event = {.id = text_of("evt_1"), .type = text_of("ping"), .endpoint = text_of("kula")},
         .window_ms = BOOKS_WINDOW_MS},
        unmatched((struct ledger_pen){0})};
    items[0].reason = text_of("not_json");
    struct batch_of_three batch = {.books = books};
    ledger_append_batch(books->ledger,
                        &(struct ledger_batch){.spool = "0123456789abcdef",
                                               .last = 3,
                                               .items = items,
                                               .count = 3,
                                               .deadline_ms = BOOKS_DEADLINE_MS},
                        on_batch_of_three, &batch);
    books_await(books);
    return batch.outcome;
}

static void test_a_batch_that_is_refused_time_after_time_is_there_once_in_the_end(void **state) {
    static const char *const hindrances[] = {
        "SET kula:endpoint:kula x", "HSET kula:endpoint:kula appended x",
        "SET kula:pen x",           "SET kula:events x",
        "SET kula:about x",
    };
    struct books *books = *state;
    for (size_t i = 0; i < sizeof hindrances / sizeof *hindrances; i++) {
        struct text words = text_of(hindrances[i]);
        books_say(books, "FLUSHALL");
        books_say(books, "%s", hindrances[i]);
        for (int try = 0; try < 3; try++)
            assert_int_equal(append_three(books), LEDGER_REFUSED);
        text_cut(&words, ' ');
        struct text key = text_cut(&words, ' ');
        books_say(books, "DEL %.*s", TEXT_ARG(key));
        assert_int_equal(append_three(books), LEDGER_DONE);
        assert_string_equal(redis_house_say(books->redis, "XLEN kula:pen"), ":2\r\n");
        assert_string_equal(redis_house_say(books->redis, "XLEN kula:events"), ":1\r\n");
        assert_string_equal(
            redis_house_say(books->redis, "HMGET kula:endpoint:kula appended penned"),
            "*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
        expect_held(books, 1, 20);
        books_assert_balances(books);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, books_set_up, books_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_of_what_no_secret_matches_the_pen_takes_so_much_and_no_more),
        TEST(test_what_is_authentic_is_not_refused_for_what_strangers_sent),
        TEST(test_what_stands_in_a_spool_is_taken_however_full_the_pen_is),
        TEST(test_a_batch_that_is_refused_time_after_time_is_there_once_in_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
