/* A courier that is told to stop: it waits for what was handed out, and for nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/config.h"
#include "base/memory.h"
#include "forward/attempt.h"
#include "forward/courier.h"
#include "ledger/moves.h"
#include "redis_house.h"

enum { DEADLINE_MS = 20000 };

struct house {
    struct loop *loop;
    struct loop_timer *deadline;
    struct redis_house *redis;
    struct config config;
    struct config_service service;
    struct courier_house couriers;
    struct courier *courier;
    bool opened, rests;
};

static void on_deadline(void *arg) {
    (void)arg;
    fail_msg("nothing came before the deadline");
}

static void on_rest(void *arg) {
    struct house *house = arg;
    house->rests = true;
}

static void on_lost(void *arg) {
    (void)arg;
    fail_msg("the ledger knows the service");
}

static void on_opened(void *arg, enum ledger_outcome outcome) {
    struct house *house = arg;
    assert_int_equal(outcome, LEDGER_DONE);
    house->opened = true;
}

static int set_up(void **state) {
    static char name[] = "crm", prefix[] = "kula", url[] = "http://127.0.0.1:1/";
    struct house *house = memory_new(sizeof *house);
    struct string why = {0};
    house->loop = loop_create();
    house->deadline = loop_timer_create(house->loop, on_deadline, NULL);
    loop_timer_set(house->deadline, DEADLINE_MS);
    house->redis = redis_house_start(NULL);
    house->service = (struct config_service){.name = name, .url = url, .concurrency = 8};
    house->config.redis.url = text_copy(text_of(redis_house_url(house->redis)));
    house->config.redis.prefix = prefix;
    house->couriers = (struct courier_house){
        .loop = house->loop,
        .ledger = ledger_create(house->loop, &house->config, "test", NULL, NULL, &why),
        .client = http_client_create(house->loop),
        .metrics = metrics_create(),
        .on_rest = on_rest,
        .on_lost = on_lost,
        .arg = house,
    };
    house->courier = courier_create(&house->couriers, &house->service);
    moves_open(house->couriers.ledger, &(struct moves_start){.service = &house->service}, 1,
               DEADLINE_MS, on_opened, house);
    *state = house;
    return 0;
}

static int tear_down(void **state) {
    struct house *house = *state;
    http_client_destroy(house->couriers.client);
    ledger_destroy(house->couriers.ledger);
    courier_destroy(house->courier);
    metrics_destroy(house->couriers.metrics);
    loop_timer_destroy(house->deadline);
    loop_destroy(house->loop);
    redis_house_stop(house->redis);
    free(house->config.redis.url);
    free(house);
    return 0;
}

/* It has taken all there is, which is nothing, and waits for the bell. */
static void bring_to_rest(struct house *house) {
    while (!house->opened)
        loop_turn(house->loop);
    courier_open(house->courier);
    while (!courier_waits_at(house->courier).size)
        loop_turn(house->loop);
    house->rests = false;
}

static void test_told_to_stop_while_redis_is_away_it_is_done_at_once(void **state) {
    struct house *house = *state;
    bring_to_rest(house);
    redis_house_kill(house->redis);
    while (ledger_connected(house->couriers.ledger))
        loop_turn(house->loop);
    courier_wake(house->courier); /* it wants to take: the call waits for Redis */
    courier_stop(house->courier);
    assert_true(courier_done(house->courier));
}

static void test_told_to_stop_while_it_takes_it_waits_for_what_it_is_handed(void **state) {
    struct house *house = *state;
    bring_to_rest(house);
    courier_wake(house->courier);
    courier_stop(house->courier);
    assert_false(courier_done(house->courier));
    while (!house->rests)
        loop_turn(house->loop);
    assert_true(courier_done(house->courier));
}

static void
test_it_follows_another_edition_at_rest_and_after_a_take_that_is_under_way(void **state) {
    struct house *house = *state;
    struct config_service services[] = {house->service, house->service};
    struct config first = {.services = &services[0], .service_count = 1};
    struct config second = {.services = &services[1], .service_count = 1};
    house->config.services = &house->service;
    house->config.service_count = 1;
    assert_true(courier_holds(house->courier, &house->config));
    bring_to_rest(house);
    courier_change(house->courier, &services[0]);
    assert_true(courier_holds(house->courier, &first));
    assert_false(courier_holds(house->courier, &house->config));
    courier_wake(house->courier); /* it takes, by the lease and filter of this edition */
    courier_change(house->courier, &services[1]);
    assert_true(courier_holds(house->courier, &first));
    assert_true(courier_holds(house->courier, &second));
    while (courier_holds(house->courier, &first))
        loop_turn(house->loop);
    assert_true(courier_holds(house->courier, &second));
}

static void test_it_is_not_idle_while_the_ledger_may_call_back(void **state) {
    struct house *house = *state;
    bring_to_rest(house);
    redis_house_kill(house->redis);
    while (ledger_connected(house->couriers.ledger))
        loop_turn(house->loop);
    courier_wake(house->courier);
    courier_stop(house->courier);
    assert_true(courier_done(house->courier));
    assert_false(courier_idle(house->courier));
    courier_change(house->courier, &house->service); /* it is wanted again */
    assert_false(courier_done(house->courier));
}

static void test_an_attempt_that_forgot_its_body_is_still_known_by_all_else(void **state) {
    (void)state;
    struct moves_taken taken = {
        .event = {.stream_id = text_of("1-1"), .id = text_of("evt_1"), .body = text_of("{}")},
        .lease = text_of("lease"),
    };
    struct attempt *attempt = attempt_create(&taken, 0);
    assert_true(text_is(attempt->event.body, "{}"));
    attempt_forget_body(attempt);
    assert_int_equal(attempt->event.body.size, 0);
    assert_true(text_is(attempt->event.stream_id, "1-1"));
    assert_true(text_is(attempt->event.id, "evt_1"));
    assert_true(text_is(attempt->lease, "lease"));
    attempt_destroy(attempt);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_told_to_stop_while_redis_is_away_it_is_done_at_once),
        TEST(test_told_to_stop_while_it_takes_it_waits_for_what_it_is_handed),
        TEST(test_it_follows_another_edition_at_rest_and_after_a_take_that_is_under_way),
        TEST(test_it_is_not_idle_while_the_ledger_may_call_back),
        cmocka_unit_test(test_an_attempt_that_forgot_its_body_is_still_known_by_all_else),
    };
    return cmocka_run_group_tests_name("courier", tests, NULL, NULL);
}
