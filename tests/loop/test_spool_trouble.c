/* The disk is full, fails, or is slow, under a running spool: nothing is called
 * synced that is not, it says what is wrong, and it goes on by itself. */
#include "spool_house.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"

/* Again writable at most so long after the cause has gone. */
enum { RECOVERY_MS = 2000, WHILE_MS = 150, FAULTS_MOST = 1000, RECORDS = 12, LOCK_TRIES = 5 };

static int set_up(void **state) {
    struct spool_house *house = calloc(1, sizeof *house);
    spool_house_open(house);
    assert_true(spool_house_start(house));
    *state = house;
    return 0;
}

/* ---------------------------------------------------------------- facts */

static bool in_trouble(struct spool_house *house) {
    return !spool_writable(house->spool) && house->downs > house->ups;
}

static bool out_of_trouble(struct spool_house *house) {
    return spool_writable(house->spool) && house->downs == house->ups;
}

static size_t outcomes(const struct spool_house *house, enum spool_put outcome) {
    size_t count = 0;
    for (size_t i = 0; i < house->sent_count; i++)
        count += house->sent[i].times == 1 && house->sent[i].outcome == outcome;
    return count;
}

static void on_name(void *arg, const char *name) {
    (void)name;
    ++*(size_t *)arg;
}

static size_t spools_on(struct spool_house *house) {
    const struct disk *disk = disk_sim_disk(house->sim);
    size_t count = 0;
    assert_true(disk->list(disk->arg, "/spool", on_name, &count) == 0 || errno == ENOENT);
    return count;
}

static void wait_for_trouble(struct spool_house *house) {
    spool_house_wait(house, in_trouble);
    assert_true(spool_trouble(house->spool).size > 0);
    assert_int_equal(house->downs, house->ups + 1);
}

static void wait_for_recovery(struct spool_house *house) {
    int64_t from_ms = clock_steady_ms();
    spool_house_wait(house, out_of_trouble);
    assert_in_range(clock_steady_ms() - from_ms, 0, RECOVERY_MS);
    assert_int_equal(spool_trouble(house->spool).size, 0);
}

static enum spool_put outcome_of_one_put(struct spool_house *house) {
    spool_house_put(house, 1);
    spool_house_settle(house);
    return house->sent[house->sent_count - 1].outcome;
}

/* The power goes, and all that was called synced is there. */
static void check_after_power_cut(struct spool_house *house) {
    disk_sim_cut_at(house->sim, 1);
    spool_house_end(house);
    disk_sim_reboot(house->sim, DISK_SIM_DROPPED, 0);
    assert_true(spool_house_recover(house));
    spool_house_check(house);
}

/* ---------------------------------------------------------------- full */

static void put_until_trouble(struct spool_house *house) {
    while (spool_writable(house->spool) && house->sent_count < SPOOL_HOUSE_PUTS - RECORDS) {
        spool_house_put(house, 1);
        spool_house_settle(house);
    }
    wait_for_trouble(house);
}

static void test_a_full_disk_is_told_and_left_behind(void **state) {
    struct spool_house *house = *state;
    disk_sim_room(house->sim, disk_sim_used(house->sim) + 10000);
    put_until_trouble(house);
    assert_true(outcomes(house, SPOOL_SYNCED) > 0);
    assert_int_equal(outcome_of_one_put(house), SPOOL_REFUSED);
    disk_sim_room(house->sim, -1);
    wait_for_recovery(house);
    assert_int_equal(outcome_of_one_put(house), SPOOL_SYNCED);
    check_after_power_cut(house);
}

static void test_what_others_need_on_the_disk_is_left_free(void **state) {
    struct spool_house *house = *state;
    spool_house_end(house);
    house->options.least_free_bytes = 100000;
    assert_true(spool_house_start(house));
    disk_sim_room(house->sim, disk_sim_used(house->sim) + 120000);
    put_until_trouble(house);
    const struct disk *disk = disk_sim_disk(house->sim);
    assert_true(disk->free_bytes(disk->arg, "/spool") >=
                house->options.least_free_bytes - house->options.segment_bytes);
    disk_sim_room(house->sim, -1);
    wait_for_recovery(house);
    check_after_power_cut(house);
}

static void test_a_full_spool_writes_again_when_it_was_drained(void **state) {
    struct spool_house *house = *state;
    spool_house_end(house);
    house->options.max_bytes = (int64_t)4 * 4096;
    assert_true(spool_house_start(house));
    put_until_trouble(house);
    assert_in_range(disk_sim_used(house->sim), 0, house->options.max_bytes + 2 * 4096);
    assert_int_equal(outcome_of_one_put(house), SPOOL_REFUSED);
    spool_house_drain(house);
    wait_for_recovery(house);
    assert_int_equal(outcome_of_one_put(house), SPOOL_SYNCED);
    check_after_power_cut(house);
}

static void test_drained_records_that_are_kept_make_room_when_it_is_full(void **state) {
    struct spool_house *house = *state;
    spool_house_end(house);
    house->options.max_bytes = (int64_t)4 * 4096;
    house->options.keep_ms = INT64_C(100) * 365 * 24 * 3600 * 1000;
    assert_true(spool_house_start(house));
    while (house->sent_count < 100) {
        if (outcome_of_one_put(house) != SPOOL_SYNCED)
            wait_for_recovery(house);
        spool_house_drain(house);
    }
    assert_true(outcomes(house, SPOOL_SYNCED) > 90);
    assert_in_range(disk_sim_used(house->sim), 0, house->options.max_bytes + 2 * 4096);
    check_after_power_cut(house);
}

/* ---------------------------------------------------------------- errors */

static void put_through_faults(struct spool_house *house) {
    for (size_t i = 0; i < RECORDS; i++) {
        spool_house_put(house, 1 + i % 3);
        spool_house_settle(house);
    }
}

static void fail_until_cured(struct spool_house *house, enum disk_sim_call call, int error) {
    assert_int_equal(outcome_of_one_put(house), SPOOL_SYNCED);
    disk_sim_fail(house->sim, call, error, -1);
    put_until_trouble(house);
    assert_int_not_equal(outcome_of_one_put(house), SPOOL_SYNCED);
    disk_sim_fail(house->sim, call, 0, 0);
    wait_for_recovery(house);
    assert_int_equal(outcome_of_one_put(house), SPOOL_SYNCED);
    spool_house_drain(house);
    check_after_power_cut(house);
}

static void test_writes_that_fail_are_told_until_they_do_not(void **state) {
    fail_until_cured(*state, DISK_SIM_WRITE, EIO);
}

static void test_syncs_that_fail_are_told_until_they_do_not(void **state) {
    fail_until_cured(*state, DISK_SIM_SYNC_DATA, EIO);
}

static void test_new_files_that_fail_are_told_until_they_do_not(void **state) {
    fail_until_cured(*state, DISK_SIM_OPEN, EMFILE);
}

static void test_segments_that_find_no_room_are_told_until_they_do(void **state) {
    fail_until_cured(*state, DISK_SIM_ALLOCATE, ENOSPC);
}

/* The second sync of the same file would say yes to what the first one has dropped. */
static void test_a_sync_that_failed_once_is_not_believed_later(void **state) {
    struct spool_house *house = *state;
    struct spool_figures figures;
    do { /* the sync may also be that of a new segment, and then nothing was at stake */
        spool_house_put(house, 3);
        spool_house_settle(house);
        disk_sim_fail(house->sim, DISK_SIM_SYNC_DATA, EIO, 1);
        spool_house_put(house, 3);
        spool_house_settle(house);
        spool_house_wait(house, out_of_trouble);
        spool_figures(house->spool, &figures);
    } while (figures.write_failures < 5);
    assert_true(outcomes(house, SPOOL_SYNCED) >= 15);
    spool_house_drain(house);
    check_after_power_cut(house);
}

/* Each changing call of the run fails once, alone. */
static void fail_each_call_once(struct spool_house *house, int error) {
    for (uint64_t nth = 1; nth < FAULTS_MOST; nth++) {
        spool_house_use(house, disk_sim_create());
        assert_true(spool_house_start(house));
        disk_sim_fail_at(house->sim, nth, error);
        put_through_faults(house);
        spool_house_drain(house);
        spool_house_wait(house, out_of_trouble);
        assert_int_equal(outcome_of_one_put(house), SPOOL_SYNCED);
        bool through = disk_sim_changes(house->sim) < nth;
        check_after_power_cut(house);
        if (through)
            return;
    }
    fail_msg("the run does not come to an end");
}

static void test_one_io_error_anywhere_loses_nothing(void **state) {
    fail_each_call_once(*state, EIO);
}

static void test_one_full_moment_anywhere_loses_nothing(void **state) {
    fail_each_call_once(*state, ENOSPC);
}

/* The removal was done, and only its sync failed: the room is won once, not at each try. */
static void test_a_folder_whose_sync_fails_does_not_let_the_spool_outgrow_its_size(void **state) {
    struct spool_house *house = *state;
    spool_house_end(house);
    house->options.max_bytes = (int64_t)6 * 4096;
    assert_true(spool_house_start(house));
    for (int round = 0; round < 12; round++) {
        spool_house_put(house, 20);
        spool_house_settle(house);
        disk_sim_fail(house->sim, DISK_SIM_SYNC_FOLDER, EIO, 3);
        spool_house_drain(house);
        spool_house_wait(house, out_of_trouble);
    }
    put_until_trouble(house);
    assert_in_range(disk_sim_used(house->sim), 0, house->options.max_bytes + 2 * 4096);
    check_after_power_cut(house);
}

/* ---------------------------------------------------------------- slow */

static void test_while_a_sync_hangs_nothing_is_said_and_the_loop_runs(void **state) {
    struct spool_house *house = *state;
    struct spool_figures before, after;
    assert_int_equal(outcome_of_one_put(house), SPOOL_SYNCED);
    size_t synced = outcomes(house, SPOOL_SYNCED);
    uint64_t last = spool_last(house->spool);
    spool_figures(house->spool, &before);
    disk_sim_hold_syncs(house->sim, true);
    spool_house_put(house, 1);
    spool_house_wait(house, spool_house_sync_is_held);
    for (int i = 0; i < 10; i++) {
        spool_house_put(house, 2);
        spool_house_pass(house, WHILE_MS / 10); /* fails where a turn waits for the disk */
    }
    assert_int_equal(outcomes(house, SPOOL_SYNCED), synced);
    assert_int_equal(spool_last(house->spool), last);
    spool_house_drain(house); /* only what was synced is read */
    assert_int_equal(house->kept_count, synced);
    disk_sim_hold_syncs(house->sim, false);
    spool_house_settle(house);
    assert_int_equal(outcomes(house, SPOOL_SYNCED), house->sent_count);
    spool_figures(house->spool, &after);
    /* What gathered meanwhile went out together, a sync or so for each segment. */
    assert_in_range(after.syncs - before.syncs, 1, 12);
    check_after_power_cut(house);
}

static void test_who_ends_in_a_sync_that_hangs_hears_no_yes_before_it_is_true(void **state) {
    struct spool_house *house = *state;
    disk_sim_hold_syncs(house->sim, true);
    spool_house_put(house, 1);
    spool_house_wait(house, spool_house_sync_is_held);
    spool_house_put(house, 3);
    disk_sim_cut_at(house->sim, 1);
    disk_sim_hold_syncs(house->sim, false);
    spool_house_end(house);
    assert_int_equal(outcomes(house, SPOOL_SYNCED), 0);
    disk_sim_reboot(house->sim, DISK_SIM_TORN, 4);
    assert_true(spool_house_recover(house));
    spool_house_check(house);
}

static bool is_told_to_hang(struct spool_house *house) {
    return house->downs == 1 && !spool_writable(house->spool);
}

static bool one_is_refused(struct spool_house *house) {
    return outcomes(house, SPOOL_REFUSED) == 1;
}

/* Nor is more memory taken then for what cannot be written. */
static void test_a_disk_that_hangs_is_one_that_cannot_be_written_until_it_speaks(void **state) {
    struct spool_house *house = *state;
    spool_house_end(house);
    house->options.patience_ms = WHILE_MS;
    assert_true(spool_house_start(house));
    assert_int_equal(outcome_of_one_put(house), SPOOL_SYNCED);
    disk_sim_hold_syncs(house->sim, true);
    spool_house_put(house, 3);
    spool_house_wait(house, is_told_to_hang);
    assert_true(spool_trouble(house->spool).size > 0);
    spool_house_put(house, 1);
    spool_house_wait(house, one_is_refused);
    disk_sim_hold_syncs(house->sim, false);
    spool_house_wait(house, out_of_trouble);
    assert_int_equal(spool_trouble(house->spool).size, 0);
    spool_house_settle(house);
    assert_int_equal(outcome_of_one_put(house), SPOOL_SYNCED);
    assert_int_equal(outcomes(house, SPOOL_SYNCED), 5);
    check_after_power_cut(house);
}

/* ---------------------------------------------------------------- reading */

static int adopted_count(struct spool_house *house) {
    struct spool **adopted = NULL;
    struct string why = {0};
    int count = spool_adopt(house->loop, &house->options, &adopted, &why);
    assert_true(count >= 0 ? why.size == 0 : why.size > 0);
    for (int i = 0; i < count; i++)
        spool_destroy(adopted[i]);
    free(adopted);
    string_finish(&why);
    return count;
}

static void leave_some_behind(struct spool_house *house) {
    spool_house_put(house, RECORDS);
    spool_house_settle(house);
    spool_house_end(house);
    assert_int_equal(outcomes(house, SPOOL_SYNCED), RECORDS);
}

static void test_what_cannot_be_read_is_no_empty_spool(void **state) {
    static const enum disk_sim_call calls[] = {DISK_SIM_READ, DISK_SIM_LIST, DISK_SIM_OPEN};
    struct spool_house *house = *state;
    leave_some_behind(house);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        disk_sim_fail(house->sim, calls[i], EIO, -1);
        assert_int_equal(adopted_count(house), -1);
        disk_sim_fail(house->sim, calls[i], 0, 0);
        assert_int_equal(adopted_count(house), 1); /* nothing stayed locked, nothing was removed */
    }
    assert_true(spool_house_recover(house));
    assert_int_equal(house->kept_count, RECORDS);
    spool_house_check(house);
}

/* Whichever read it is: it fails, or it does not matter, but it is never believed. */
static void test_one_read_that_fails_is_never_taken_for_the_end(void **state) {
    struct spool_house *house = *state;
    leave_some_behind(house);
    struct disk_sim *whole = disk_sim_copy(house->sim);
    for (int reads = 0; reads < 40; reads++) {
        disk_sim_destroy(house->sim);
        house->sim = disk_sim_copy(whole);
        house->options.disk = disk_sim_disk(house->sim);
        house->kept_count = 0;
        disk_sim_fail_after(house->sim, reads, DISK_SIM_READ, EIO, 1);
        spool_house_recover(house);
        assert_int_equal(house->damaged, 0); /* nor for damage */
        disk_sim_fail(house->sim, DISK_SIM_READ, 0, 0);
        assert_true(spool_house_recover(house));
        assert_int_equal(house->kept_count, RECORDS);
        spool_house_check(house);
    }
    disk_sim_destroy(whole);
}

static void test_a_reader_that_fell_behind_is_told_when_the_files_cannot_be_read(void **state) {
    struct spool_house *house = *state;
    struct record records[4];
    spool_house_put(house, 60);
    spool_house_settle(house);
    spool_house_end(house);
    struct spool **adopted = NULL;
    struct string why = {0};
    assert_int_equal(spool_adopt(house->loop, &house->options, &adopted, &why), 1);
    disk_sim_fail(house->sim, DISK_SIM_READ, EIO, -1);
    int count;
    uint64_t after = 0;
    while ((count = spool_read(adopted[0], after, records, 4, 4096)) > 0)
        after = records[count - 1].sequence;
    assert_true(count == -1 || after == 60); /* it may have had them all in memory */
    disk_sim_fail(house->sim, DISK_SIM_READ, 0, 0);
    spool_destroy(adopted[0]);
    free(adopted);
    string_finish(&why);
    assert_true(spool_house_recover(house));
    spool_house_check(house);
}

static void test_a_disk_that_has_become_read_only_is_drained(void **state) {
    struct spool_house *house = *state;
    leave_some_behind(house);
    disk_sim_read_only(house->sim, true);
    assert_false(spool_house_start(house));
    assert_true(spool_house_recover(house));
    assert_int_equal(house->kept_count, RECORDS);
    spool_house_check(house);
    disk_sim_read_only(house->sim, false);
    assert_true(spool_house_recover(house)); /* removed as far as it was drained */
    spool_house_check(house);
    assert_int_equal(spools_on(house), 0);
}

static void test_what_a_disk_does_not_let_go_of_is_not_found_again(void **state) {
    struct spool_house *house = *state;
    struct spool **adopted;
    struct string why = {0};
    leave_some_behind(house);
    assert_int_equal(spool_adopt(house->loop, &house->options, &adopted, &why), 1);
    spool_drained(adopted[0], RECORDS);
    assert_true(spool_is_done(adopted[0]));
    disk_sim_fail(house->sim, DISK_SIM_REMOVE, EROFS, -1);
    assert_false(spool_house_remove(house, adopted[0]));
    assert_false(spool_is_done(adopted[0]));
    assert_int_equal(adopted_count(house), 0);
    spool_destroy(adopted[0]);
    disk_sim_fail(house->sim, DISK_SIM_REMOVE, 0, 0);
    assert_true(spool_house_recover(house)); /* as the next start */
    assert_int_equal(spools_on(house), 0);
    free(adopted);
}

/* The loop has others to serve. */
static void test_a_removal_on_a_disk_that_hangs_keeps_nobody_waiting(void **state) {
    struct spool_house *house = *state;
    struct spool **adopted;
    struct string why = {0};
    leave_some_behind(house);
    assert_int_equal(spool_adopt(house->loop, &house->options, &adopted, &why), 1);
    spool_drained(adopted[0], RECORDS);
    disk_sim_hold_syncs(house->sim, true);
    assert_false(spool_remove(&adopted[0])); /* fails where it waits for the disk */
    spool_house_wait(house, spool_house_sync_is_held);
    assert_false(spool_remove(&adopted[0]));
    assert_int_equal(spools_on(house), 1);
    disk_sim_hold_syncs(house->sim, false);
    assert_true(spool_house_remove(house, adopted[0]));
    assert_int_equal(spools_on(house), 0);
    free(adopted);
}

static void test_a_spool_that_somebody_holds_is_left_alone(void **state) {
    struct spool_house *house = *state;
    assert_int_equal(outcome_of_one_put(house), SPOOL_SYNCED);
    assert_int_equal(adopted_count(house), 0);
    assert_int_equal(outcome_of_one_put(house), SPOOL_SYNCED);
    check_after_power_cut(house);
}

/* ---------------------------------------------------------------- making one */

/* It is tried again every second: each try would leave a folder. */
static void test_a_disk_that_takes_nothing_lets_none_be_made_and_none_is_left(void **state) {
    static const enum disk_sim_call calls[] = {DISK_SIM_MAKE_FOLDER, DISK_SIM_OPEN,
                                               DISK_SIM_WRITE,       DISK_SIM_SYNC_DATA,
                                               DISK_SIM_SYNC_FOLDER, DISK_SIM_LOCK};
    struct spool_house *house = *state;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        spool_house_use(house, disk_sim_create());
        disk_sim_fail(house->sim, calls[i], EROFS, -1);
        for (int tries = 0; tries < 3; tries++)
            assert_false(spool_house_start(house));
        assert_int_equal(spools_on(house), 0);
        disk_sim_fail(house->sim, calls[i], 0, 0);
        assert_true(spool_house_start(house));
        spool_house_end(house);
    }
}

static void test_one_error_while_one_is_made_leaves_nothing_behind(void **state) {
    struct spool_house *house = *state;
    bool made = false;
    for (uint64_t nth = 1; !made; nth++) {
        spool_house_use(house, disk_sim_create());
        disk_sim_fail_at(house->sim, nth, EIO);
        made = spool_house_start(house);
        assert_int_equal(spools_on(house), made);
        assert_in_range(nth, 1, FAULTS_MOST);
    }
}

/* It finds the folder before its lock is taken, and takes it for left: that one is its own then. */
static void test_a_new_one_that_another_serve_has_locked_first_is_left_to_it(void **state) {
    struct spool_house *house = *state;
    spool_house_use(house, disk_sim_create());
    disk_sim_fail(house->sim, DISK_SIM_LOCK, EWOULDBLOCK, LOCK_TRIES);
    assert_true(spool_house_start(house));
    assert_int_equal(spools_on(house), 2);
    assert_int_equal(outcome_of_one_put(house), SPOOL_SYNCED);
    spool_house_use(house, disk_sim_create());
    disk_sim_fail(house->sim, DISK_SIM_LOCK, EWOULDBLOCK, -1);
    assert_false(spool_house_start(house));
}

/* A start that was killed before anything was put, again and again, while Redis is away. */
static void test_what_was_left_and_holds_nothing_is_removed_at_once(void **state) {
    struct spool_house *house = *state;
    for (int kills = 0; kills < 3; kills++) {
        struct disk_sim *killed = disk_sim_copy(house->sim);
        spool_house_use(house, killed);
        assert_int_equal(spools_on(house), 1);
        assert_int_equal(adopted_count(house), 0);
        assert_int_equal(spools_on(house), 0);
        assert_true(spool_house_start(house));
    }
}

int main(void) {
#define PROMISE(test) cmocka_unit_test_setup_teardown(test, set_up, spool_house_tear_down)
    const struct CMUnitTest tests[] = {
        PROMISE(test_a_full_disk_is_told_and_left_behind),
        PROMISE(test_what_others_need_on_the_disk_is_left_free),
        PROMISE(test_a_full_spool_writes_again_when_it_was_drained),
        PROMISE(test_drained_records_that_are_kept_make_room_when_it_is_full),
        PROMISE(test_writes_that_fail_are_told_until_they_do_not),
        PROMISE(test_syncs_that_fail_are_told_until_they_do_not),
        PROMISE(test_new_files_that_fail_are_told_until_they_do_not),
        PROMISE(test_segments_that_find_no_room_are_told_until_they_do),
        PROMISE(test_a_sync_that_failed_once_is_not_believed_later),
        PROMISE(test_one_io_error_anywhere_loses_nothing),
        PROMISE(test_one_full_moment_anywhere_loses_nothing),
        PROMISE(test_a_folder_whose_sync_fails_does_not_let_the_spool_outgrow_its_size),
        PROMISE(test_while_a_sync_hangs_nothing_is_said_and_the_loop_runs),
        PROMISE(test_who_ends_in_a_sync_that_hangs_hears_no_yes_before_it_is_true),
        PROMISE(test_a_disk_that_hangs_is_one_that_cannot_be_written_until_it_speaks),
        PROMISE(test_what_cannot_be_read_is_no_empty_spool),
        PROMISE(test_one_read_that_fails_is_never_taken_for_the_end),
        PROMISE(test_a_reader_that_fell_behind_is_told_when_the_files_cannot_be_read),
        PROMISE(test_a_disk_that_has_become_read_only_is_drained),
        PROMISE(test_what_a_disk_does_not_let_go_of_is_not_found_again),
        PROMISE(test_a_removal_on_a_disk_that_hangs_keeps_nobody_waiting),
        PROMISE(test_a_spool_that_somebody_holds_is_left_alone),
        PROMISE(test_a_disk_that_takes_nothing_lets_none_be_made_and_none_is_left),
        PROMISE(test_one_error_while_one_is_made_leaves_nothing_behind),
        PROMISE(test_a_new_one_that_another_serve_has_locked_first_is_left_to_it),
        PROMISE(test_what_was_left_and_holds_nothing_is_removed_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
