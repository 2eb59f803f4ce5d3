/* A drain when Redis refuses: does it wait for it? A stop goes by that. And two of them: does the
 * younger spool wait for the older one, and no longer than it has to? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/memory.h"
#include "redis_house.h"
#include "serve/drain.h"
#include "spool/disk.h"

enum {
    PATIENCE_MS = 20000,
    TICK_MS = 5,
    SEVERAL_TRIES_MS = 1200,
    MANY = 10 * LEDGER_BATCH_ITEMS, /* more than are on the way at a time */
    FEW = LEDGER_BATCH_ITEMS,       /* a full one, which does not wait for more */
};

struct scene {
    struct redis_house *redis;
    struct config config;
    struct loop *loop;
    struct loop_timer *tick; /* so that a turn of the loop is never long */
    struct metrics *metrics;
    struct ledger *ledger;
    struct metric *resyncs;
    struct string folder; /* of the spools */
    struct spool_options options;
    struct spool *spool; /* that is written */
    struct drain *drain;
    struct spool *left; /* by an earlier start; NULL: nothing was */
    struct drain *left_drain;
    struct disk disk; /* whose files cannot be opened to be read while it is broken */
    bool broken;
    unsigned asked, synced, events; /* puts, and ids given out */
};

static const struct metric_family resyncs_family = {"resyncs", METRIC_COUNTER, "Resyncs.", {NULL}};

static void on_tick(void *arg) {
    struct scene *scene = arg;
    loop_timer_set(scene->tick, TICK_MS);
}

static int open_unless_broken(void *arg, const char *path, int flags) {
    const struct scene *scene = arg;
    if (!scene->broken || (flags & O_ACCMODE) != O_RDONLY)
        return disk_real.open(disk_real.arg, path, flags);
    errno = EIO;
    return -1;
}

static void set_up_spool(struct scene *scene) {
    struct string why = {0};
    string_addf(&scene->folder, "%s/spool", redis_house_folder(scene->redis));
    scene->disk = disk_real;
    scene->disk.arg = scene;
    scene->disk.open = open_unless_broken;
    scene->options = (struct spool_options){.directory = scene->folder.data,
                                            .max_bytes = 256 << 20,
                                            .keep_ms = 3600000,
                                            .disk = &scene->disk};
    scene->spool = spool_create(scene->loop, &scene->options, &why);
    assert_non_null(scene->spool);
}

static int set_up(void **state) {
    static char prefix[] = "kula";
    struct scene *scene = memory_new(sizeof *scene);
    struct string why = {0};
    scene->redis = redis_house_start(NULL);
    scene->config.redis.url = text_copy(text_of(redis_house_url(scene->redis)));
    scene->config.redis.prefix = prefix;
    scene->loop = loop_create();
    scene->tick = loop_timer_create(scene->loop, on_tick, scene);
    on_tick(scene);
    scene->metrics = metrics_create();
    scene->ledger = ledger_create(scene->loop, &scene->config, "test", NULL, NULL, &why);
    set_up_spool(scene);
    scene->resyncs = metrics_series(scene->metrics, &resyncs_family, NULL, NULL);
    scene->drain = drain_create(scene->loop, scene->ledger, scene->spool, scene->resyncs);
    *state = scene;
    return 0;
}

static int tear_down(void **state) {
    struct scene *scene = *state;
    ledger_destroy(scene->ledger);
    drain_destroy(scene->left_drain);
    spool_destroy(scene->left);
    drain_destroy(scene->drain);
    spool_destroy(scene->spool);
    string_finish(&scene->folder);
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
    return scene->synced == scene->asked;
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

static bool left_is_empty(const struct scene *scene) {
    return drain_is_empty(scene->left_drain);
}

static bool left_waits(const struct scene *scene) {
    return ledger_connected(scene->ledger) && drain_waits_for_redis(scene->left_drain);
}

static void on_put(void *arg, enum spool_put put) {
    struct scene *scene = arg;
    assert_int_equal(put, SPOOL_SYNCED);
    scene->synced++;
}

static void put_into(struct scene *scene, struct spool *spool, unsigned count) {
    for (scene->asked += count; count; count--) {
        char id[16];
        snprintf(id, sizeof id, "evt_%u", ++scene->events);
        struct record record = {.endpoint = text_of("kula"),
                                .id = text_of(id),
                                .type = text_of("ping"),
                                .window_ms = PATIENCE_MS,
                                .body = text_of("{}")};
        spool_put(spool, &record, on_put, scene);
    }
    await(scene, is_synced);
}

static void put(struct scene *scene) {
    put_into(scene, scene->spool, 1);
    drain_wake(scene->drain);
}

/* An earlier start put so many, and ended without Redis. */
static void leave_behind(struct scene *scene, unsigned count) {
    struct string why = {0};
    struct spool *earlier = spool_create(scene->loop, &scene->options, &why), **adopted;
    put_into(scene, earlier, count);
    spool_destroy(earlier);
    assert_int_equal(spool_adopt(scene->loop, &scene->options, &adopted, &why), 1);
    scene->left = adopted[0];
    scene->left_drain = drain_create(scene->loop, scene->ledger, scene->left, scene->resyncs);
    drain_follow(scene->drain, scene->left_drain);
    free(adopted);
}

/* Of the written one the ledger gets nothing before it has all of what was left. */
static void await_all_in_order(struct scene *scene) {
    int64_t until_ms = clock_steady_ms() + PATIENCE_MS;
    while (!left_is_empty(scene) || !is_empty(scene)) {
        assert_true(clock_steady_ms() < until_ms);
        if (drain_confirmed(scene->drain))
            assert_int_equal(drain_confirmed(scene->left_drain), spool_last(scene->left));
        loop_turn(scene->loop);
    }
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

static bool forgot(const struct scene *scene) {
    return drain_confirmed(scene->drain) == 0;
}

static void
test_what_was_left_comes_before_what_is_written_also_again_after_redis_forgot(void **state) {
    struct scene *scene = *state;
    await(scene, is_empty);
    put_into(scene, scene->spool, FEW);
    leave_behind(scene, MANY);
    drain_wake(scene->drain);
    await_all_in_order(scene);
    redis_house_say(scene->redis, "FLUSHALL");
    drain_again(scene->left_drain);
    drain_again(scene->drain);
    await(scene, forgot);
    await_all_in_order(scene);
    assert_int_equal(metric_value(scene->resyncs), 2);
}

static void test_behind_one_that_waits_for_redis_another_one_waits_too(void **state) {
    struct scene *scene = *state;
    redis_house_say(scene->redis, "SET kula:endpoint:kula x");
    leave_behind(scene, FEW);
    put(scene);
    await(scene, left_waits);
    assert_true(drain_waits_for_redis(scene->drain));
    redis_house_say(scene->redis, "DEL kula:endpoint:kula");
    await_all_in_order(scene);
    assert_false(drain_waits_for_redis(scene->drain));
}

static void test_one_that_cannot_be_read_is_in_nobodys_way(void **state) {
    struct scene *scene = *state;
    leave_behind(scene, FEW);
    scene->broken = true;
    put(scene);
    await(scene, is_empty);
    assert_int_equal(drain_confirmed(scene->left_drain), 0);
    scene->broken = false;
    await(scene, left_is_empty);
}

static void test_one_that_goes_before_another_may_end_first(void **state) {
    struct scene *scene = *state;
    leave_behind(scene, FEW);
    await(scene, left_is_empty);
    drain_destroy(scene->left_drain);
    scene->left_drain = NULL;
    put(scene);
    await(scene, is_empty);
}

static void test_one_of_which_nothing_is_left_is_empty_whatever_redis_forgot(void **state) {
    struct scene *scene = *state;
    leave_behind(scene, FEW);
    await(scene, left_is_empty);
    spool_let_go(scene->left, INT64_MAX, SPOOL_OWED);
    redis_house_say(scene->redis, "FLUSHALL");
    drain_again(scene->left_drain);
    assert_false(left_is_empty(scene));
    await(scene, left_is_empty);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_a_look_that_was_refused_once_is_no_trouble_when_nothing_waits),
        TEST(test_while_batches_are_refused_it_waits_whatever_a_look_says),
        TEST(test_what_was_left_comes_before_what_is_written_also_again_after_redis_forgot),
        TEST(test_behind_one_that_waits_for_redis_another_one_waits_too),
        TEST(test_one_that_cannot_be_read_is_in_nobodys_way),
        TEST(test_one_that_goes_before_another_may_end_first),
        TEST(test_one_of_which_nothing_is_left_is_empty_whatever_redis_forgot),
    };
    return cmocka_run_group_tests_name("drain", tests, NULL, NULL);
}
