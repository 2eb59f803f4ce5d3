/* A drain when Redis refuses: does it wait for it? A stop goes by that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/memory.h"
#include "redis_house.h"
#include "serve/drain.h"

enum { PATIENCE_MS = 20000, TICK_MS = 5, SEVERAL_TRIES_MS = 1200 };

struct scene {
    struct redis_house *redis;
    struct config config;
    struct loop *loop;
    struct loop_timer *tick; /* so that a turn of the loop is never long */
    struct metrics *metrics;
    struct ledger *ledger;
    struct spool *spool;
    struct drain *drain;
    bool synced;
};

static const struct metric_family resyncs_family = {"resyncs", METRIC_COUNTER, "Resyncs.", {NULL}};

static void on_tick(void *arg) {
    struct scene *scene = arg;
    loop_timer_set(scene->tick, TICK_MS);
}

static int set_up(void **state) {
    static char prefix[] = "kula";
    struct scene *scene = memory_new(sizeof *scene);
    struct string why = {0}, folder = {0};
    scene->redis = redis_house_start(NULL);
    scene->config.redis.url = text_copy(text_of(redis_house_url(scene->redis)));
    scene->config.redis.prefix = prefix;
    scene->loop = loop_create();
    scene->tick = loop_timer_create(scene->loop, on_tick, scene);
    on_tick(scene);
    scene->metrics = metrics_create();
    scene->ledger = ledger_create(scene->loop, &scene->config, "test", NULL, NULL, &why);
    string_addf(&folder, "%s/spool", redis_house_folder(scene->redis));
    scene->spool = spool_create(
        scene->loop,
        &(struct spool_options){.directory = folder.data, .max_bytes = 256 << 20, .keep_ms = 1000},
        &why);
    string_finish(&folder);
    assert_non_null(scene->spool);
    scene->drain = drain_create(scene->loop, scene->ledger, scene->spool,
                                metrics_series(scene->metrics, &resyncs_family, NULL, NULL));
    *state = scene;
    return 0;
}

static int tear_down(void **state) {
    struct scene *scene = *state;
    ledger_destroy(scene->ledger);
    drain_destroy(scene->drain);
    spool_destroy(scene->spool);
    metrics_destroy(scene->metrics);
    loop_timer_destroy(scene->tick);
    loop_destroy(scene->loop);
    redis_house_stop(scene->redis);
    free(scene->config.redis.url);
    free(scene);
    return 0;
}

static void await(struct scene *scene, bool (*fact)(const struct scene *)) {
    int64_t until_ms = clock_steady_ms() + PATIENCE_MS;
    while (!fact(scene)) {
        assert_true(clock_steady_ms() < until_ms);
        loop_turn(scene->loop);
    }
}

static bool is_synced(const struct scene *scene) {
    return scene->synced;
}

static bool is_empty(const struct scene *scene) {
    return drain_is_empty(scene->drain);
}

static bool waits(const struct scene *scene) {
    return ledger_connected(scene->ledger) && drain_waits_for_redis(scene->drain);
}

static bool does_not_wait(const struct scene *scene) {
    return !drain_waits_for_redis(scene->drain);
}

static void on_put(void *arg, enum spool_put put) {
    struct scene *scene = arg;
    assert_int_equal(put, SPOOL_SYNCED);
    scene->synced = true;
}

static void put(struct scene *scene) {
    struct record record = {.endpoint = text_of("kula"),
                            .id = text_of("evt_1"),
                            .type = text_of("ping"),
                            .window_ms = PATIENCE_MS,
                            .body = text_of("{}")};
    spool_put(scene->spool, &record, on_put, scene);
    await(scene, is_synced);
    drain_wake(scene->drain);
}

static void test_a_look_that_was_refused_once_is_no_trouble_when_nothing_waits(void **state) {
    struct scene *scene = *state;
    put(scene);
    await(scene, is_empty);
    redis_house_say(scene->redis, "SET kula:places x");
    drain_again(scene->drain);
    await(scene, waits);
    redis_house_say(scene->redis, "DEL kula:places");
    await(scene, does_not_wait);
}

static void test_while_batches_are_refused_it_waits_whatever_a_look_says(void **state) {
    struct scene *scene = *state;
    redis_house_say(scene->redis, "SET kula:endpoint:kula x");
    put(scene);
    await(scene, waits);
    for (int64_t until_ms = clock_steady_ms() + SEVERAL_TRIES_MS; clock_steady_ms() < until_ms;) {
        loop_turn(scene->loop);
        assert_true(drain_waits_for_redis(scene->drain));
    }
    redis_house_say(scene->redis, "DEL kula:endpoint:kula");
    await(scene, is_empty);
    assert_false(drain_waits_for_redis(scene->drain));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_a_look_that_was_refused_once_is_no_trouble_when_nothing_waits),
        TEST(test_while_batches_are_refused_it_waits_whatever_a_look_says),
    };
    return cmocka_run_group_tests_name("drain", tests, NULL, NULL);
}
