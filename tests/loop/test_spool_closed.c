/* Spools that earlier starts left are closed: read once, never written again,
 * and of little cost to the starts after that, to the disk and to the process. */
#include "spool_house.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "spool/bytes.h"
#include "spool/checkpoint.h"
#include "spool/crc.h"
#include "spool/segment.h"

enum { SPOOLS = 60, SLOT = 88, SLOTS = 2, RECORDS = 30 };

static const int64_t FOREVER_MS = INT64_C(100) * 365 * 24 * 3600 * 1000;

static int set_up(void **state) {
    struct spool_house *house = memory_new(sizeof *house);
    spool_house_open(house);
    house->options.keep_ms = FOREVER_MS;
    *state = house;
    return 0;
}

/* ---------------------------------------------------------------- starts */

static void run(struct spool_house *house, size_t records) {
    assert_true(spool_house_start(house));
    spool_house_put(house, records);
    spool_house_settle(house);
}

/* The process is gone in this moment: nothing of what its end would have written is there. */
static void kill_it(struct spool_house *house) {
    struct disk_sim *left = disk_sim_copy(house->sim);
    spool_house_end(house);
    spool_house_use(house, left);
}

struct found {
    struct spool **spools;
    int count;
    int64_t bytes_read;
};

static struct found adopt(struct spool_house *house) {
    struct found found;
    struct string why = {0};
    int64_t before = disk_sim_bytes_read(house->sim);
    found.count = spool_adopt(house->loop, &house->options, &found.spools, &why);
    found.bytes_read = disk_sim_bytes_read(house->sim) - before;
    assert_true(found.count >= 0);
    string_finish(&why);
    return found;
}

static void let_go(struct found *found) {
    for (int i = 0; i < found->count; i++)
        spool_destroy(found->spools[i]);
    free(found->spools);
}

static size_t segment_count(struct spool_house *house) {
    char **paths;
    size_t segments = 0, count = disk_sim_files(house->sim, &paths);
    for (size_t i = 0; i < count; i++) {
        segments += strstr(paths[i], "/segment-") != NULL;
        free(paths[i]);
    }
    free(paths);
    return segments;
}

/* What it takes to see that nothing is to be read. */
static int64_t heads_of(struct spool_house *house, int spools) {
    return (int64_t)spools * SLOTS * SLOT + (int64_t)segment_count(house) * SEGMENT_HEADER;
}

static void drain_all(struct found *found) {
    for (int i = 0; i < found->count; i++)
        spool_drained(found->spools[i], spool_last(found->spools[i]));
}

static void assert_whole(struct spool *spool, uint64_t records) {
    size_t numbers[SPOOL_HOUSE_PUTS];
    struct spool_figures figures;
    assert_int_equal(spool_last(spool), records);
    assert_int_equal(spool_house_read_all(spool, numbers), records);
    spool_figures(spool, &figures);
    assert_int_equal(figures.records, records);
    assert_int_equal(figures.damaged_records, 0);
    assert_int_equal(figures.damaged_bytes, 0);
}

/* ---------------------------------------------------------------- what is read */

static void test_sixty_drained_spools_cost_a_start_no_record(void **state) {
    struct spool_house *house = *state;
    for (int i = 0; i < SPOOLS; i++) {
        run(house, 5);
        spool_drained(house->spool, 5);
        spool_house_end(house);
    }
    struct found found = adopt(house);
    assert_int_equal(found.count, SPOOLS);
    assert_in_range(found.bytes_read, 1, heads_of(house, SPOOLS));
    for (int i = 0; i < SPOOLS; i++)
        assert_whole(found.spools[i], 5);
    let_go(&found);
}

static void test_what_a_killed_process_left_is_read_once(void **state) {
    struct spool_house *house = *state;
    run(house, RECORDS);
    kill_it(house);
    struct found found = adopt(house);
    assert_true(found.bytes_read > heads_of(house, 1));
    drain_all(&found);
    let_go(&found);
    found = adopt(house);
    assert_in_range(found.bytes_read, 1, heads_of(house, 1));
    assert_whole(found.spools[0], RECORDS);
    let_go(&found);
}

/* The one that has read it dies too, and has not drained it. */
static void test_what_is_not_drained_is_read_from_there_on(void **state) {
    struct spool_house *house = *state;
    run(house, RECORDS);
    spool_drained(house->spool, RECORDS - 1);
    spool_house_end(house);
    for (int i = 0; i < 2; i++) {
        struct found found = adopt(house);
        struct spool_figures figures;
        spool_figures(found.spools[0], &figures);
        assert_int_equal(figures.undrained, 1);
        assert_true(figures.bytes > 2 * house->options.segment_bytes);
        assert_in_range(found.bytes_read, heads_of(house, 1),
                        heads_of(house, 1) + 2 * house->options.segment_bytes);
        assert_whole(found.spools[0], RECORDS);
        let_go(&found);
    }
}

static void write_slot_as_version_1(struct spool_house *house, const char *path, size_t at) {
    enum { SLOT_1 = 80, VERSION_AT = 8, CRC_AT = 12, SUMMED_AT = 16 };
    struct text content = disk_sim_content(house->sim, path);
    if (content.size < at + SLOT)
        return; /* not written yet */
    char *old = memory_copy(content.data, content.size);
    char *slot = old + at;
    memset(slot + SLOT_1, 0, SLOT - SLOT_1);
    bytes_put_32(slot + VERSION_AT, 1);
    uint32_t crc = crc_add(0, slot, CRC_AT);
    bytes_put_32(slot + CRC_AT, crc_add(crc, slot + SUMMED_AT, SLOT_1 - SUMMED_AT));
    disk_sim_put(house->sim, path, text_slice(old, content.size));
    free(old);
}

static void test_a_checkpoint_of_version_1_is_read(void **state) {
    struct spool_house *house = *state;
    char path[64];
    run(house, RECORDS);
    spool_drained(house->spool, RECORDS - 1);
    snprintf(path, sizeof path, "/spool/%s/checkpoint", spool_id(house->spool));
    spool_house_end(house);
    write_slot_as_version_1(house, path, 0);
    write_slot_as_version_1(house, path, 4096);
    struct found found = adopt(house);
    struct spool_figures figures;
    spool_figures(found.spools[0], &figures);
    assert_int_equal(figures.undrained, 1);
    assert_whole(found.spools[0], RECORDS);
    let_go(&found);
}

static void spoil_slot(struct spool_house *house, const char *path, size_t at) {
    struct text content = disk_sim_content(house->sim, path);
    char *copy = memory_copy(content.data, content.size);
    if (at + SLOT <= content.size)
        copy[at + SLOT - 1] ^= 1;
    disk_sim_put(house->sim, path, text_slice(copy, content.size));
    free(copy);
}

static void test_where_a_closed_checkpoint_is_damaged_all_is_read_and_nothing_lost(void **state) {
    struct spool_house *house = *state;
    char **paths;
    run(house, RECORDS);
    spool_drained(house->spool, RECORDS);
    spool_house_end(house);
    size_t count = disk_sim_files(house->sim, &paths);
    assert_non_null(strstr(paths[0], "/checkpoint"));
    spoil_slot(house, paths[0], 0);
    spoil_slot(house, paths[0], 4096);
    for (int i = 0; i < 3; i++) { /* and then it is closed anew */
        struct found found = adopt(house);
        assert_whole(found.spools[0], RECORDS);
        assert_true(i != 2 || found.bytes_read <= heads_of(house, 1));
        drain_all(&found);
        let_go(&found);
    }
    for (size_t i = 0; i < count; i++)
        free(paths[i]);
    free(paths);
}

/* ---------------------------------------------------------------- what it takes */

static int64_t bytes_of_records(struct spool_house *house) {
    struct record record;
    int64_t bytes = 0;
    uint64_t after = 0;
    while (spool_read(house->spool, after, &record, 1, 1) == 1) {
        bytes += (int64_t)record_bytes(&record);
        after = record.sequence;
    }
    return bytes;
}

static void adopt_and_measure(struct spool_house *house, int64_t most) {
    struct found found = adopt(house);
    struct spool_figures figures;
    spool_figures(found.spools[0], &figures);
    assert_in_range(figures.bytes, 1, most);
    assert_in_range(disk_sim_used(house->sim), 1, most);
    assert_whole(found.spools[0], RECORDS);
    let_go(&found);
}

/* What is lost between two records, where a segment had no room for the next, is less than one of
 * those. */
static void test_an_adopted_spool_gives_back_what_holds_no_records(void **state) {
    struct spool_house *house = *state;
    house->options.segment_bytes = 1 << 16;
    run(house, RECORDS);
    int64_t most = bytes_of_records(house) + 4096 + SEGMENT_HEADER + SLOT;
    assert_true(disk_sim_used(house->sim) > most);
    kill_it(house);
    adopt_and_measure(house, most);
    adopt_and_measure(house, most);
    run(house, RECORDS - 1); /* and so does an orderly end */
    spool_house_end(house);
    assert_in_range(disk_sim_used(house->sim), 1, 2 * most);
}

static void test_a_disk_that_takes_nothing_back_is_told_of_as_it_is(void **state) {
    struct spool_house *house = *state;
    house->options.segment_bytes = 1 << 16;
    run(house, RECORDS);
    kill_it(house);
    disk_sim_fail(house->sim, DISK_SIM_PUNCH, EOPNOTSUPP, -1);
    for (int i = 0; i < 2; i++) {
        struct found found = adopt(house);
        struct spool_figures figures;
        spool_figures(found.spools[0], &figures);
        assert_int_equal(figures.bytes, house->options.segment_bytes);
        drain_all(&found);
        let_go(&found);
    }
}

/* ---------------------------------------------------------------- threads */

static size_t threads(void) {
    size_t count = 0;
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *task;
    assert_non_null(tasks);
    while ((task = readdir(tasks)))
        count += task->d_name[0] != '.';
    closedir(tasks);
    return count;
}

static size_t threads_before;

static bool no_thread_is_left(struct spool_house *house) {
    (void)house;
    return threads() == threads_before;
}

static uint64_t drained_on_disk(struct spool_house *house, const struct spool *spool) {
    struct checkpoint checkpoint;
    char folder[64];
    snprintf(folder, sizeof folder, "/spool/%s", spool_id(spool));
    checkpoint_read(disk_sim_disk(house->sim), folder, strtoull(spool_id(spool), NULL, 16),
                    &checkpoint);
    return checkpoint.drained;
}

static struct spool *looked_at;

static bool is_noted(struct spool_house *house) {
    return drained_on_disk(house, looked_at) == RECORDS;
}

static void test_a_spool_with_nothing_to_do_has_no_thread(void **state) {
    struct spool_house *house = *state;
    run(house, RECORDS);
    kill_it(house);
    threads_before = threads();
    struct found found = adopt(house);
    assert_true(no_thread_is_left(house));
    for (uint64_t up_to = RECORDS - 5; up_to <= RECORDS; up_to += 5)
        spool_drained(found.spools[0], up_to);
    looked_at = found.spools[0];
    spool_house_wait(house, is_noted);
    spool_house_wait(house, no_thread_is_left);
    spool_drained(found.spools[0], 3); /* and once more */
    spool_drained(found.spools[0], RECORDS);
    assert_int_equal(found.count, 1);
    let_go(&found);
    assert_true(no_thread_is_left(house));
}

/* ---------------------------------------------------------------- room for all of them together */

static int64_t bytes_of(const struct spool *spool) {
    struct spool_figures figures;
    spool_figures(spool, &figures);
    return figures.bytes;
}

static int64_t owed_let_go(const struct spool *spool) {
    struct spool_figures figures;
    spool_figures(spool, &figures);
    return figures.owed_let_go;
}

static void test_what_is_only_kept_is_let_go_the_oldest_first(void **state) {
    struct spool_house *house = *state;
    run(house, RECORDS);
    spool_house_end(house);
    struct found found = adopt(house);
    struct spool *left = found.spools[0];
    int64_t before = bytes_of(left);
    spool_drained(left, RECORDS);
    spool_hold(left, 0);
    assert_int_equal(spool_let_go(left, INT64_MAX, SPOOL_KEPT), 0); /* owed */
    spool_hold(left, INT64_MAX);
    int64_t gone = spool_let_go(left, 1, SPOOL_KEPT);
    assert_int_equal(gone, house->options.segment_bytes);
    assert_int_equal(bytes_of(left), before - gone);
    assert_true(spool_removed(left) > 0);
    assert_false(spool_is_done(left));
    assert_int_equal(spool_let_go(left, INT64_MAX, SPOOL_KEPT), before - gone);
    assert_int_equal(owed_let_go(left), 0);
    assert_true(spool_house_remove(house, left));
    free(found.spools);
    assert_int_equal(disk_sim_used(house->sim), 0);
}

static void test_what_is_owed_is_let_go_the_oldest_first_and_counted(void **state) {
    struct spool_house *house = *state;
    run(house, RECORDS);
    spool_house_end(house);
    struct found found = adopt(house);
    struct spool *left = found.spools[0];
    spool_drained(left, RECORDS);
    spool_hold(left, 0);
    assert_int_equal(spool_let_go(left, 1, SPOOL_OWED), house->options.segment_bytes);
    assert_true(spool_removed(left) > 0);
    assert_int_equal(owed_let_go(left), spool_removed(left));
    assert_true(spool_let_go(left, INT64_MAX, SPOOL_OWED) > 0);
    assert_int_equal(owed_let_go(left), RECORDS);
    let_go(&found);
}

static void test_what_the_ledger_does_not_have_is_never_let_go(void **state) {
    struct spool_house *house = *state;
    run(house, RECORDS);
    spool_house_end(house);
    struct found found = adopt(house);
    struct spool *left = found.spools[0];
    assert_int_equal(spool_let_go(left, INT64_MAX, SPOOL_OWED), 0);
    spool_drained(left, RECORDS - 1);
    spool_let_go(left, INT64_MAX, SPOOL_OWED);
    assert_in_range(spool_removed(left), 1, RECORDS - 1);
    spool_drained(left, spool_removed(left)); /* and the ledger forgot */
    assert_int_equal(spool_let_go(left, INT64_MAX, SPOOL_OWED), 0);
    size_t numbers[SPOOL_HOUSE_PUTS];
    size_t count = spool_house_read_all(left, numbers);
    assert_int_equal(count, RECORDS - spool_removed(left));
    assert_int_equal(numbers[count - 1], RECORDS - 1);
    let_go(&found);
}

static bool is_not_writable(struct spool_house *house) {
    return !spool_writable(house->spool);
}

static void test_what_others_take_is_not_there_to_be_written(void **state) {
    struct spool_house *house = *state;
    int64_t segment = house->options.segment_bytes;
    house->options.max_bytes = 20 * segment;
    house->options.others_bytes = 20 * segment;
    assert_true(spool_house_start(house));
    assert_true(spool_shortage(house->spool) > 0);
    spool_house_put(house, 1);
    spool_house_settle(house);
    assert_int_equal(house->sent[0].outcome, SPOOL_REFUSED);
    assert_true(is_not_writable(house));
    spool_share(house->spool, 10 * segment);
    assert_int_equal(spool_shortage(house->spool), 0);
    spool_house_wait(house, spool_house_is_writable);
    spool_house_put(house, 5);
    spool_house_settle(house);
    for (size_t i = 1; i <= 5; i++)
        assert_int_equal(house->sent[i].outcome, SPOOL_SYNCED);
}

static bool is_short(struct spool_house *house) {
    return spool_shortage(house->spool) > 0;
}

static bool has_room(struct spool_house *house) {
    return spool_shortage(house->spool) == 0;
}

static bool has_removed(struct spool_house *house) {
    return spool_removed(house->spool) > 0;
}

/* Somebody else fills the disk: this is seen before it is full. */
static void test_a_disk_with_little_free_space_is_given_what_is_only_kept(void **state) {
    struct spool_house *house = *state;
    int64_t segment = house->options.segment_bytes;
    run(house, RECORDS);
    assert_int_equal(spool_shortage(house->spool), 0);
    disk_sim_room(house->sim, disk_sim_used(house->sim) + 2 * segment + segment / 2);
    spool_house_wait(house, is_short);
    assert_true(spool_house_is_writable(house));
    assert_false(has_removed(house)); /* nothing is drained */
    disk_sim_room(house->sim, disk_sim_used(house->sim) + segment);
    spool_drained(house->spool, RECORDS);
    spool_house_wait(house, has_removed);
    disk_sim_room(house->sim, -1);
    spool_house_wait(house, has_room);
}

int main(void) {
#define PROMISE(test) cmocka_unit_test_setup_teardown(test, set_up, spool_house_tear_down)
    const struct CMUnitTest tests[] = {
        PROMISE(test_sixty_drained_spools_cost_a_start_no_record),
        PROMISE(test_what_a_killed_process_left_is_read_once),
        PROMISE(test_what_is_not_drained_is_read_from_there_on),
        PROMISE(test_a_checkpoint_of_version_1_is_read),
        PROMISE(test_where_a_closed_checkpoint_is_damaged_all_is_read_and_nothing_lost),
        PROMISE(test_an_adopted_spool_gives_back_what_holds_no_records),
        PROMISE(test_a_disk_that_takes_nothing_back_is_told_of_as_it_is),
        PROMISE(test_a_spool_with_nothing_to_do_has_no_thread),
        PROMISE(test_what_is_only_kept_is_let_go_the_oldest_first),
        PROMISE(test_what_is_owed_is_let_go_the_oldest_first_and_counted),
        PROMISE(test_what_the_ledger_does_not_have_is_never_let_go),
        PROMISE(test_what_others_take_is_not_there_to_be_written),
        PROMISE(test_a_disk_with_little_free_space_is_given_what_is_only_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
