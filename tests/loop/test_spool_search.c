/* Who runs already looks for what others left behind: the loop goes on meanwhile, what is found is
 * opened, and what cannot be read keeps none of the others. */
#include "spool_house.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { SPOOLS = 3, RECORDS = 5 };

struct scene {
    struct spool_house house;
    struct spool_search *search;
    unsigned answers;
    int found; /* by the last answer */
    struct string trouble;
};

static void on_found(void *arg, struct spool **adopted, int count, struct text trouble) {
    struct scene *scene = arg;
    scene->answers++;
    scene->found = count;
    string_clear(&scene->trouble);
    string_add(&scene->trouble, trouble);
    for (int i = 0; i < count; i++) {
        assert_int_equal(spool_last(adopted[i]), RECORDS);
        spool_destroy(adopted[i]);
    }
}

static void start_search(struct scene *scene) {
    struct spool_options options = scene->house.options;
    options.on_readable = NULL;
    options.on_state = NULL;
    options.arg = scene;
    scene->search = spool_search_create(scene->house.loop, &options, on_found);
}

static int set_up(void **state) {
    struct scene *scene = memory_new(sizeof *scene);
    struct spool_house *house = &scene->house;
    spool_house_open(house);
    for (int i = 0; i < SPOOLS; i++) {
        assert_true(spool_house_start(house));
        spool_house_put(house, RECORDS);
        spool_house_settle(house);
        disk_sim_cut_at(house->sim, 1); /* it was killed: nobody has closed it */
        spool_house_end(house);
        disk_sim_reboot(house->sim, DISK_SIM_KILLED, 0);
    }
    start_search(scene);
    *state = scene;
    return 0;
}

static int tear_down(void **state) {
    struct scene *scene = *state;
    spool_search_destroy(scene->search);
    string_finish(&scene->trouble);
    spool_house_close(&scene->house);
    free(scene);
    return 0;
}

static bool is_answered(struct spool_house *house) {
    return ((struct scene *)house)->answers > 0; /* its first member */
}

static int look(struct scene *scene) {
    scene->answers = 0;
    spool_search(scene->search);
    spool_house_wait(&scene->house, is_answered);
    assert_int_equal(scene->answers, 1);
    return scene->found;
}

/* ---------------------------------------------------------------- the promises */

static void test_all_that_was_left_is_found(void **state) {
    struct scene *scene = *state;
    assert_int_equal(look(scene), SPOOLS);
    assert_int_equal(scene->trouble.size, 0);
    assert_int_equal(look(scene), SPOOLS); /* they were let go since */
}

static void test_what_somebody_holds_is_left_alone(void **state) {
    struct scene *scene = *state;
    assert_true(spool_house_start(&scene->house));
    assert_int_equal(look(scene), SPOOLS);
    assert_int_equal(scene->trouble.size, 0);
}

/* Each was read and its end is being synced: that takes as long as it takes. */
static void test_the_loop_turns_while_the_disk_is_waited_for(void **state) {
    struct scene *scene = *state;
    disk_sim_hold_syncs(scene->house.sim, true);
    spool_search(scene->search);
    spool_house_wait(&scene->house, spool_house_sync_is_held);
    spool_search(scene->search); /* it looks already */
    spool_house_pass(&scene->house, 20);
    assert_int_equal(scene->answers, 0);
    disk_sim_hold_syncs(scene->house.sim, false);
    spool_house_wait(&scene->house, is_answered);
    assert_int_equal(scene->found, SPOOLS);
    spool_house_pass(&scene->house, 20);
    assert_int_equal(scene->answers, 1);
}

static void test_one_that_cannot_be_read_is_told_and_the_others_are_found(void **state) {
    struct scene *scene = *state;
    disk_sim_fail(scene->house.sim, DISK_SIM_READ, EIO, 1);
    assert_int_equal(look(scene), SPOOLS - 1);
    assert_non_null(strstr(scene->trouble.data, strerror(EIO)));
    assert_int_equal(look(scene), SPOOLS);
    assert_int_equal(scene->trouble.size, 0);
    disk_sim_fail(scene->house.sim, DISK_SIM_LIST, EIO, 1);
    assert_int_equal(look(scene), 0);
    assert_non_null(strstr(scene->trouble.data, "cannot list"));
}

static void test_who_ends_meanwhile_lets_go_of_what_was_found(void **state) {
    struct scene *scene = *state;
    disk_sim_hold_syncs(scene->house.sim, true);
    spool_search(scene->search);
    spool_house_wait(&scene->house, spool_house_sync_is_held);
    disk_sim_hold_syncs(scene->house.sim, false);
    spool_search_destroy(scene->search);
    assert_int_equal(scene->answers, 0);
    start_search(scene);
    assert_int_equal(look(scene), SPOOLS);
}

#define PROMISE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        PROMISE(test_all_that_was_left_is_found),
        PROMISE(test_what_somebody_holds_is_left_alone),
        PROMISE(test_the_loop_turns_while_the_disk_is_waited_for),
        PROMISE(test_one_that_cannot_be_read_is_told_and_the_others_are_found),
        PROMISE(test_who_ends_meanwhile_lets_go_of_what_was_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
