/* The connection to Redis when Redis goes: killed, frozen, full, read-only,
 * at each moment of a call's life. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "redis_desk.h"
#include "redis_house.h"

#include "base/clock.h"
#include "base/memory.h"

enum { SOON_MS = 15000, BRIEF_MS = 300 };

static void test_a_call_while_away_ends_unsent_at_its_deadline(void **state) {
    struct redis_house *house = *state;
    struct desk *desk = desk_open(redis_house_url(house));
    struct ask brief, patient;
    desk_wait_connected(desk);
    redis_house_kill(house);
    desk_wait_trouble(desk, "lost the connection");
    int64_t from_ms = clock_steady_ms();
    desk_ask(desk, &patient, "ECHO after", SOON_MS, false);
    desk_ask(desk, &brief, "ECHO never", BRIEF_MS, true);
    desk_wait(desk, &brief);
    assert_int_equal(brief.outcome, REDIS_UNSENT);
    assert_true(clock_steady_ms() - from_ms >= BRIEF_MS - 5);
    assert_int_equal(patient.times, 0);
    redis_house_restart(house);
    desk_wait(desk, &patient);
    assert_int_equal(patient.outcome, REDIS_REPLIED);
    assert_int_equal(desk->ups, 2);
    assert_int_equal(desk->downs, 1);
    ask_finish(&brief);
    ask_finish(&patient);
    desk_close(desk);
}

/* Frozen, Redis takes the bytes into the socket's buffer and says nothing. */
static void send_into_the_ice(struct desk *desk, struct redis_house *house) {
    desk_wait_connected(desk);
    redis_house_pause(house);
}

static void test_killed_before_the_reply_only_repeatable_calls_come_back(void **state) {
    struct redis_house *house = *state;
    struct desk *desk = desk_open(redis_house_url(house));
    struct ask again[3], once;
    send_into_the_ice(desk, house);
    desk_ask(desk, &again[0], "RPUSH line a", SOON_MS, true);
    desk_ask(desk, &once, "RPUSH line x", SOON_MS, false);
    desk_ask(desk, &again[1], "RPUSH line b", SOON_MS, true);
    desk_ask(desk, &again[2], "LRANGE line 0 -1", SOON_MS, true);
    loop_turn(desk->loop);
    redis_house_kill(house);
    desk_wait(desk, &once);
    assert_int_equal(once.outcome, REDIS_UNKNOWN);
    assert_int_equal(again[0].times, 0);
    redis_house_restart(house);
    desk_wait(desk, &again[2]);
    /* In the old order, and nothing in between. */
    assert_int_equal(again[0].integer, 1);
    assert_int_equal(again[1].integer, 2);
    assert_int_equal(again[2].count, 2);
    for (size_t i = 0; i < 3; i++)
        ask_finish(&again[i]);
    ask_finish(&once);
    desk_close(desk);
}

static void test_what_may_have_run_is_never_called_unsent(void **state) {
    struct redis_house *house = *state;
    struct desk *desk = desk_open(redis_house_url(house));
    struct ask ask;
    send_into_the_ice(desk, house);
    desk_ask(desk, &ask, "INCR maybe", BRIEF_MS, true);
    loop_turn(desk->loop);
    redis_house_kill(house);
    desk_wait(desk, &ask);
    assert_int_equal(ask.outcome, REDIS_UNKNOWN);
    ask_finish(&ask);
    desk_close(desk);
    redis_house_restart(house);
}

static void test_a_frozen_redis_is_left_after_a_while_and_not_for_one_short_deadline(void **state) {
    struct redis_house *house = *state;
    struct desk *desk = desk_open(redis_house_url(house));
    struct ask oldest, behind, brief, once;
    send_into_the_ice(desk, house);
    desk_ask(desk, &oldest, "ECHO oldest", 2 * BRIEF_MS, true);
    desk_ask(desk, &behind, "ECHO behind", SOON_MS, true);
    desk_ask(desk, &once, "ECHO once", SOON_MS, false);
    desk_ask(desk, &brief, "ECHO brief", BRIEF_MS, true);
    desk_wait(desk, &brief);
    assert_int_equal(brief.outcome, REDIS_UNKNOWN);
    desk_wait(desk, &oldest);
    assert_int_equal(oldest.outcome, REDIS_UNKNOWN);
    /* One short deadline is no reason to leave; a long silence is. */
    assert_int_equal(desk->downs, 0);
    desk_wait(desk, &once);
    assert_int_equal(once.outcome, REDIS_UNKNOWN);
    assert_int_equal(desk->downs, 1);
    assert_int_equal(behind.times, 0);
    redis_house_resume(house);
    desk_wait(desk, &behind);
    assert_true(text_is(string_text(&behind.text), "behind"));
    assert_int_equal(oldest.times + brief.times + once.times, 3);
    ask_finish(&oldest);
    ask_finish(&behind);
    ask_finish(&brief);
    ask_finish(&once);
    desk_close(desk);
}

static void test_a_frozen_redis_is_left_however_patient_its_calls_are(void **state) {
    struct redis_house *house = *state;
    struct desk *desk = desk_open(redis_house_url(house));
    struct ask patient, brief, once;
    send_into_the_ice(desk, house);
    desk_ask(desk, &patient, "ECHO patient", 10 * 60 * 1000, true);
    desk_ask(desk, &brief, "ECHO brief", BRIEF_MS, true);
    desk_ask(desk, &once, "ECHO once", 10 * 60 * 1000, false);
    desk_wait(desk, &once);
    assert_int_equal(once.outcome, REDIS_UNKNOWN);
    assert_int_equal(desk->downs, 1);
    assert_int_equal(patient.times, 0);
    redis_house_resume(house);
    desk_wait(desk, &patient);
    assert_true(text_is(string_text(&patient.text), "patient"));
    ask_finish(&patient);
    ask_finish(&brief);
    ask_finish(&once);
    desk_close(desk);
}

/* Longer than a Redis that does not block may take. */
static void test_a_read_that_blocks_is_given_its_time(void **state) {
    static const struct text words[] = {{"BLPOP", 5}, {"nothing", 7}, {"6", 1}};
    struct redis_house *house = *state;
    struct desk *desk = desk_open(redis_house_url(house));
    struct ask blocked, behind;
    desk_wait_connected(desk);
    desk_call(
        desk, &blocked,
        &(struct redis_call){.args = words, .count = 3, .block_ms = 6000, .deadline_ms = SOON_MS});
    desk_ask(desk, &behind, "ECHO behind", SOON_MS, false);
    desk_wait(desk, &behind);
    assert_int_equal(blocked.outcome, REDIS_REPLIED);
    assert_int_equal(behind.outcome, REDIS_REPLIED);
    assert_int_equal(desk->downs, 0);
    ask_finish(&blocked);
    ask_finish(&behind);
    desk_close(desk);
}

static void test_a_short_frost_costs_only_those_who_could_not_wait(void **state) {
    struct redis_house *house = *state;
    struct desk *desk = desk_open(redis_house_url(house));
    struct ask patient, brief, after;
    send_into_the_ice(desk, house);
    desk_ask(desk, &patient, "ECHO patient", SOON_MS, false);
    desk_ask(desk, &brief, "ECHO brief", BRIEF_MS, false);
    desk_ask(desk, &after, "ECHO after", SOON_MS, false);
    desk_wait(desk, &brief);
    redis_house_resume(house);
    desk_wait(desk, &after);
    /* The late reply to `brief` found nobody home and shifted nobody's. */
    assert_true(text_is(string_text(&patient.text), "patient"));
    assert_true(text_is(string_text(&after.text), "after"));
    assert_int_equal(brief.times, 1);
    assert_int_equal(desk->downs, 0);
    ask_finish(&patient);
    ask_finish(&brief);
    ask_finish(&after);
    desk_close(desk);
}

/* For so long the machine was suspended: one clock knows. */
static time_t suspended_s;

int clock_gettime(clockid_t which, struct timespec *now) {
    int status = (int)syscall(SYS_clock_gettime, which, now);
    now->tv_sec += which == CLOCK_BOOTTIME ? suspended_s : 0;
    return status;
}

static void ask_what_goes_stale(struct desk *desk, struct ask *ask) {
    static const struct text words[] = {{"ECHO", 4}, {"stale", 5}};
    desk_call(
        desk, ask,
        &(struct redis_call){.args = words, .count = 2, .fresh_ms = 4000, .deadline_ms = SOON_MS});
}

static void test_a_reply_that_is_read_after_a_long_sleep_is_no_reply(void **state) {
    struct desk *desk = desk_open(redis_house_url(*state));
    struct ask stale, other;
    desk_wait_connected(desk);
    ask_what_goes_stale(desk, &stale);
    desk_ask(desk, &other, "ECHO other", SOON_MS, false);
    suspended_s += 60;
    desk_wait(desk, &other);
    assert_int_equal(stale.outcome, REDIS_UNKNOWN);
    assert_true(text_is(string_text(&other.text), "other"));
    assert_int_equal(desk->downs, 0);
    ask_finish(&stale);
    ask_finish(&other);
    desk_close(desk);
}

static void test_what_waited_long_for_redis_is_fresh_when_it_is_answered(void **state) {
    struct redis_house *house = *state;
    struct desk *desk = desk_open(redis_house_url(house));
    struct ask ask;
    desk_wait_connected(desk);
    redis_house_kill(house);
    desk_wait_trouble(desk, "lost the connection");
    ask_what_goes_stale(desk, &ask);
    suspended_s += 60;
    redis_house_restart(house);
    desk_wait(desk, &ask);
    assert_int_equal(ask.outcome, REDIS_REPLIED);
    ask_finish(&ask);
    desk_close(desk);
}

static void test_a_frozen_greeting_is_given_up(void **state) {
    struct redis_house *house = *state;
    redis_house_pause(house);
    struct desk *desk = desk_open(redis_house_url(house));
    desk_wait_trouble(desk, "does not answer");
    redis_house_resume(house);
    desk_wait_connected(desk);
    desk_close(desk);
}

static void test_a_full_redis_is_asked_again_until_there_is_room(void **state) {
    struct redis_house *house = *state;
    struct desk *desk = desk_open(redis_house_url(house));
    struct ask patient, brief, once, beside;
    desk_wait_connected(desk);
    redis_house_say(house, "CONFIG SET maxmemory-policy noeviction maxmemory 100kb");
    desk_ask(desk, &patient, "SET full yes", SOON_MS, true);
    desk_ask(desk, &once, "SET full no", SOON_MS, false);
    desk_ask(desk, &brief, "SET full never", BRIEF_MS, true);
    desk_ask(desk, &beside, "PING", SOON_MS, true);
    desk_wait(desk, &brief);
    assert_int_equal(brief.outcome, REDIS_REFUSED);
    assert_true(text_starts(string_text(&brief.text), "OOM "));
    assert_int_equal(once.outcome, REDIS_REFUSED);
    assert_int_equal(beside.outcome, REDIS_REPLIED);
    assert_int_equal(beside.times, 1);
    assert_int_equal(patient.times, 0);
    redis_house_say(house, "CONFIG SET maxmemory 0");
    desk_wait(desk, &patient);
    assert_int_equal(patient.outcome, REDIS_REPLIED);
    assert_int_equal(desk->downs, 0);
    ask_finish(&patient);
    ask_finish(&brief);
    ask_finish(&once);
    ask_finish(&beside);
    desk_close(desk);
}

static void test_a_read_only_redis_is_left_for_a_better_one(void **state) {
    struct redis_house *house = *state;
    struct desk *desk = desk_open(redis_house_url(house));
    struct ask again, once;
    desk_wait_connected(desk);
    /* A replica of nobody: it takes no writes. */
    redis_house_say(house, "REPLICAOF 127.0.0.1 1");
    desk_ask(desk, &once, "SET replica no", SOON_MS, false);
    desk_ask(desk, &again, "SET replica yes", SOON_MS, true);
    desk_wait(desk, &once);
    assert_int_equal(once.outcome, REDIS_REFUSED);
    desk_wait_trouble(desk, "READONLY");
    redis_house_say(house, "REPLICAOF NO ONE");
    desk_wait(desk, &again);
    assert_int_equal(again.outcome, REDIS_REPLIED);
    /* However often it was looked at meanwhile: it was away once. */
    assert_int_equal(desk->ups, 2);
    assert_int_equal(desk->downs, 1);
    ask_finish(&again);
    ask_finish(&once);
    desk_close(desk);
}

struct leaver {
    struct desk *desk;
    bool told;
};

static void on_down_destroy(void *arg, bool connected) {
    struct leaver *leaver = arg;
    if (connected)
        return;
    leaver->told = true;
    redis_destroy(leaver->desk->redis);
    leaver->desk->redis = NULL;
}

static void on_never(void *arg, enum redis_outcome outcome, const struct redis_value *value) {
    (void)arg;
    (void)outcome;
    (void)value;
    fail();
}

static void test_the_one_told_of_a_loss_may_destroy_the_connection(void **state) {
    struct redis_house *house = *state;
    struct desk desk = {.loop = loop_create()};
    struct leaver leaver = {.desk = &desk};
    const struct text word = text_of("PING");
    struct string why = {0};
    desk.redis = redis_create(desk.loop,
                              &(struct redis_options){.url = redis_house_url(house),
                                                      .on_state = on_down_destroy,
                                                      .arg = &leaver},
                              &why);
    send_into_the_ice(&desk, house);
    redis_call(desk.redis, &(struct redis_call){.args = &word, .count = 1, .deadline_ms = SOON_MS},
               on_never, NULL);
    loop_turn(desk.loop);
    redis_house_kill(house);
    while (!leaver.told)
        loop_turn(desk.loop);
    loop_destroy(desk.loop);
    redis_house_restart(house);
}

enum { LOAD = 2000 };

static void test_a_restart_in_the_middle_of_a_load_loses_nothing(void **state) {
    static const char *const args[] = {"--appendonly", "yes", "--appendfsync", "always", NULL};
    struct redis_house *house = redis_house_start(args);
    struct desk *desk = desk_open(redis_house_url(house));
    struct ask *asks = memory_new(LOAD * sizeof *asks);
    char command[64];
    (void)state;
    desk_wait_connected(desk);
    for (size_t i = 0; i < LOAD; i++) {
        snprintf(command, sizeof command, "SADD all member-%zu", i);
        desk_ask(desk, &asks[i], command, 2 * SOON_MS, true);
        if (i % 500 == 250)
            redis_house_restart(house);
        if (i % 10 == 0)
            loop_turn(desk->loop);
    }
    struct ask size;
    for (size_t i = 0; i < LOAD; i++) {
        desk_wait(desk, &asks[i]);
        assert_int_equal(asks[i].outcome, REDIS_REPLIED);
        ask_finish(&asks[i]);
    }
    desk_ask(desk, &size, "SCARD all", SOON_MS, true);
    desk_wait(desk, &size);
    assert_int_equal(size.integer, LOAD);
    ask_finish(&size);
    free(asks);
    desk_close(desk);
    redis_house_stop(house);
}

/* Somebody else behind the socket, who says these bytes and hangs up. */
static void test_what_is_no_redis_is_told_and_left(void **state) {
    static const struct {
        const char *says, *trouble;
    } cases[] = {
        {"HTTP/1.1 400 Bad Request\r\n", "does not speak Redis' protocol"},
        {"+OK\r\n*2000000\r\n", "does not speak Redis' protocol"},
        {"+OK\r\n$5\r\nhello\r\n:1\r\n", "sends what nobody asked for"},
        {"-ERR unknown command 'AUTH', with args beginning with: 'sesame'\r\n",
         "refuses AUTH: unknown command"},
        {"-LOADING Redis is loading the dataset in memory\r\n", "refuses AUTH: LOADING"},
        {"+OK\r\n", "closed by the other side"},
        {"", "closed by the other side"},
    };
    struct redis_house *house = *state;
    unsigned char password[] = "sesame";
    const struct secret secret = {password, sizeof password - 1};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char url[128];
    snprintf(address.sun_path, sizeof address.sun_path, "%s/x", redis_house_folder(house));
    snprintf(url, sizeof url, "unix://%s", address.sun_path);
    int door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(door, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(door, 8), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct desk *desk =
            desk_open_with(&(struct redis_options){.url = url, .password = &secret});
        int peer = accept(door, NULL, NULL);
        size_t size = strlen(cases[i].says);
        assert_int_equal(send(peer, cases[i].says, size, MSG_NOSIGNAL), size);
        shutdown(peer, SHUT_WR);
        desk_wait_trouble(desk, cases[i].trouble);
        assert_null(strstr(redis_trouble(desk->redis).data, "sesame"));
        assert_int_equal(desk->ups, desk->downs);
        close(peer);
        desk_close(desk);
    }
    close(door);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call_while_away_ends_unsent_at_its_deadline),
        cmocka_unit_test(test_killed_before_the_reply_only_repeatable_calls_come_back),
        cmocka_unit_test(test_what_may_have_run_is_never_called_unsent),
        cmocka_unit_test(test_a_frozen_redis_is_left_after_a_while_and_not_for_one_short_deadline),
        cmocka_unit_test(test_a_frozen_redis_is_left_however_patient_its_calls_are),
        cmocka_unit_test(test_a_read_that_blocks_is_given_its_time),
        cmocka_unit_test(test_a_short_frost_costs_only_those_who_could_not_wait),
        cmocka_unit_test(test_a_reply_that_is_read_after_a_long_sleep_is_no_reply),
        cmocka_unit_test(test_what_waited_long_for_redis_is_fresh_when_it_is_answered),
        cmocka_unit_test(test_a_frozen_greeting_is_given_up),
        cmocka_unit_test(test_a_full_redis_is_asked_again_until_there_is_room),
        cmocka_unit_test(test_a_read_only_redis_is_left_for_a_better_one),
        cmocka_unit_test(test_the_one_told_of_a_loss_may_destroy_the_connection),
        cmocka_unit_test(test_what_is_no_redis_is_told_and_left),
        cmocka_unit_test(test_a_restart_in_the_middle_of_a_load_loses_nothing),
    };
    return cmocka_run_group_tests(tests, redis_house_set_up, redis_house_tear_down);
}
