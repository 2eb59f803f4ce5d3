/* Where a delivery becomes durable: a real disk and a real Redis, and an end while one is on its
 * way to either. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "redis_house.h"
#include "serve/spools.h"
#include "serve/store.h"

enum { HOLD_MS = 8000, SOON_MS = 300, PATIENCE_MS = 20000, TICK_MS = 5 };

struct scene {
    struct redis_house *redis;
    struct config config;
    struct loop *loop;
    struct loop_timer *tick; /* so that a turn of the loop is never long */
    struct metrics *metrics;
    struct ledger *ledger;
    struct spools *spools;
    struct store *store;
    int told;
    enum ledger_stored outcome;
    char where[16];
    struct string trouble;
};

static void on_tick(void *arg) {
    struct scene *scene = arg;
    loop_timer_set(scene->tick, TICK_MS);
}

static struct scene *scene_open(bool with_spool) {
    struct scene *scene = memory_new(sizeof *scene);
    struct string why = {0}, folder = {0};
    static char prefix[] = "kula";
    scene->redis = redis_house_start(NULL);
    string_addf(&folder, "%s/spool", redis_house_folder(scene->redis));
    scene->config = (struct config){
        .redis = {.url = text_copy(text_of(redis_house_url(scene->redis))), .prefix = prefix},
        .spool_directory = folder.data,
        .spool_max_bytes = 256 << 20,
        .spool_keep_ms = 1000,
    };
    scene->loop = loop_create();
    scene->tick = loop_timer_create(scene->loop, on_tick, scene);
    on_tick(scene);
    scene->metrics = metrics_create();
    scene->ledger = ledger_create(scene->loop, &scene->config, "test", NULL, NULL, &why);
    assert_non_null(scene->ledger);
    if (with_spool)
        scene->spools = spools_create(&(struct spools_needs){.loop = scene->loop,
                                                             .config = &scene->config,
                                                             .ledger = scene->ledger,
                                                             .metrics = scene->metrics},
                                      &why);
    scene->store = store_create(&(struct store_needs){.loop = scene->loop,
                                                      .ledger = scene->ledger,
                                                      .spools = scene->spools},
                                &scene->config);
    return scene;
}

static int with_spool(void **state) {
    struct scene *scene = scene_open(true);
    *state = scene;
    return scene->spools && spools_writing(scene->spools) ? 0 : -1;
}

static int without_spool(void **state) {
    *state = scene_open(false);
    return 0;
}

static int tear_down(void **state) {
    struct scene *scene = *state;
    store_close(scene->store);
    ledger_destroy(scene->ledger);
    spools_destroy(scene->spools);
    store_destroy(scene->store);
    metrics_destroy(scene->metrics);
    loop_timer_destroy(scene->tick);
    loop_destroy(scene->loop);
    redis_house_stop(scene->redis);
    string_finish(&scene->trouble);
    free(scene->config.redis.url);
    free(scene->config.spool_directory);
    free(scene);
    return 0;
}

static void on_stored(void *arg, const struct stored *stored) {
    struct scene *scene = arg;
    scene->told++;
    scene->outcome = stored->outcome;
    snprintf(scene->where, sizeof scene->where, "%s", stored->where ? stored->where : "");
    string_clear(&scene->trouble);
    string_add(&scene->trouble, stored->trouble);
}

static void put(struct scene *scene, int64_t hold_ms) {
    const struct record record = {
        .endpoint = text_of("kula"),
        .id = text_of("evt_1"),
        .type = text_of("application.hired"),
        .window_ms = PATIENCE_MS,
        .body = text_of("{}"),
    };
    store_put(scene->store, &record, clock_steady_ms() + hold_ms, on_stored, scene);
    assert_int_equal(scene->told, 0);
}

static void await_told(struct scene *scene) {
    int64_t until_ms = clock_steady_ms() + PATIENCE_MS;
    while (!scene->told) {
        assert_true(clock_steady_ms() < until_ms);
        loop_turn(scene->loop);
    }
}

static void expect_told(struct scene *scene, enum ledger_stored outcome, const char *where) {
    await_told(scene);
    assert_int_equal(scene->told, 1);
    assert_int_equal(scene->outcome, outcome);
    assert_string_equal(scene->where, where);
    scene->told = 0;
}

static void await_ledger(struct scene *scene) {
    int64_t until_ms = clock_steady_ms() + PATIENCE_MS;
    while (!ledger_connected(scene->ledger)) {
        assert_true(clock_steady_ms() < until_ms);
        loop_turn(scene->loop);
    }
}

static void test_what_is_on_disk_is_stored_though_redis_is_away(void **state) {
    struct scene *scene = *state;
    redis_house_kill(scene->redis);
    put(scene, HOLD_MS);
    expect_told(scene, LEDGER_STORED, "spool");
}

static void test_without_a_spool_it_is_redis_that_tells(void **state) {
    struct scene *scene = *state;
    put(scene, HOLD_MS);
    expect_told(scene, LEDGER_STORED, "ledger");
    put(scene, HOLD_MS);
    expect_told(scene, LEDGER_DUPLICATE, "ledger");
}

static void test_when_time_is_up_it_is_not_stored(void **state) {
    struct scene *scene = *state;
    await_ledger(scene);
    redis_house_pause(scene->redis);
    put(scene, SOON_MS);
    expect_told(scene, LEDGER_NOT_STORED, "");
    assert_string_equal(scene->trouble.data, "no answer in time");
    redis_house_resume(scene->redis);
}

static void test_what_redis_refuses_is_told_in_its_words(void **state) {
    struct scene *scene = *state;
    await_ledger(scene);
    redis_house_say(scene->redis, "CONFIG SET maxmemory 1");
    put(scene, SOON_MS);
    expect_told(scene, LEDGER_NOT_STORED, "");
    assert_true(text_starts(string_text(&scene->trouble), "OOM "));
}

static void test_closing_while_a_record_is_on_its_way_tells_nobody(void **state) {
    struct scene *scene = *state;
    await_ledger(scene);
    put(scene, HOLD_MS);
    store_close(scene->store);
    ledger_destroy(scene->ledger);
    spools_destroy(scene->spools); /* it has a last word on what it was writing */
    scene->ledger = NULL;
    scene->spools = NULL;
    assert_int_equal(scene->told, 0);
}

static void test_closing_without_a_spool_tells_nobody_either(void **state) {
    test_closing_while_a_record_is_on_its_way_tells_nobody(state);
}

#define WITH_SPOOL(test)    cmocka_unit_test_setup_teardown(test, with_spool, tear_down)
#define WITHOUT_SPOOL(test) cmocka_unit_test_setup_teardown(test, without_spool, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_SPOOL(test_what_is_on_disk_is_stored_though_redis_is_away),
        WITHOUT_SPOOL(test_without_a_spool_it_is_redis_that_tells),
        WITHOUT_SPOOL(test_when_time_is_up_it_is_not_stored),
        WITHOUT_SPOOL(test_what_redis_refuses_is_told_in_its_words),
        WITH_SPOOL(test_closing_while_a_record_is_on_its_way_tells_nobody),
        WITHOUT_SPOOL(test_closing_without_a_spool_tells_nobody_either),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
