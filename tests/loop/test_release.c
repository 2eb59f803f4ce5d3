/* Out of the pen and into the stream, against a real Redis: once, whatever breaks off in between.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "books.h"
#include "kula/stamp.h"
#include "pen/release.h"

enum { T_S = 1736937000, WALKS_MOST = 5000 };

static char name[] = "kula";
static unsigned char first[] = "the first secret", second[] = "the second secret";
static struct secret only_first[] = {{first, sizeof first - 1}};
static struct secret only_second[] = {{second, sizeof second - 1}};

/* With the books' Redis, and one endpoint that knows one of the two. */
static struct config_endpoint knows_first = {
    .name = name, .secrets = only_first, .secret_file_count = 1, .tolerance_ms = 300000};
static struct config_endpoint knows_second = {
    .name = name, .secrets = only_second, .secret_file_count = 1, .tolerance_ms = 300000};
static const struct config first_known = {
    .endpoints = &knows_first, .endpoint_count = 1, .dedup_window_ms = BOOKS_WINDOW_MS};
static const struct config second_known = {
    .endpoints = &knows_second, .endpoint_count = 1, .dedup_window_ms = BOOKS_WINDOW_MS};

struct walks {
    struct books *books;
    struct release *release;
    enum ledger_outcome outcome;
    size_t released, duplicates, staying;
    char last_stays[BOOKS_KEPT], last_event[BOOKS_KEPT];
    char only[BOOKS_KEPT]; /* empty: all */
};

static void on_ruled(void *arg, const struct release_ruled *ruled) {
    struct walks *walks = arg;
    walks->released += !ruled->stays;
    walks->duplicates += ruled->duplicate;
    walks->staying += ruled->stays != NULL;
    books_keep(walks->last_stays, text_of(ruled->stays));
    books_keep(walks->last_event, ruled->event_id);
}

static void on_end(void *arg, enum ledger_outcome outcome) {
    struct walks *walks = arg;
    walks->outcome = outcome;
    walks->books->done = true;
}

static bool wants(void *arg, const struct pen_entry *entry) {
    const struct walks *walks = arg;
    return !walks->only[0] || text_is(entry->pen_id, walks->only);
}

static void open_walks(struct walks *walks, struct books *books, bool dry_run) {
    *walks = (struct walks){.books = books};
    walks->release = release_create(&(struct release_options){.loop = books->loop,
                                                              .ledger = books->ledger,
                                                              .dry_run = dry_run,
                                                              .wants = wants,
                                                              .on_ruled = on_ruled,
                                                              .on_end = on_end,
                                                              .arg = walks});
}

static void begin(struct walks *walks, const struct config *config) {
    struct judge *judge = judge_create(config);
    release_begin(walks->release, &judge);
    assert_null(judge);
}

static void walk(struct walks *walks, const struct config *config) {
    begin(walks, config);
    books_await(walks->books);
}

/* Signed with this secret and penned; its id. */
static struct stored pen_body(struct books *books, const struct secret *secret, struct text body) {
    struct hmac *key = hmac_create(secret);
    struct string signature = {0};
    stamp_kula((struct stamp_keys){&key, 1}, T_S, body, &signature);
    struct ledger_item item = {
        .pen = true,
        .event = {.endpoint = text_of("kula"), .body = body, .received_ms = T_S * INT64_C(1000)},
        .reason = text_of("unmatched"),
        .signature = string_text(&signature)};
    struct stored stored = books_append_item(books, &item, BOOKS_DEADLINE_MS);
    assert_int_equal(stored.stored, LEDGER_STORED);
    string_finish(&signature);
    hmac_destroy(key);
    return stored;
}

static struct stored pen(struct books *books, const struct secret *secret, int number) {
    char body[100];
    snprintf(body, sizeof body, "{\"event\":\"ping\",\"event_id\":\"evt_%d\",\"account_id\":1}",
             number);
    return pen_body(books, secret, text_of(body));
}

static void expect_stands(struct books *books, int events, int penned) {
    char reply[32];
    snprintf(reply, sizeof reply, ":%d\r\n", events);
    assert_string_equal(redis_house_say(books->redis, "XLEN kula:events"), reply);
    snprintf(reply, sizeof reply, ":%d\r\n", penned);
    assert_string_equal(redis_house_say(books->redis, "XLEN kula:pen"), reply);
}

static void test_what_a_new_secret_proves_becomes_an_event_as_it_was_received(void **state) {
    struct books *books = *state;
    struct walks walks;
    pen(books, only_second, 1);
    open_walks(&walks, books, false);
    walk(&walks, &first_known);
    assert_int_equal(walks.outcome, LEDGER_DONE);
    assert_int_equal(walks.staying, 1);
    assert_string_equal(walks.last_stays, "unmatched");
    expect_stands(books, 0, 1);
    walk(&walks, &second_known);
    assert_int_equal(walks.released, 1);
    assert_string_equal(walks.last_event, "evt_1");
    expect_stands(books, 1, 0);
    const char *event = redis_house_say(books->redis, "XRANGE kula:events - +");
    assert_non_null(strstr(event, "received\r\n$13\r\n1736937000000\r\n"));
    assert_non_null(strstr(event, "type\r\n$4\r\nping\r\n"));
    assert_non_null(strstr(event, "account\r\n$1\r\n1\r\n"));
    release_destroy(walks.release);
    books_assert_balances(books);
}

static void test_killed_before_it_left_the_pen_it_is_a_duplicate_the_next_time(void **state) {
    struct books *books = *state;
    struct walks walks;
    pen(books, only_first, 1);
    books_append(books, "evt_1", "ping"); /* that far it came */
    open_walks(&walks, books, false);
    walk(&walks, &first_known);
    assert_int_equal(walks.released, 1);
    assert_int_equal(walks.duplicates, 1);
    expect_stands(books, 1, 0);
    release_destroy(walks.release);
}

static void test_two_that_release_at_once_release_each_once(void **state) {
    struct books *books = *state;
    struct walks one, other;
    for (int i = 0; i < 200; i++)
        pen(books, only_first, i);
    open_walks(&one, books, false);
    open_walks(&other, books, false);
    one.outcome = other.outcome = LEDGER_REFUSED;
    begin(&one, &first_known);
    begin(&other, &first_known);
    while (one.outcome != LEDGER_DONE || other.outcome != LEDGER_DONE)
        books_await(books);
    expect_stands(books, 200, 0);
    assert_int_equal(one.released + other.released - one.duplicates - other.duplicates, 200);
    release_destroy(one.release);
    release_destroy(other.release);
}

static void test_a_dry_run_changes_nothing(void **state) {
    struct books *books = *state;
    struct walks walks;
    pen(books, only_first, 1);
    pen(books, only_second, 2);
    open_walks(&walks, books, true);
    walk(&walks, &first_known);
    assert_int_equal(walks.released, 1);
    assert_int_equal(walks.staying, 1);
    expect_stands(books, 0, 2);
    release_destroy(walks.release);
}

static void test_only_what_is_wanted_is_ruled_on(void **state) {
    struct books *books = *state;
    struct walks walks;
    pen(books, only_first, 1);
    struct stored wanted = pen(books, only_first, 2);
    pen(books, only_first, 3);
    open_walks(&walks, books, false);
    memcpy(walks.only, wanted.stream_id, sizeof walks.only);
    walk(&walks, &first_known);
    assert_int_equal(walks.released, 1);
    assert_string_equal(walks.last_event, "evt_2");
    expect_stands(books, 1, 2);
    release_destroy(walks.release);
}

static void test_a_walk_goes_on_where_the_last_one_ended(void **state) {
    struct books *books = *state;
    struct walks walks;
    for (int i = 0; i < 150; i++)
        pen(books, only_second, i);
    open_walks(&walks, books, false);
    walk(&walks, &first_known);
    assert_int_equal(walks.staying, 150);
    pen(books, only_first, 500);
    release_go_on(walks.release);
    books_await(books);
    assert_int_equal(walks.staying, 150); /* nobody was tried twice */
    assert_int_equal(walks.released, 1);
    walk(&walks, &second_known);
    assert_int_equal(walks.released, 151);
    expect_stands(books, 151, 0);
    release_destroy(walks.release);
}

static void test_what_stands_in_the_pen_again_is_found_again(void **state) {
    struct books *books = *state;
    struct walks walks;
    struct stored once = pen(books, only_second, 1);
    pen(books, only_second, 2);
    open_walks(&walks, books, false);
    walk(&walks, &second_known);
    assert_int_equal(walks.released, 2);
    /* As from a backup, under its old id, which the stream itself would not take again. */
    char command[200];
    redis_house_say(books->redis, "DEL kula:pen");
    snprintf(command, sizeof command,
             "XADD kula:pen %s endpoint kula received 1 reason unmatched signature none body {}",
             once.stream_id);
    redis_house_say(books->redis, command);
    release_go_on(walks.release);
    books_await(books);
    assert_int_equal(walks.staying, 0);
    release_begin_again(walks.release);
    books_await(books);
    assert_int_equal(walks.staying, 1);
    /* And in the middle of a walk. */
    release_begin_again(walks.release);
    release_begin_again(walks.release);
    books_await(books);
    assert_int_equal(walks.outcome, LEDGER_DONE);
    assert_in_range(walks.staying, 2, 3);
    release_destroy(walks.release);
}

static void test_another_judge_in_the_middle_of_a_walk_hears_all_of_it(void **state) {
    struct books *books = *state;
    struct walks walks;
    int turns = 0;
    for (int i = 0; i < 300; i++)
        pen(books, i % 2 ? only_first : only_second, i);
    open_walks(&walks, books, false);
    begin(&walks, &first_known);
    /* At each place of a walk, now and then. */
    for (; turns < 60; turns++) {
        loop_turn(books->loop);
        if (turns % 3 == 0)
            begin(&walks, turns % 2 ? &first_known : &second_known);
    }
    books->done = false;
    walk(&walks, &first_known);
    walk(&walks, &second_known);
    expect_stands(books, 300, 0);
    release_destroy(walks.release);
    books_assert_balances(books);
}

static void test_a_long_body_is_hashed_over_many_turns(void **state) {
    struct books *books = *state;
    struct walks walks;
    size_t size = 5 << 20;
    char *body = memory_new(size);
    static const char head[] = "{\"event\":\"ping\",\"event_id\":\"evt_long\",\"data\":\"";
    memset(body, 'x', size);
    memcpy(body, head, strlen(head));
    memcpy(body + size - 2, "\"}", 2);
    pen_body(books, only_first, text_slice(body, size));
    open_walks(&walks, books, false);
    walk(&walks, &first_known);
    assert_int_equal(walks.released, 1);
    expect_stands(books, 1, 0);
    release_destroy(walks.release);
    free(body);
}

static void test_without_redis_a_walk_ends_and_goes_on_when_it_is_back(void **state) {
    struct books *books = *state;
    struct walks walks;
    pen(books, only_first, 1);
    open_walks(&walks, books, false);
    redis_house_pause(books->redis);
    walk(&walks, &first_known);
    assert_int_equal(walks.outcome, LEDGER_AWAY);
    redis_house_resume(books->redis);
    for (int i = 0; i < WALKS_MOST && walks.released == 0; i++) {
        release_go_on(walks.release);
        books_await(books);
    }
    assert_int_equal(walks.released, 1);
    expect_stands(books, 1, 0);
    release_destroy(walks.release);
}

static void test_what_redis_refuses_stays_in_the_pen(void **state) {
    struct books *books = *state;
    struct walks walks;
    pen(books, only_first, 1);
    books_say(books, "CONFIG SET maxmemory 1");
    open_walks(&walks, books, false);
    walk(&walks, &first_known);
    assert_int_equal(walks.outcome, LEDGER_REFUSED);
    assert_int_equal(walks.released, 0);
    books_say(books, "CONFIG SET maxmemory 0");
    expect_stands(books, 0, 1);
    release_go_on(walks.release);
    books_await(books);
    assert_int_equal(walks.released, 1);
    release_destroy(walks.release);
}

static void test_one_that_is_destroyed_in_the_middle_leaves_nothing_behind(void **state) {
    struct books *books = *state;
    struct walks walks;
    for (int i = 0; i < 100; i++)
        pen(books, only_first, i);
    open_walks(&walks, books, false);
    begin(&walks, &first_known);
    loop_turn(books->loop);
    loop_turn(books->loop);
    ledger_destroy(books->ledger);
    books->ledger = NULL;
    release_destroy(walks.release);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, books_set_up, books_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_what_a_new_secret_proves_becomes_an_event_as_it_was_received),
        TEST(test_killed_before_it_left_the_pen_it_is_a_duplicate_the_next_time),
        TEST(test_two_that_release_at_once_release_each_once),
        TEST(test_a_dry_run_changes_nothing),
        TEST(test_only_what_is_wanted_is_ruled_on),
        TEST(test_a_walk_goes_on_where_the_last_one_ended),
        TEST(test_what_stands_in_the_pen_again_is_found_again),
        TEST(test_another_judge_in_the_middle_of_a_walk_hears_all_of_it),
        TEST(test_a_long_body_is_hashed_over_many_turns),
        TEST(test_without_redis_a_walk_ends_and_goes_on_when_it_is_back),
        TEST(test_what_redis_refuses_stays_in_the_pen),
        TEST(test_one_that_is_destroyed_in_the_middle_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
