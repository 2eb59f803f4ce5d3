/* Every move of the ledger against a real Redis, and what its audit notices. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/pattern.h"
#include "books.h"
#include "ledger/bell.h"
#include "ledger/browse.h"
#include "ledger/dead.h"

enum { MOST_BATCHED = 8 };

static void test_an_event_is_stored_once_and_told_as_duplicate_after(void **state) {
    struct books *books = *state;
    struct stored first = books_append(books, "evt_1", "ping");
    struct stored second = books_append(books, "evt_1", "ping");
    struct stored other = books_append_body(books, "evt_1", "ping", "other", text_of("{}"));
    assert_int_equal(first.stored, LEDGER_STORED);
    assert_int_equal(second.stored, LEDGER_DUPLICATE);
    assert_string_equal(first.stream_id, second.stream_id);
    assert_int_equal(other.stored, LEDGER_STORED);
    assert_string_equal(redis_house_say(books->redis, "XLEN kula:events"), ":2\r\n");
    assert_string_equal(redis_house_say(books->redis, "HGET kula:endpoint:kula duplicate"),
                        "$1\r\n1\r\n");
    books_assert_balances(books);
}

static void test_a_body_with_every_byte_comes_back_as_it_went(void **state) {
    struct books *books = *state;
    char body[60];
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (char)(i * 4 + 1);
    books_append_body(books, "evt_1", "ping", "kula", text_slice(body, sizeof body));
    books_open_service(books, &books_crm);
    struct haul haul = books_take(books, &books_crm);
    assert_int_equal(haul.count, 1);
    assert_memory_equal(haul.taken[0].body, body, sizeof body);
}

static void test_the_pen_keeps_what_cannot_be_read(void **state) {
    struct books *books = *state;
    struct stored stored = books_append_item(
        books,
        &(struct ledger_item){.pen = true,
                              .event = {.endpoint = text_of("kula"), .body = text_of("hello")},
                              .reason = text_of("not_json"),
                              .signature = text_of("t=1,v1=0")},
        BOOKS_DEADLINE_MS);
    assert_int_equal(stored.stored, LEDGER_STORED);
    assert_string_equal(redis_house_say(books->redis, "XLEN kula:pen"), ":1\r\n");
    assert_string_equal(redis_house_say(books->redis, "EXISTS kula:events"), ":0\r\n");
}

struct batched {
    struct books *books;
    struct ledger_batched result;
};

static void on_batched(void *arg, const struct ledger_batched *result) {
    struct batched *batched = arg;
    batched->result = *result;
    batched->books->done = true;
}

/* A batch of `count` events numbered from `first`, after what is believed to be the last. */
static struct ledger_batched append_batch(struct books *books, uint64_t after, uint64_t first,
                                          size_t count) {
    struct batched batched = {.books = books};
    struct ledger_item items[MOST_BATCHED];
    char ids[MOST_BATCHED][16];
    assert_true(count <= MOST_BATCHED);
    for (size_t i = 0; i < count; i++) {
        snprintf(ids[i], sizeof ids[i], "evt_%d", (int)(first + i));
        items[i] = (struct ledger_item){
            .event = {.id = text_of(ids[i]), .type = text_of("ping"), .endpoint = text_of("kula")},
            .window_ms = BOOKS_WINDOW_MS};
    }
    ledger_append_batch(books->ledger,
                        &(struct ledger_batch){.spool = "0123456789abcdef",
                                               .after = after,
                                               .last = first + count - 1,
                                               .items = items,
                                               .count = count,
                                               .deadline_ms = BOOKS_DEADLINE_MS},
                        on_batched, &batched);
    books_await(books);
    assert_int_equal(batched.result.outcome, LEDGER_DONE);
    return batched.result;
}

static void test_a_batch_is_appended_when_it_follows_and_else_told_what_is_there(void **state) {
    struct books *books = *state;
    struct ledger_batched result = append_batch(books, 0, 1, 3);
    assert_true(result.follows);
    assert_int_equal(result.last, 3);
    assert_int_equal(result.stored, 3);
    result = append_batch(books, 0, 1, 3);
    assert_false(result.follows);
    assert_int_equal(result.last, 3);
    result = append_batch(books, 7, 8, 1);
    assert_false(result.follows);
    result = append_batch(books, 3, 5, 2);
    assert_true(result.follows);
    assert_int_equal(result.last, 6);
    assert_string_equal(redis_house_say(books->redis, "XLEN kula:events"), ":5\r\n");
    assert_string_equal(redis_house_say(books->redis, "GET kula:spool:0123456789abcdef"),
                        "$1\r\n6\r\n");
    books_assert_balances(books);
}

static void
test_what_redis_forgot_is_added_again_and_what_survived_told_as_duplicate(void **state) {
    struct books *books = *state;
    append_batch(books, 0, 1, 4);
    const char *last = redis_house_say(books->redis, "XREVRANGE kula:events + - COUNT 1");
    char id[BOOKS_KEPT];
    sscanf(strchr(last, '$') + 4, " %63[0-9-]", id); /* behind "$15\r" */
    /* A failover to a replica that lagged in everything but the marks. */
    books_say(books, "XDEL kula:events %s", id);
    books_say(books, "SET kula:spool:0123456789abcdef 2");
    struct ledger_batched result = append_batch(books, 2, 3, 2);
    assert_true(result.follows);
    assert_int_equal(result.duplicate, 1);
    assert_int_equal(result.stored, 1);
    assert_string_equal(redis_house_say(books->redis, "XLEN kula:events"), ":4\r\n");
}

struct looked_at {
    struct books *books;
    struct ledger_look look;
};

static void on_looked_at(void *arg, const struct ledger_look *look) {
    struct looked_at *looked = arg;
    looked->look = *look;
    looked->books->done = true;
}

static struct ledger_look look_at_spool(struct books *books) {
    struct looked_at looked = {.books = books};
    ledger_look_at_spool(books->ledger, "0123456789abcdef", BOOKS_DEADLINE_MS, on_looked_at,
                         &looked);
    books_await(books);
    assert_int_equal(looked.look.outcome, LEDGER_DONE);
    return looked.look;
}

/* As soon as it is older than the ledger's clock can tell. */
static struct ledger_look look_when_aged(struct books *books) {
    struct ledger_look look;
    int64_t until_ms = clock_steady_ms() + BOOKS_DEADLINE_MS;
    do
        look = look_at_spool(books);
    while (look.owed_ms == 0 && clock_steady_ms() < until_ms);
    assert_in_range(look.owed_ms, 1, BOOKS_DEADLINE_MS);
    return look;
}

static void
test_the_ledger_says_what_it_has_of_a_spool_and_for_how_long_something_is_owed(void **state) {
    struct books *books = *state;
    assert_int_equal(look_at_spool(books).last, 0);
    books_open_service(books, &books_crm);
    assert_int_equal(look_at_spool(books).owed_ms, 0);
    append_batch(books, 0, 1, 2);
    struct ledger_look unread = look_when_aged(books);
    assert_int_equal(unread.last, 2);
    struct haul haul = books_take(books, &books_crm);
    assert_true(look_at_spool(books).owed_ms >= unread.owed_ms);
    books_settle(books, &haul, 0, MOVES_DONE);
    books_settle(books, &haul, 1, MOVES_DONE);
    assert_int_equal(look_at_spool(books).owed_ms, 0);
}

static void test_the_first_service_ever_gets_everything_a_later_one_from_its_start(void **state) {
    struct books *books = *state;
    struct config_service now = {.name = books_name("now"), .start = CONFIG_START_NOW};
    struct config_service all = {.name = books_name("all"), .start = CONFIG_START_BEGINNING};
    struct config_service hour = {
        .name = books_name("hour"), .start = CONFIG_START_AGO, .start_ago_ms = 3600000};
    books_append(books, "evt_1", "ping");
    books_open_service(books, &books_crm);
    books_open_service(books, &now);
    books_open_service(books, &all);
    books_open_service(books, &hour);
    books_append(books, "evt_2", "ping");
    assert_int_equal(books_take(books, &books_crm).count, 2);
    assert_int_equal(books_take(books, &now).count, 1);
    assert_int_equal(books_take(books, &all).count, 2);
    assert_int_equal(books_take(books, &hour).count, 2);
    books_assert_balances(books);
    books_open_service(books, &books_crm);
    assert_int_equal(books_take(books, &books_crm).count, 0);
    books_assert_balances(books);
}

/* As by a backup from before it came. */
static void make_redis_forget_later(struct books *books) {
    books_say(books, "HDEL kula:places later");
    books_say(books, "XGROUP DESTROY kula:events later");
    books_say(books, "DEL kula:service:later kula:owed:later kula:due:later kula:count:later");
}

static void test_a_service_that_redis_forgot_goes_on_where_it_was(void **state) {
    struct books *books = *state;
    struct config_service later = {.name = books_name("later"), .start = CONFIG_START_NOW};
    books_open_service(books, &books_crm);
    struct stored first = books_append(books, "evt_1", "ping");
    books_open_service(books, &later);
    make_redis_forget_later(books);
    books_append(books, "evt_2", "ping"); /* before anybody opens it */
    books_open_again(books, &later, first.stream_id);
    struct haul haul = books_take(books, &later);
    assert_int_equal(haul.count, 1);
    assert_string_equal(haul.taken[0].id, "evt_2");
    books_assert_balances(books);
    make_redis_forget_later(books);
    books_open_again(books, &later,
                     "99999999999999-0"); /* beyond the end of a stream that lost it */
    books_append(books, "evt_3", "ping");
    haul = books_take(books, &later);
    assert_int_equal(haul.count, 1);
    assert_string_equal(haul.taken[0].id, "evt_3");
    books_assert_balances(books);
}

static void test_events_are_taken_in_order_up_to_the_free_slots(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    for (int i = 0; i < 5; i++) {
        char id[16];
        snprintf(id, sizeof id, "evt_%d", i);
        books_append(books, id, "ping");
    }
    struct haul first = books_take_for(books, &books_crm, 3, BOOKS_LEASE_MS);
    assert_int_equal(first.count, 3);
    assert_true(first.haul.more);
    assert_string_equal(first.taken[0].id, "evt_0");
    assert_string_equal(first.taken[2].id, "evt_2");
    assert_string_equal(first.place, first.taken[2].stream_id);
    struct haul second = books_take(books, &books_crm);
    assert_int_equal(second.count, 2);
    assert_false(second.haul.more);
    assert_int_equal(second.haul.owed, 5);
    assert_string_not_equal(first.taken[0].lease, second.taken[0].lease);
    books_assert_balances(books);
}

static void test_a_call_hands_out_little_more_than_a_mebibyte(void **state) {
    struct books *books = *state;
    size_t bytes = 600 * 1024;
    char *body = memory_new(bytes);
    memset(body, 'x', bytes);
    books_open_service(books, &books_crm);
    for (int i = 0; i < 4; i++)
        books_append_body(books, (const char *[]){"a", "b", "c", "d"}[i], "ping", "kula",
                          text_slice(body, bytes));
    assert_int_equal(books_take(books, &books_crm).count, 2);
    assert_int_equal(books_take(books, &books_crm).count, 2);
    free(body);
}

static void test_a_service_gets_what_its_patterns_say_and_the_rest_is_counted(void **state) {
    struct books *books = *state;
    static const char *const types[] = {"ping",
                                        "application.created",
                                        "application.updated",
                                        "interview.event.created",
                                        "interview.availability.computed",
                                        "interview.event",
                                        "a+b.c%d",
                                        "application",
                                        "job_posting.published"};
    static const char *const lists[][3] = {
        {"*"},
        {"application.*"},
        {"interview.*"},
        {"interview.*.created"},
        {"*.created"},
        {"!application.updated"},
        {"application.*", "!application.updated"},
        {"ping", "job_posting.published"},
        {"a+b.c%d"},
        {"*.*"},
        {"!*"},
    };
    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
        books_append(books, types[t], types[t]);
    books_open_service(books, &books_crm);
    for (size_t l = 0; l < sizeof lists / sizeof *lists; l++) {
        size_t count = 0, wanted = 0;
        while (count < 3 && lists[l][count])
            count++;
        char name[16];
        snprintf(name, sizeof name, "list-%zu", l);
        struct config_service service = {.name = name,
                                         .events = (char **)(uintptr_t)lists[l],
                                         .event_count = count,
                                         .start = CONFIG_START_BEGINNING};
        books_open_service(books, &service);
        struct haul haul = books_take_for(books, &service, BOOKS_MOST, BOOKS_LEASE_MS);
        for (size_t t = 0; t < sizeof types / sizeof *types; t++)
            if (pattern_list_matches(lists[l], count, text_of(types[t])))
                assert_string_equal(haul.taken[wanted++].id, types[t]);
        assert_int_equal(haul.count, wanted);
        assert_int_equal(haul.haul.filtered, sizeof types / sizeof *types - wanted);
    }
    books_assert_balances(books);
}

static void test_a_service_of_one_endpoint_gets_nothing_of_another(void **state) {
    struct books *books = *state;
    char *endpoints[] = {books_name("second")};
    struct config_service service = {
        .name = books_name("crm"), .endpoints = endpoints, .endpoint_count = 1};
    books_open_service(books, &service);
    books_append_body(books, "evt_1", "ping", "first", text_of("{}"));
    books_append_body(books, "evt_2", "ping", "second", text_of("{}"));
    struct haul haul = books_take(books, &service);
    assert_int_equal(haul.count, 1);
    assert_string_equal(haul.taken[0].id, "evt_2");
    books_assert_balances(books);
}

static void test_a_delivered_event_is_done_and_a_second_word_changes_nothing(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    books_append(books, "evt_1", "ping");
    struct haul haul = books_take(books, &books_crm);
    assert_int_equal(books_settle(books, &haul, 0, MOVES_DONE), MOVES_SETTLED);
    assert_int_equal(books_settle(books, &haul, 0, MOVES_DONE), MOVES_LEASE_LOST);
    assert_int_equal(books_settle(books, &haul, 0, MOVES_DEFER), MOVES_LEASE_LOST);
    assert_int_equal(books_settle(books, &haul, 0, MOVES_BURY), MOVES_LEASE_LOST);
    struct audit_service counts = books_assert_balances(books);
    assert_int_equal(counts.done, 1);
    assert_int_equal(counts.owed, 0);
    assert_string_equal(redis_house_say(books->redis, "XLEN kula:log"), ":1\r\n");
}

static void test_a_deferred_event_comes_back_when_due_with_its_attempts(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    books_append(books, "evt_1", "ping");
    struct haul haul = books_take(books, &books_crm);
    assert_int_equal(haul.taken[0].attempts, 0);
    assert_int_equal(books_settle(books, &haul, 0, MOVES_DEFER), MOVES_SETTLED);
    haul = books_take_when_due(books);
    assert_int_equal(haul.taken[0].attempts, 1);
    assert_int_equal(books_settle(books, &haul, 0, MOVES_DEFER), MOVES_SETTLED);
    haul = books_take_when_due(books);
    assert_int_equal(haul.taken[0].attempts, 2);
    assert_int_equal(books_settle(books, &haul, 0, MOVES_DONE), MOVES_SETTLED);
    books_assert_balances(books);
}

static void test_a_service_that_asked_for_a_pause_is_handed_nothing_meanwhile(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    books_append(books, "evt_1", "ping");
    struct haul haul = books_take(books, &books_crm);
    books_settle_as(books, &(struct moves_settle){.service = "crm",
                                                  .stream_id = text_of(haul.taken[0].stream_id),
                                                  .lease = text_of(haul.taken[0].lease),
                                                  .event_id = text_of("evt_1"),
                                                  .verdict = MOVES_DEFER,
                                                  .delay_ms = 1,
                                                  .hold_ms = 200,
                                                  .reason = "answered",
                                                  .status = 503,
                                                  .deadline_ms = BOOKS_DEADLINE_MS});
    books_append(books, "evt_2", "ping");
    haul = books_take(books, &books_crm);
    assert_int_equal(haul.count, 0);
    assert_in_range(haul.haul.held_for_ms, 1, 200);
    assert_false(haul.haul.more);
    do
        haul = books_take(books, &books_crm);
    while (haul.haul.held_for_ms);
    assert_int_equal(haul.count, 2);
    books_assert_balances(books);
}

static void test_a_pause_longer_than_may_be_asked_for_is_a_clock_that_was_set_back(void **state) {
    enum { HOUR_S = 3600 };
    struct books *books = *state;
    books_open_service(books, &books_crm);
    books_append(books, "evt_1", "ping");
    books_say(books, "HSET kula:service:crm held_until %lld000",
              (long long)time(NULL) + 2 * HOUR_S);
    assert_int_equal(books_take(books, &books_crm).count, 1);
}

static void test_an_event_whose_taker_died_is_handed_out_again(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    books_append(books, "evt_1", "ping");
    struct haul dead = books_take_for(books, &books_crm, 8, 30);
    struct haul alive = books_take_when_due(books);
    assert_string_equal(alive.taken[0].id, "evt_1");
    assert_int_equal(alive.taken[0].attempts, 0);
    assert_int_equal(books_settle(books, &dead, 0, MOVES_DEFER), MOVES_LEASE_LOST);
    assert_int_equal(books_settle(books, &dead, 0, MOVES_BURY), MOVES_LEASE_LOST);
    /* The late one did deliver it: that holds. */
    assert_int_equal(books_settle(books, &dead, 0, MOVES_DONE), MOVES_SETTLED);
    assert_int_equal(books_settle(books, &alive, 0, MOVES_DONE), MOVES_LEASE_LOST);
    assert_int_equal(books_assert_balances(books).done, 1);
}

/* With many retries due and many events new, which of the two is handed out is a matter of luck. */
static void test_neither_retries_nor_new_events_wait_for_all_of_the_others(void **state) {
    enum { EACH = 40, CALLS = 30 };
    struct books *books = *state;
    bool retry = false, fresh = false;
    char id[16];
    books_open_service(books, &books_crm);
    for (int i = 0; i < 2 * EACH; i++) {
        snprintf(id, sizeof id, "%s_%d", i < EACH ? "retry" : "fresh", i);
        books_append(books, id, "ping");
        if (i == EACH - 1) /* with leases that run out while the others are appended */
            assert_int_equal(books_take_for(books, &books_crm, EACH, 1).count, EACH);
    }
    for (int call = 0; call < CALLS; call++) {
        struct haul haul = books_take_for(books, &books_crm, 1, BOOKS_LEASE_MS);
        assert_int_equal(haul.count, 1);
        assert_true(haul.haul.more);
        retry = retry || haul.taken[0].id[0] == 'r';
        fresh = fresh || haul.taken[0].id[0] == 'f';
    }
    assert_true(retry);
    assert_true(fresh);
    books_assert_balances(books);
}

static void on_moved(void *arg, enum ledger_outcome outcome, bool found) {
    struct letters *letters = arg;
    assert_int_equal(outcome, LEDGER_DONE);
    letters->found = found;
    letters->books->done = true;
}

static void test_a_dead_letter_comes_back_to_its_service_only(void **state) {
    struct books *books = *state;
    struct config_service other = {.name = books_name("other"), .start = CONFIG_START_BEGINNING};
    books_open_service(books, &books_crm);
    books_open_service(books, &other);
    struct stored stored = books_append(books, "evt_1", "ping");
    struct haul haul = books_take(books, &books_crm);
    assert_int_equal(books_settle(books, &haul, 0, MOVES_BURY), MOVES_SETTLED);
    struct letters letters = books_dead_letters(books);
    assert_int_equal(letters.count, 1);
    assert_string_equal(letters.id, "evt_1");
    assert_string_equal(letters.origin, stored.stream_id);
    assert_string_equal(letters.body, "{\"data\":{}}");
    assert_int_equal(letters.tries, 1);
    books_assert_balances(books);

    dead_revive(books->ledger, "crm", text_of(letters.dead_id), on_moved, &letters);
    books_await(books);
    assert_true(letters.found);
    dead_revive(books->ledger, "crm", text_of(letters.dead_id), on_moved, &letters);
    books_await(books);
    assert_false(letters.found);
    haul = books_take(books, &books_crm);
    assert_int_equal(haul.count, 1);
    assert_string_equal(haul.taken[0].id, "evt_1");
    assert_int_equal(haul.taken[0].attempts, 0);
    assert_int_equal(books_settle(books, &haul, 0, MOVES_DONE), MOVES_SETTLED);
    assert_int_equal(books_take(books, &other).count, 1);
    struct audit_service counts = books_assert_balances(books);
    assert_int_equal(counts.given, 2);
    assert_int_equal(counts.dead, 1);
    assert_int_equal(counts.done, 1);
}

static void test_a_dropped_dead_letter_is_gone_and_no_count_changes(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    books_append(books, "evt_1", "ping");
    struct haul haul = books_take(books, &books_crm);
    books_settle(books, &haul, 0, MOVES_BURY);
    struct letters letters = books_dead_letters(books);
    dead_drop(books->ledger, "crm", text_of(letters.dead_id), on_moved, &letters);
    books_await(books);
    assert_true(letters.found);
    assert_int_equal(books_dead_letters(books).count, 0);
    assert_int_equal(books_assert_balances(books).dead, 1);
}

static void test_a_lost_group_is_made_again_with_what_it_was_owed(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    books_append(books, "evt_1", "ping");
    books_append(books, "evt_2", "ping");
    struct haul haul = books_take_for(books, &books_crm, 1, 30);
    assert_int_equal(haul.count, 1);
    books_say(books, "XGROUP DESTROY kula:events crm");
    books_assert_found(books, "is gone");
    assert_true(books_take(books, &books_crm).haul.no_group);
    books_heal(books, "crm");
    books_assert_balances(books);
    /* The one that was never taken comes at once, the taken one when its lease ends. */
    bool first = false, second = false;
    while (!first || !second) {
        struct haul again = books_take_when_due(books);
        for (size_t i = 0; i < again.count; i++) {
            first = first || strcmp(again.taken[i].id, "evt_1") == 0;
            second = second || strcmp(again.taken[i].id, "evt_2") == 0;
        }
    }
    books_assert_balances(books);
}

static void test_heal_tells_how_much_a_service_has_not_been_given(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    books_append(books, "evt_1", "ping");
    books_append(books, "evt_2", "ping");
    books_append(books, "evt_3", "ping");
    assert_int_equal(books_heal(books, "crm").unread, 3);
    books_take_for(books, &books_crm, 2, BOOKS_LEASE_MS);
    assert_int_equal(books_heal(books, "crm").unread, 1);
    /* Of a group that was made in the middle of the stream Redis knows it at its end. */
    books_say(books, "XGROUP DESTROY kula:events crm");
    assert_int_equal(books_heal(books, "crm").unread, -1);
    books_take_for(books, &books_crm, 3, BOOKS_LEASE_MS);
    assert_int_equal(books_heal(books, "crm").unread, 0);
}

static void test_an_owed_event_without_a_due_time_is_due_now(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    books_append(books, "evt_1", "ping");
    books_take(books, &books_crm);
    books_say(books, "DEL kula:due:crm");
    books_assert_found(books, "have a due time");
    books_heal(books, "crm");
    books_assert_balances(books);
    assert_int_equal(books_take(books, &books_crm).count, 1);
}

static void test_what_is_owed_is_found_again_when_its_state_was_lost(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    books_append(books, "evt_1", "ping");
    books_take(books, &books_crm);
    books_say(books, "DEL kula:due:crm kula:owed:crm");
    assert_int_equal(books_heal(books, "crm").put_back, 1);
    books_assert_balances(books);
    assert_int_equal(books_take(books, &books_crm).count, 1);
}

static void test_take_hands_out_nothing_where_a_key_was_lost(void **state) {
    static const char *const lost[] = {"kula:due:crm", "kula:owed:crm"};
    struct books *books = *state;
    books_open_service(books, &books_crm);
    books_append(books, "evt_1", "ping");
    books_append(books, "evt_2", "ping");
    books_take_for(books, &books_crm, 1, BOOKS_LEASE_MS);
    for (size_t i = 0; i < 2; i++) {
        books_say(books, "DEL %s", lost[i]);
        struct haul haul = books_take(books, &books_crm);
        assert_true(haul.haul.no_group);
        assert_int_equal(haul.count, 0);
        books_heal(books, "crm");
        books_assert_balances(books);
    }
    /* The first one has a due time of "now" or of its lost lease, the second is new. */
    assert_string_equal(redis_house_say(books->redis, "HLEN kula:owed:crm"), ":1\r\n");
    assert_true(books_take(books, &books_crm).count > 0);
}

static void test_a_due_time_alone_is_enough_to_find_what_is_owed(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    books_append(books, "evt_1", "ping");
    books_take_for(books, &books_crm, 1, 1);
    books_say(books, "XGROUP DESTROY kula:events crm");
    books_say(books, "DEL kula:owed:crm");
    assert_int_equal(books_heal(books, "crm").put_back, 1);
    books_assert_balances(books);
    struct haul haul = books_take_when_due(books);
    assert_string_equal(haul.taken[0].id, "evt_1");
    assert_int_equal(books_settle(books, &haul, 0, MOVES_DONE), MOVES_SETTLED);
    assert_int_equal(books_assert_balances(books).done, 1);
}

static void test_a_service_whose_place_was_lost_goes_on_where_its_group_stands(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    books_append(books, "evt_1", "ping");
    struct haul haul = books_take(books, &books_crm);
    books_settle(books, &haul, 0, MOVES_DONE);
    books_append(books, "evt_2", "ping");
    books_say(books, "DEL kula:places");
    assert_true(books_take(books, &books_crm).haul.no_group);
    books_open_service(books, &books_crm);
    haul = books_take(books, &books_crm);
    assert_int_equal(haul.count, 1);
    assert_string_equal(haul.taken[0].id, "evt_2");
    assert_int_equal(books_assert_balances(books).given, 2);
}

static void test_a_service_that_lost_place_and_group_begins_where_it_once_began(void **state) {
    struct books *books = *state;
    books_append(books, "evt_0", "ping");
    books_open_service(books, &(struct config_service){.name = books_name("first")});
    books_open_service(books, &books_crm); /* from now on */
    books_append(books, "evt_1", "ping");
    books_take(books, &books_crm);
    books_say(books, "XGROUP DESTROY kula:events crm");
    books_say(books, "HDEL kula:places crm");
    books_open_service(books, &books_crm);
    books_say(books, "DEL kula:due:crm kula:owed:crm"); /* as if all of it were gone */
    struct haul haul = books_take(books, &books_crm);
    assert_int_equal(haul.count, 1);
    assert_string_equal(haul.taken[0].id, "evt_1");
}

static void test_a_ledger_that_forgot_all_its_services_has_served(void **state) {
    struct books *books = *state;
    books_append(books, "evt_1", "ping");
    books_open_service(books, &(struct config_service){.name = books_name("first")});
    books_say(books, "HDEL kula:places first");
    books_open_service(books, &books_crm); /* from now on */
    books_append(books, "evt_2", "ping");
    struct haul haul = books_take(books, &books_crm);
    assert_int_equal(haul.count, 1);
    assert_string_equal(haul.taken[0].id, "evt_2");
}

static void test_an_owed_event_that_is_gone_counts_as_dropped(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    struct stored stored = books_append(books, "evt_1", "ping");
    books_take_for(books, &books_crm, 1, 1);
    books_say(books, "XDEL kula:events %s", stored.stream_id);
    books_assert_found(books, "no longer in");
    struct haul haul;
    do
        haul = books_take(books, &books_crm);
    while (!haul.haul.dropped);
    assert_int_equal(haul.count, 0);
    assert_int_equal(haul.haul.owed, 0);
    books_assert_found(books, "were taken out of");
}

static void test_a_group_set_by_hand_loses_and_repeats_nothing(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    books_append(books, "evt_1", "ping");
    struct haul haul = books_take(books, &books_crm);
    books_settle(books, &haul, 0, MOVES_DONE);
    books_append(books, "evt_2", "ping");
    books_say(books, "XGROUP SETID kula:events crm $");
    books_assert_found(books, "as if set by hand");
    haul = books_take(books, &books_crm);
    assert_int_equal(haul.count, 1);
    assert_string_equal(haul.taken[0].id, "evt_2");
    books_say(books, "XGROUP SETID kula:events crm 0");
    books_assert_found(books, "as if set by hand");
    assert_int_equal(books_take(books, &books_crm).count, 0);
    books_assert_balances(books);
}

static void test_the_audit_finds_an_entry_acknowledged_by_hand(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    struct stored stored = books_append(books, "evt_1", "ping");
    books_take(books, &books_crm);
    books_say(books, "XACK kula:events crm %s", stored.stream_id);
    books_assert_found(books, "acknowledged by hand");
    books_assert_found(books, stored.stream_id);
    books_heal(books, "crm");
    books_assert_balances(books);
}

static void test_the_audit_finds_an_entry_deleted_from_the_stream(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    struct stored stored = books_append(books, "evt_1", "ping");
    books_say(books, "XDEL kula:events %s", stored.stream_id);
    books_assert_found(books, stored.stream_id);
}

static void test_the_audit_finds_a_count_changed_by_hand(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    books_append(books, "evt_1", "ping");
    books_take(books, &books_crm);
    books_say(books, "HINCRBY kula:count:crm done 1");
    books_assert_found(books, "given is 1, but filtered + done + dead + dropped + owed is 2");
    books_say(books, "HINCRBY kula:count:crm given 1");
    books_assert_found(books, "but 2 were given");
}

static void test_the_audit_finds_an_entry_that_no_endpoint_appended(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    books_say(books, "XADD kula:events * a b");
    books_assert_found(books, "had 1 entries added, but the endpoints appended 0");
}

static void test_the_audit_looks_at_every_page(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    for (int i = 0; i < 2100; i++) {
        char id[16];
        snprintf(id, sizeof id, "evt_%d", i);
        books_append(books, id, "ping");
    }
    struct haul haul;
    do
        haul = books_take_for(books, &books_crm, BOOKS_MOST, BOOKS_LEASE_MS);
    while (haul.haul.more);
    struct audit_service counts = books_assert_balances(books);
    assert_int_equal(counts.given, 2100);
    books_say(books, "XACK kula:events crm %s", haul.taken[haul.count - 1].stream_id);
    books_assert_found(books, haul.taken[haul.count - 1].stream_id);
}

static void test_a_full_redis_refuses_events_but_lets_them_out(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    books_append(books, "evt_1", "ping");
    books_append(books, "evt_2", "ping");
    books_say(books, "CONFIG SET maxmemory 1");
    struct stored stored = books_append_item(
        books,
        &(struct ledger_item){
            .event = {.id = text_of("evt_3"), .type = text_of("ping"), .endpoint = text_of("kula")},
            .window_ms = BOOKS_WINDOW_MS},
        300);
    assert_int_equal(stored.stored, LEDGER_NOT_STORED);
    struct haul haul = books_take(books, &books_crm);
    assert_int_equal(haul.count, 2);
    assert_int_equal(books_settle(books, &haul, 0, MOVES_DONE), MOVES_SETTLED);
    assert_int_equal(books_settle(books, &haul, 1, MOVES_BURY), MOVES_SETTLED);
    books_heal(books, "crm");
    books_say(books, "CONFIG SET maxmemory 0");
    assert_int_equal(books_append(books, "evt_3", "ping").stored, LEDGER_STORED);
    books_assert_balances(books);
}

static void test_an_entry_somebody_else_wrote_is_handed_out_with_empty_fields(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    books_say(books, "XADD kula:events * something else");
    struct haul haul = books_take(books, &books_crm);
    assert_int_equal(haul.count, 1);
    assert_string_equal(haul.taken[0].id, "");
    assert_int_equal(books_settle(books, &haul, 0, MOVES_BURY), MOVES_SETTLED);
}

static void test_a_ledger_of_another_layout_is_refused(void **state) {
    struct books *books = *state;
    books_append(books, "evt_1", "ping");
    books_say(books, "HSET kula:about layout 99"); /* while we are connected */
    assert_int_equal(books_open(books, &books_crm), LEDGER_REFUSED);
    assert_non_null(strstr(ledger_refusal(books->ledger).data, "layout"));
    assert_string_equal(redis_house_say(books->redis, "EXISTS kula:places"), ":0\r\n");
}

static void test_a_ledger_of_another_layout_is_not_connected_to(void **state) {
    struct books *books = *state;
    books_say(books, "HSET kula:about layout 99"); /* before we are */
    assert_int_equal(books_open(books, &books_crm), LEDGER_AWAY);
    assert_false(ledger_connected(books->ledger));
    char *trouble = text_copy(ledger_trouble(books->ledger));
    assert_non_null(strstr(trouble, "kula:about says layout 99, and this program knows 1"));
    free(trouble);
}

static void test_an_append_survives_redis_dying_under_it(void **state) {
    struct books *books = *state;
    books_append(books, "evt_1", "ping");
    redis_house_kill(books->redis);
    struct stored stored;
    books_send_item(
        books,
        &(struct ledger_item){
            .event = {.id = text_of("evt_2"), .type = text_of("ping"), .endpoint = text_of("kula")},
            .window_ms = BOOKS_WINDOW_MS},
        BOOKS_DEADLINE_MS, &stored);
    loop_turn(books->loop);
    redis_house_restart(books->redis);
    books_await(books);
    assert_int_equal(stored.stored, LEDGER_STORED);
}

static void on_ring(void *arg) {
    ++*(int *)arg;
}

/* Not by `done`, which the append that makes it ring sets too. */
static void await_rings(struct books *books, const int *rings, int wanted) {
    loop_timer_set(books->deadline, 2 * BOOKS_DEADLINE_MS);
    while (*rings < wanted)
        loop_turn(books->loop);
    loop_timer_cancel(books->deadline);
}

static void test_the_bell_rings_when_the_stream_grows(void **state) {
    struct books *books = *state;
    int rings = 0;
    struct string why = {0};
    struct bell *bell = bell_create(books->loop, &books->config, on_ring, &rings, &why);
    struct stored first = books_append(books, "evt_1", "ping");
    bell_arm(bell, text_of(first.stream_id));
    bell_arm(bell, text_of(first.stream_id));
    books_append(books, "evt_2", "ping");
    await_rings(books, &rings, 1);
    assert_int_equal(rings, 1);
    bell_arm(bell, text_of(first.stream_id));
    await_rings(books, &rings, 2);
    bell_destroy(bell);
}

struct looked {
    struct books *books;
    size_t count;
    bool more;
    char first[BOOKS_KEPT];
    enum browse_standing standing;
    unsigned attempts;
};

static void on_found(void *arg, const struct browse_page *page) {
    struct looked *looked = arg;
    assert_int_equal(page->outcome, LEDGER_DONE);
    looked->count = page->count;
    looked->more = page->more;
    if (page->count)
        books_keep(looked->first, page->events[0].stream_id);
    looked->books->done = true;
}

static void on_stands(void *arg, const struct browse_stands *stands) {
    struct looked *looked = arg;
    assert_int_equal(stands->outcome, LEDGER_DONE);
    assert_int_equal(stands->count, 1);
    looked->standing = stands->items[0].standing;
    looked->attempts = stands->items[0].attempts;
    looked->books->done = true;
}

static void on_attempts(void *arg, const struct browse_attempts *attempts) {
    struct looked *looked = arg;
    assert_int_equal(attempts->outcome, LEDGER_DONE);
    looked->count = attempts->count;
    looked->books->done = true;
}

static struct looked where(struct books *books, const char *stream_id) {
    struct looked looked = {.books = books};
    browse_where(books->ledger, text_of(stream_id), on_stands, &looked);
    books_await(books);
    return looked;
}

static void test_an_event_can_be_followed_from_unread_to_settled(void **state) {
    struct books *books = *state;
    struct looked looked = {.books = books};
    books_open_service(books, &books_crm);
    struct stored stored = books_append(books, "evt_1", "ping");
    books_append(books, "evt_2", "ping");
    browse_find(books->ledger, text_of("evt_1"), on_found, &looked);
    books_await(books);
    assert_int_equal(looked.count, 1);
    assert_string_equal(looked.first, stored.stream_id);
    assert_int_equal(where(books, stored.stream_id).standing, BROWSE_UNREAD);
    struct haul haul = books_take(books, &books_crm);
    assert_int_equal(where(books, stored.stream_id).standing, BROWSE_OWED);
    books_settle(books, &haul, 0, MOVES_DEFER);
    assert_int_equal(where(books, stored.stream_id).attempts, 1);
    haul = books_take_when_due(books);
    books_settle(books, &haul, 0, MOVES_BURY);
    assert_int_equal(where(books, stored.stream_id).standing, BROWSE_DEAD);
    browse_attempts(books->ledger, text_of("evt_1"), on_attempts, &looked);
    books_await(books);
    assert_int_equal(looked.count, 2);
    browse_find(books->ledger, text_of("evt_none"), on_found, &looked);
    books_await(books);
    assert_int_equal(looked.count, 0);
}

static void test_a_dead_letter_is_found_below_more_than_a_page_of_others(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    struct stored first = books_append(books, "evt_1", "ping");
    struct stored second = books_append(books, "evt_2", "ping");
    struct haul haul = books_take(books, &books_crm);
    books_settle(books, &haul, 0, MOVES_BURY);
    books_settle(books, &haul, 1, MOVES_DONE);
    for (int i = 0; i < 1001; i++)
        books_say(books, "XADD kula:dead:crm * origin 1-%d reason old status 0 tries 1", i);
    assert_int_equal(where(books, first.stream_id).standing, BROWSE_DEAD);
    assert_int_equal(where(books, second.stream_id).standing, BROWSE_SETTLED);
}

static void test_the_stream_is_read_in_pages_and_waited_for(void **state) {
    struct books *books = *state;
    struct looked looked = {.books = books};
    struct stored first = books_append(books, "evt_1", "ping");
    struct stored second = books_append(books, "evt_2", "ping");
    browse_before(books->ledger, text_of(BROWSE_END), 1, on_found, &looked);
    books_await(books);
    assert_string_equal(looked.first, second.stream_id);
    assert_true(looked.more);
    browse_before(books->ledger, text_of(second.stream_id), 10, on_found, &looked);
    books_await(books);
    assert_int_equal(looked.count, 1);
    assert_string_equal(looked.first, first.stream_id);
    assert_false(looked.more);
    browse_after(books->ledger, text_of("0"), 10, on_found, &looked);
    books_await(books);
    assert_int_equal(looked.count, 2);
    assert_string_equal(looked.first, first.stream_id);
    assert_false(looked.more);
    browse_wait(books->ledger, text_of("0"), 1000, on_found, &looked);
    books_await(books);
    assert_int_equal(looked.count, 1);
    assert_string_equal(looked.first, first.stream_id);
    browse_wait(books->ledger, text_of(second.stream_id), 20, on_found, &looked);
    books_await(books);
    assert_int_equal(looked.count, 0);
}

static void test_a_page_of_large_bodies_is_a_short_one(void **state) {
    enum { COUNT = 6, BODY_BYTES = 400 * 1024 };
    static char body[BODY_BYTES];
    struct books *books = *state;
    struct looked looked = {.books = books};
    char id[16];
    memset(body, 'x', sizeof body);
    books_open_service(books, &books_crm);
    for (int i = 0; i < COUNT; i++) {
        snprintf(id, sizeof id, "evt_%d", i);
        books_append_body(books, id, "ping", "kula", text_slice(body, sizeof body));
    }
    browse_after(books->ledger, text_of("0"), 100, on_found, &looked);
    books_await(books);
    assert_int_equal(looked.count, 3);
    assert_true(looked.more);
    for (int i = 0; i < COUNT; i += 3) {
        struct haul haul = books_take(books, &books_crm);
        for (size_t k = 0; k < haul.count; k++)
            books_settle(books, &haul, k, MOVES_BURY);
    }
    assert_int_equal(books_dead_letters(books).count, 3);
    assert_true(books_dead_letters(books).more);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, books_set_up, books_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_an_event_is_stored_once_and_told_as_duplicate_after),
        TEST(test_a_body_with_every_byte_comes_back_as_it_went),
        TEST(test_the_pen_keeps_what_cannot_be_read),
        TEST(test_a_batch_is_appended_when_it_follows_and_else_told_what_is_there),
        TEST(test_what_redis_forgot_is_added_again_and_what_survived_told_as_duplicate),
        TEST(test_the_ledger_says_what_it_has_of_a_spool_and_for_how_long_something_is_owed),
        TEST(test_the_first_service_ever_gets_everything_a_later_one_from_its_start),
        TEST(test_a_service_that_redis_forgot_goes_on_where_it_was),
        TEST(test_events_are_taken_in_order_up_to_the_free_slots),
        TEST(test_a_call_hands_out_little_more_than_a_mebibyte),
        TEST(test_a_service_gets_what_its_patterns_say_and_the_rest_is_counted),
        TEST(test_a_service_of_one_endpoint_gets_nothing_of_another),
        TEST(test_a_delivered_event_is_done_and_a_second_word_changes_nothing),
        TEST(test_a_deferred_event_comes_back_when_due_with_its_attempts),
        TEST(test_a_service_that_asked_for_a_pause_is_handed_nothing_meanwhile),
        TEST(test_a_pause_longer_than_may_be_asked_for_is_a_clock_that_was_set_back),
        TEST(test_an_event_whose_taker_died_is_handed_out_again),
        TEST(test_neither_retries_nor_new_events_wait_for_all_of_the_others),
        TEST(test_a_dead_letter_comes_back_to_its_service_only),
        TEST(test_a_dropped_dead_letter_is_gone_and_no_count_changes),
        TEST(test_a_lost_group_is_made_again_with_what_it_was_owed),
        TEST(test_heal_tells_how_much_a_service_has_not_been_given),
        TEST(test_an_owed_event_without_a_due_time_is_due_now),
        TEST(test_what_is_owed_is_found_again_when_its_state_was_lost),
        TEST(test_take_hands_out_nothing_where_a_key_was_lost),
        TEST(test_a_due_time_alone_is_enough_to_find_what_is_owed),
        TEST(test_a_service_whose_place_was_lost_goes_on_where_its_group_stands),
        TEST(test_a_service_that_lost_place_and_group_begins_where_it_once_began),
        TEST(test_a_ledger_that_forgot_all_its_services_has_served),
        TEST(test_an_owed_event_that_is_gone_counts_as_dropped),
        TEST(test_a_group_set_by_hand_loses_and_repeats_nothing),
        TEST(test_the_audit_finds_an_entry_acknowledged_by_hand),
        TEST(test_the_audit_finds_an_entry_deleted_from_the_stream),
        TEST(test_the_audit_finds_a_count_changed_by_hand),
        TEST(test_the_audit_finds_an_entry_that_no_endpoint_appended),
        TEST(test_the_audit_looks_at_every_page),
        TEST(test_a_full_redis_refuses_events_but_lets_them_out),
        TEST(test_an_entry_somebody_else_wrote_is_handed_out_with_empty_fields),
        TEST(test_a_ledger_of_another_layout_is_refused),
        TEST(test_a_ledger_of_another_layout_is_not_connected_to),
        TEST(test_an_append_survives_redis_dying_under_it),
        TEST(test_the_bell_rings_when_the_stream_grows),
        TEST(test_an_event_can_be_followed_from_unread_to_settled),
        TEST(test_a_dead_letter_is_found_below_more_than_a_page_of_others),
        TEST(test_the_stream_is_read_in_pages_and_waited_for),
        TEST(test_a_page_of_large_bodies_is_a_short_one),
    };
    return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
