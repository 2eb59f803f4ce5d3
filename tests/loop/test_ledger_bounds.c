/* How much one call of the ledger reads and copies, for Redis answers nobody else meanwhile. Events
 * of 600 KiB: two of them are more than a mebibyte, and the rest is for the next calls. */
#include <stdio.h>
#include <string.h>

#include "books.h"

enum { EVENTS = 7, A_CALL = 2, OVER_MS = 1 };

static void add_event(struct books *books, int number, const char *type, const char *to) {
    books_say(books,
              "EVAL \"return redis.call('XADD', KEYS[1], '*', 'id', ARGV[1], 'type', ARGV[2], "
              "'endpoint', 'kula', 'body', string.rep('x', 614400), unpack(ARGV, 3))\" 1 "
              "kula:events evt_%d %s %s",
              number, type, to);
    books_say(books, "HINCRBY kula:endpoint:kula appended 1");
}

static void add_events(struct books *books, const char *type, const char *to) {
    for (int i = 0; i < EVENTS; i++)
        add_event(books, i, type, to);
}

static struct haul take(struct books *books, const struct config_service *service,
                        const struct moves_order *order, int64_t owed_most_ms) {
    return books_take_as(books, &(struct moves_take){service, 8, 8, BOOKS_LEASE_MS, owed_most_ms,
                                                     BOOKS_DEADLINE_MS, order});
}

/* All of them were tried once, are due, and too old. */
static void add_owed_too_long(struct books *books) {
    books_open_service(books, &books_crm);
    add_events(books, "ping", "");
    for (int taken = 0; taken < EVENTS;) {
        struct haul haul = take(books, &books_crm, NULL, BOOKS_OWED_MOST_MS);
        for (size_t i = 0; i < haul.count; i++)
            taken += books_settle(books, &haul, i, MOVES_DEFER) == MOVES_SETTLED &&
                     haul.taken[i].attempts == 0;
    }
    books_say(books, "EVAL \"for i, id in ipairs(redis.call('HKEYS', KEYS[1])) do "
                     "redis.call('HSET', KEYS[1], id, '- 1 1000 1000 answered') "
                     "redis.call('ZADD', KEYS[2], i, id) end\" 2 kula:owed:crm kula:due:crm");
}

static void assert_buried_little_by_little(struct books *books, const struct moves_order *order) {
    int64_t expired = 0;
    for (int call = 0; expired < EVENTS; call++) {
        struct haul haul = take(books, &books_crm, order, OVER_MS);
        assert_in_range(haul.haul.expired, 1, A_CALL);
        assert_int_equal(haul.count, 0);
        expired += haul.haul.expired;
        assert_int_equal(haul.haul.owed, EVENTS - expired);
    }
    assert_int_equal(books_assert_balances(books).dead, EVENTS);
}

/* Then what is wanted and stands behind it is handed out. */
static void assert_passed_over(struct books *books, const struct config_service *service) {
    books_append(books, "evt_wanted", "ping");
    for (int call = 0; call < EVENTS / A_CALL; call++) {
        struct haul haul = take(books, service, NULL, BOOKS_OWED_MOST_MS);
        assert_int_equal(haul.count, 0);
        assert_true(haul.haul.more);
    }
    struct haul haul = take(books, service, NULL, BOOKS_OWED_MOST_MS);
    assert_int_equal(haul.count, 1);
    assert_string_equal(haul.taken[0].id, "evt_wanted");
    assert_false(haul.haul.more);
    books_assert_balances(books);
}

static void test_a_call_passes_over_a_mebibyte_of_what_is_not_wanted(void **state) {
    struct books *books = *state;
    char *wanted[] = {books_name("ping")};
    struct config_service pings = {
        .name = books_name("crm"), .concurrency = 8, .events = wanted, .event_count = 1};
    books_open_service(books, &pings);
    add_events(books, "pong", "");
    assert_passed_over(books, &pings);
}

static void test_a_call_passes_over_a_mebibyte_of_what_is_anothers(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    add_events(books, "ping", "to other");
    assert_passed_over(books, &books_crm);
}

static void test_a_call_buries_a_mebibyte_of_what_is_due(void **state) {
    add_owed_too_long(*state);
    assert_buried_little_by_little(*state, NULL);
}

static void test_a_call_buries_a_mebibyte_while_nothing_is_handed_out(void **state) {
    struct books *books = *state;
    add_owed_too_long(books);
    books_say(books, "HSET kula:service:crm paused 1");
    assert_buried_little_by_little(books, NULL);
}

/* The heads are all that are owed; with those that are gone the later calls make no ado. */
static void bury_in_order(struct books *books) {
    static char ids[EVENTS][BOOKS_KEPT];
    struct moves_head heads[EVENTS];
    for (size_t i = 0; i < EVENTS; i++) {
        char command[64];
        snprintf(command, sizeof command, "ZRANGE kula:due:crm %zu %zu", i, i);
        const char *reply = redis_house_say(books->redis, command);
        sscanf(strchr(reply, '$') + 1, "%*d %63[0-9-]", ids[i]);
        heads[i] = (struct moves_head){text_of(ids[i]), text_of(ids[i])};
    }
    struct moves_order order = {"a", BOOKS_LEASE_MS, {0}, heads, EVENTS};
    take(books, &books_crm, &order, BOOKS_OWED_MOST_MS); /* it becomes the owner */
    assert_buried_little_by_little(books, &order);
}

static void test_a_call_buries_a_mebibyte_of_the_heads(void **state) {
    add_owed_too_long(*state);
    bury_in_order(*state);
}

static void test_a_call_buries_a_mebibyte_of_the_heads_while_nothing_is_handed_out(void **state) {
    struct books *books = *state;
    add_owed_too_long(books);
    books_say(books, "HSET kula:service:crm paused 1");
    bury_in_order(books);
}

static void test_what_is_owed_is_healed_without_a_look_at_its_body(void **state) {
    struct books *books = *state;
    add_owed_too_long(books);
    books_say(books, "XGROUP DESTROY kula:events crm");
    books_say(books, "CONFIG RESETSTAT");
    books_heal(books, "crm");
    assert_null(strstr(redis_house_say(books->redis, "INFO commandstats"), "cmdstat_xrange"));
    assert_int_equal(books_assert_balances(books).owed, EVENTS);
}

static int script_calls(struct books *books) {
    int calls = -1;
    const char *stats = strstr(redis_house_say(books->redis, "INFO commandstats"), "_evalsha:");
    assert_non_null(stats);
    sscanf(stats, "_evalsha:calls=%d", &calls);
    return calls;
}

static void add_small_events(struct books *books, int count) {
    books_say(books,
              "EVAL \"for i = 1, ARGV[1] do redis.call('XADD', KEYS[1], '*', 'id', 'evt_' .. i, "
              "'type', 'ping', 'endpoint', 'kula', 'body', '{}') end "
              "redis.call('HINCRBY', KEYS[2], 'appended', ARGV[1])\" "
              "2 kula:events kula:endpoint:kula %d",
              count);
}

static void take_all(struct books *books) {
    struct haul haul;
    do
        haul = books_take_for(books, &books_crm, BOOKS_MOST, BOOKS_LEASE_MS);
    while (haul.haul.more);
}

static void lose_the_group(struct books *books) {
    books_say(books, "XGROUP DESTROY kula:events crm");
}

static void lose_group_and_owed(struct books *books) {
    books_say(books, "XGROUP DESTROY kula:events crm");
    books_say(books, "DEL kula:owed:crm");
}

static void lose_owed_and_due(struct books *books) {
    books_say(books, "DEL kula:owed:crm kula:due:crm");
}

static void lose_due(struct books *books) {
    books_say(books, "DEL kula:due:crm");
}

/* Set back by a day; the first look is for these alone. */
static void lose_the_clock(struct books *books) {
    books_say(books, "EVAL \"for i, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do "
                     "redis.call('ZADD', KEYS[1], '+inf', id) end\" 1 kula:due:crm");
}

static void test_a_call_heals_a_page_of_what_is_owed_and_the_calls_together_all(void **state) {
    enum { MANY = 2000, PAGE = 500 };
    static const struct {
        void (*lose)(struct books *);
        int64_t put_back, made_due;
    } rows[] = {
        {lose_the_group, MANY, 0}, {lose_group_and_owed, MANY, 0}, {lose_owed_and_due, MANY, MANY},
        {lose_due, 0, MANY},       {lose_the_clock, 0, MANY},
    };
    struct books *books = *state;
    books_open_service(books, &books_crm);
    add_small_events(books, MANY);
    take_all(books);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rows[i].lose(books);
        books_say(books, "CONFIG RESETSTAT");
        struct moves_healed healed = books_heal(books, "crm");
        assert_in_range(script_calls(books), MANY / PAGE, 4 * (MANY / PAGE + 1));
        assert_int_equal(healed.put_back, rows[i].put_back);
        assert_int_equal(healed.made_due, rows[i].made_due);
        assert_int_equal(healed.dropped, 0);
        assert_int_equal(books_assert_balances(books).owed, MANY);
    }
}

/* Nothing stands between start and place, so that all its pages are for what is owed. */
static void
test_the_audit_looks_at_a_mebibyte_of_what_is_owed_at_once_and_at_all_of_it(void **state) {
    struct books *books = *state;
    add_owed_too_long(books);
    books_say(books,
              "EVAL \"redis.call('HSET', KEYS[1], 'start', redis.call('HGET', KEYS[2], "
              "'crm')) redis.call('XDEL', KEYS[3], redis.call('HKEYS', KEYS[4])[%d])\" 4 "
              "kula:service:crm kula:places kula:events kula:owed:crm",
              EVENTS);
    books_say(books, "CONFIG RESETSTAT");
    books_assert_found(books, "1 owed events are no longer in");
    /* For the stream, for the service, and for its pages. */
    assert_int_equal(script_calls(books), 1 + 1 + (EVENTS + 1) / A_CALL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, books_set_up, books_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_a_call_passes_over_a_mebibyte_of_what_is_not_wanted),
        TEST(test_a_call_passes_over_a_mebibyte_of_what_is_anothers),
        TEST(test_a_call_buries_a_mebibyte_of_what_is_due),
        TEST(test_a_call_buries_a_mebibyte_while_nothing_is_handed_out),
        TEST(test_a_call_buries_a_mebibyte_of_the_heads),
        TEST(test_a_call_buries_a_mebibyte_of_the_heads_while_nothing_is_handed_out),
        TEST(test_what_is_owed_is_healed_without_a_look_at_its_body),
        TEST(test_a_call_heals_a_page_of_what_is_owed_and_the_calls_together_all),
        TEST(test_the_audit_looks_at_a_mebibyte_of_what_is_owed_at_once_and_at_all_of_it),
    };
    return cmocka_run_group_tests_name("ledger_bounds", tests, NULL, NULL);
}
