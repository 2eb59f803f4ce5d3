/* The system has no thread to give (a container's limit, say, and many spools that want one at
 * once): what is to be done is done later, or by who ends, and the process goes on. */
#include "spool_house.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/memory.h"
#include "spool/checkpoint.h"

enum { SPOOLS = 3, RECORDS = 5 };

static const int64_t FOREVER_MS = INT64_C(100) * 365 * 24 * 3600 * 1000;

static bool none_left;
static unsigned refused;

/* The linker puts these in the place of pthread_create, and that behind __real_. */
int __real_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int __wrap_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*run)(void *),
                          void *arg) {
    refused += none_left;
    return none_left ? EAGAIN : __real_pthread_create(thread, how, run, arg);
}

static int set_up(void **state) {
    struct spool_house *house = memory_new(sizeof *house);
    spool_house_open(house);
    none_left = false;
    refused = 0;
    *state = house;
    return 0;
}

static int tear_down(void **state) {
    none_left = false;
    return spool_house_tear_down(state);
}

/* ---------------------------------------------------------------- those that were left */

static struct spool **adopted;

static void leave_some_behind(struct spool_house *house) {
    for (int i = 0; i < SPOOLS; i++) {
        assert_true(spool_house_start(house));
        spool_house_put(house, RECORDS);
        spool_house_settle(house);
        spool_house_end(house);
    }
}

static void adopt(struct spool_house *house) {
    struct string why = {0};
    house->options.keep_ms = FOREVER_MS;
    assert_int_equal(spool_adopt(house->loop, &house->options, &adopted, &why), SPOOLS);
    for (int i = 0; i < SPOOLS; i++)
        spool_drained(adopted[i], RECORDS);
    none_left = true;
}

static void let_go(void) {
    for (int i = 0; i < SPOOLS; i++)
        spool_destroy(adopted[i]);
    free(adopted);
}

static int noted(struct spool_house *house) {
    int count = 0;
    for (int i = 0; i < SPOOLS; i++) {
        struct checkpoint checkpoint;
        struct string path = {0};
        string_addf(&path, "/spool/%s", spool_id(adopted[i]));
        checkpoint_read(house->options.disk, path.data, strtoull(spool_id(adopted[i]), NULL, 16),
                        &checkpoint);
        count += checkpoint.drained == RECORDS;
        string_finish(&path);
    }
    return count;
}

static bool all_are_noted(struct spool_house *house) {
    return noted(house) == SPOOLS;
}

static bool each_was_refused(struct spool_house *house) {
    (void)house;
    return refused >= SPOOLS;
}

static void test_what_found_no_thread_is_done_when_there_is_one(void **state) {
    struct spool_house *house = *state;
    leave_some_behind(house);
    adopt(house);
    spool_house_wait(house, each_was_refused);
    assert_int_equal(noted(house), 0);
    none_left = false;
    spool_house_wait(house, all_are_noted);
    let_go();
}

static void test_who_ends_meanwhile_does_it_itself(void **state) {
    struct spool_house *house = *state;
    leave_some_behind(house);
    adopt(house);
    let_go();
    struct string why = {0};
    none_left = false;
    assert_int_equal(spool_adopt(house->loop, &house->options, &adopted, &why), SPOOLS);
    assert_int_equal(noted(house), SPOOLS);
    let_go();
}

static void test_what_is_done_with_is_removed_when_there_is_one(void **state) {
    struct spool_house *house = *state;
    struct string why = {0};
    leave_some_behind(house);
    assert_int_equal(spool_adopt(house->loop, &house->options, &adopted, &why), SPOOLS);
    none_left = true;
    for (int i = 0; i < SPOOLS; i++) {
        spool_drained(adopted[i], RECORDS);
        assert_false(spool_remove(&adopted[i]));
    }
    assert_true(refused > 0);
    none_left = false;
    for (int i = 0; i < SPOOLS; i++)
        assert_true(spool_house_remove(house, adopted[i]));
    free(adopted);
    assert_int_equal(spool_adopt(house->loop, &house->options, &adopted, &why), 0);
    free(adopted);
}

/* ---------------------------------------------------------------- the one that is written */

static bool it_was_refused(struct spool_house *house) {
    (void)house;
    return refused > 0;
}

static void test_what_is_put_waits_for_a_thread(void **state) {
    struct spool_house *house = *state;
    none_left = true;
    assert_true(spool_house_start(house));
    spool_house_put(house, RECORDS);
    spool_house_wait(house, it_was_refused);
    assert_int_equal(house->sent[0].times, 0);
    none_left = false;
    spool_house_settle(house);
    assert_int_equal(house->sent[0].outcome, SPOOL_SYNCED);
    spool_house_drain(house);
    spool_house_check(house);
}

static void test_who_ends_before_there_is_one_has_not_said_yes(void **state) {
    struct spool_house *house = *state;
    none_left = true;
    assert_true(spool_house_start(house));
    spool_house_put(house, RECORDS);
    spool_house_end(house);
    for (size_t i = 0; i < RECORDS; i++)
        assert_true(house->sent[i].times == 1 && house->sent[i].outcome != SPOOL_SYNCED);
    none_left = false;
    assert_true(spool_house_recover(house));
    spool_house_check(house);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_found_no_thread_is_done_when_there_is_one, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_who_ends_meanwhile_does_it_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_done_with_is_removed_when_there_is_one, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_put_waits_for_a_thread, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_ends_before_there_is_one_has_not_said_yes, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
