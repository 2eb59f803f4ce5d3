/* The power goes, at each write, sync and rename of a scripted run once: the
 * spool always starts again, has all that it called synced, and nothing else. */
#include "spool_house.h"

#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 16, BOUNDARIES_LEAST = 20, BOUNDARIES_MOST = 1000 };

static const int64_t FOREVER_MS = INT64_C(100) * 365 * 24 * 3600 * 1000;

static int set_up(void **state) {
    struct spool_house *house = calloc(1, sizeof *house);
    spool_house_open(house);
    *state = house;
    return 0;
}

/* Batches of one to four, a record larger than a segment among them; draining now and then, also
 * while a batch is on its way. */
static void run_script(struct spool_house *house) {
    if (!spool_house_start(house))
        return;
    for (size_t round = 0; round < ROUNDS && !disk_sim_is_cut(house->sim); round++) {
        spool_house_put(house, 1 + round * 3 % 4);
        if (round % 3 == 1)
            spool_house_drain(house);
        spool_house_settle(house);
        if (round % 3 == 2)
            spool_house_drain(house);
    }
}

static void start_afresh(struct spool_house *house) {
    size_t from = house->sent_count;
    assert_true(spool_house_start(house));
    spool_house_put(house, 3);
    spool_house_settle(house);
    for (size_t i = from; i < house->sent_count; i++)
        assert_int_equal(house->sent[i].outcome, SPOOL_SYNCED);
    spool_house_drain(house);
    spool_house_end(house);
}

/* Whether the power went before the script was through. */
static bool run_with_cut_at(struct spool_house *house, uint64_t nth, enum disk_sim_loss loss) {
    spool_house_use(house, disk_sim_create());
    disk_sim_cut_at(house->sim, nth);
    run_script(house);
    spool_house_end(house);
    bool cut = disk_sim_is_cut(house->sim);
    disk_sim_reboot(house->sim, loss, nth);
    return cut;
}

static void recover_and_check(struct spool_house *house) {
    assert_true(spool_house_recover(house));
    spool_house_check(house);
    start_afresh(house);
    assert_true(spool_house_recover(house));
    spool_house_check(house);
}

static void cut_everywhere(struct spool_house *house, enum disk_sim_loss loss) {
    uint64_t nth = 1;
    while (run_with_cut_at(house, nth, loss)) {
        recover_and_check(house);
        /* Of a torn batch, the end may be whole where the beginning is not. */
        assert_true(loss == DISK_SIM_TORN || house->damaged == 0);
        nth++;
        assert_true(nth < BOUNDARIES_MOST);
    }
    recover_and_check(house);
    assert_true(nth > BOUNDARIES_LEAST);
    print_message("%d boundaries\n", (int)nth - 1);
}

static void test_no_synced_record_is_lost_when_nothing_else_reached_the_disk(void **state) {
    cut_everywhere(*state, DISK_SIM_DROPPED);
}

static void test_no_synced_record_is_lost_when_sectors_of_others_reached_the_disk(void **state) {
    cut_everywhere(*state, DISK_SIM_TORN);
}

static void test_no_synced_record_is_lost_when_only_the_process_is_gone(void **state) {
    cut_everywhere(*state, DISK_SIM_KILLED);
}

static void test_the_power_may_go_again_at_each_step_of_the_recovery(void **state) {
    struct spool_house *house = *state;
    for (uint64_t second = 1; second < BOUNDARIES_MOST; second++) {
        run_with_cut_at(house, BOUNDARIES_LEAST + second % BOUNDARIES_LEAST, DISK_SIM_TORN);
        disk_sim_cut_at(house->sim, second);
        spool_house_recover(house);
        bool cut = disk_sim_is_cut(house->sim);
        disk_sim_reboot(house->sim, DISK_SIM_TORN, second);
        recover_and_check(house);
        if (!cut && second > BOUNDARIES_LEAST)
            return;
    }
    fail_msg("the recovery does not come to an end");
}

/* ---------------------------------------------------------------- what is kept, though drained */

static void find_all(struct spool_house *house, bool *found) {
    struct spool **adopted;
    struct string why = {0};
    size_t numbers[SPOOL_HOUSE_PUTS];
    int count = spool_adopt(house->loop, &house->options, &adopted, &why);
    assert_true(count >= 0);
    for (int i = 0; i < count; i++) {
        size_t read = spool_house_read_all(adopted[i], numbers);
        for (size_t at = 0; at < read; at++)
            found[numbers[at]] = true;
        spool_destroy(adopted[i]);
    }
    free(adopted);
    string_finish(&why);
}

static void find_each(struct spool_house *house) {
    bool found[SPOOL_HOUSE_PUTS] = {false};
    find_all(house, found);
    for (size_t i = 0; i < house->sent_count; i++)
        if (house->sent[i].outcome == SPOOL_SYNCED)
            assert_true(found[i]);
}

/* Whether the power went before the script was through. */
static bool find_all_synced(struct spool_house *house, uint64_t nth, enum disk_sim_loss loss) {
    bool cut = run_with_cut_at(house, nth, loss);
    find_each(house); /* which closes it */
    find_each(house);
    return cut;
}

static void test_what_is_kept_can_be_read_again_from_the_start(void **state) {
    static const enum disk_sim_loss losses[] = {DISK_SIM_DROPPED, DISK_SIM_TORN, DISK_SIM_KILLED};
    struct spool_house *house = *state;
    house->options.keep_ms = FOREVER_MS;
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
        uint64_t nth = 1;
        while (find_all_synced(house, nth, losses[i]))
            assert_true(nth++ < BOUNDARIES_MOST);
    }
}

static void adopt_and_let_go(struct spool_house *house) {
    struct spool **adopted = NULL;
    struct string why = {0};
    int count = spool_adopt(house->loop, &house->options, &adopted, &why);
    for (int i = 0; i < count; i++)
        spool_destroy(adopted[i]);
    free(adopted);
    string_finish(&why);
}

static void cut_while_closing(struct spool_house *house, enum disk_sim_loss loss) {
    for (uint64_t second = 1;; second++) {
        assert_true(second < BOUNDARIES_MOST);
        /* Early enough for the script to leave one that was not closed. */
        assert_true(run_with_cut_at(house, 2 * BOUNDARIES_LEAST + second % 7, loss));
        disk_sim_cut_at(house->sim, second);
        adopt_and_let_go(house);
        bool cut = disk_sim_is_cut(house->sim);
        disk_sim_reboot(house->sim, loss, second);
        find_each(house);
        find_each(house);
        if (!cut)
            return;
    }
}

static void test_what_is_kept_survives_lost_power_while_it_is_closed(void **state) {
    struct spool_house *house = *state;
    house->options.keep_ms = FOREVER_MS;
    cut_while_closing(house, DISK_SIM_DROPPED);
    cut_while_closing(house, DISK_SIM_TORN);
    cut_while_closing(house, DISK_SIM_KILLED);
}

/* ---------------------------------------------------------------- what is not kept goes */

static void test_a_drained_spool_is_removed_for_good(void **state) {
    struct spool_house *house = *state;
    char **paths;
    run_with_cut_at(house, 0, DISK_SIM_DROPPED);
    assert_true(spool_house_recover(house));
    assert_true(house->kept_count > 0);
    disk_sim_reboot(house->sim, DISK_SIM_DROPPED, 0);
    struct spool **adopted;
    struct string why = {0};
    assert_int_equal(spool_adopt(house->loop, &house->options, &adopted, &why), 0);
    assert_int_equal(disk_sim_files(house->sim, &paths), 0);
    free(adopted);
    free(paths);
    string_finish(&why);
}

int main(void) {
#define PROMISE(test) cmocka_unit_test_setup_teardown(test, set_up, spool_house_tear_down)
    const struct CMUnitTest tests[] = {
        PROMISE(test_no_synced_record_is_lost_when_nothing_else_reached_the_disk),
        PROMISE(test_no_synced_record_is_lost_when_sectors_of_others_reached_the_disk),
        PROMISE(test_no_synced_record_is_lost_when_only_the_process_is_gone),
        PROMISE(test_the_power_may_go_again_at_each_step_of_the_recovery),
        PROMISE(test_what_is_kept_can_be_read_again_from_the_start),
        PROMISE(test_what_is_kept_survives_lost_power_while_it_is_closed),
        PROMISE(test_a_drained_spool_is_removed_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
