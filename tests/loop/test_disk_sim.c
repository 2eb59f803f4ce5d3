/* The simulated disk loses what it should lose, and nothing else: a test that
 * stands on it is worth no more than that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "disk_sim.h"

static int set_up(void **state) {
    *state = disk_sim_create();
    return 0;
}

static int tear_down(void **state) {
    disk_sim_destroy(*state);
    return 0;
}

static int create(struct disk_sim *sim, const char *path) {
    const struct disk *disk = disk_sim_disk(sim);
    int file = disk->open(disk->arg, path, O_RDWR | O_CREAT | O_EXCL);
    assert_true(file >= 0);
    return file;
}

static void write_at(struct disk_sim *sim, int file, const char *bytes, int64_t at) {
    const struct disk *disk = disk_sim_disk(sim);
    size_t size = strlen(bytes);
    assert_int_equal(disk->write(disk->arg, file, bytes, size, at), size);
}

static void sync_all(struct disk_sim *sim, int file) {
    const struct disk *disk = disk_sim_disk(sim);
    assert_int_equal(disk->sync_data(disk->arg, file), 0);
    assert_int_equal(disk->sync_folder(disk->arg, "/"), 0);
}

static bool holds(struct disk_sim *sim, const char *path, const char *bytes) {
    return text_is(disk_sim_content(sim, path), bytes);
}

static size_t file_count(struct disk_sim *sim) {
    char **paths;
    size_t count = disk_sim_files(sim, &paths);
    for (size_t i = 0; i < count; i++)
        free(paths[i]);
    free(paths);
    return count;
}

static void test_what_was_synced_is_left(void **state) {
    int file = create(*state, "/a");
    write_at(*state, file, "one", 0);
    sync_all(*state, file);
    write_at(*state, file, "two", 0);
    write_at(*state, file, "more", 3);
    assert_true(holds(*state, "/a", "twomore"));
    disk_sim_reboot(*state, DISK_SIM_DROPPED, 0);
    assert_true(holds(*state, "/a", "one"));
}

static void test_a_killed_process_loses_nothing_that_was_written(void **state) {
    int file = create(*state, "/a");
    write_at(*state, file, "one", 0);
    disk_sim_reboot(*state, DISK_SIM_KILLED, 0);
    assert_true(holds(*state, "/a", "one"));
    disk_sim_reboot(*state, DISK_SIM_DROPPED, 0);
    assert_true(holds(*state, "/a", "one"));
}

static void test_names_are_safe_with_their_folder_only(void **state) {
    struct disk_sim *sim = *state;
    const struct disk *disk = disk_sim_disk(sim);
    int file = create(sim, "/a");
    sync_all(sim, file);
    int other = create(sim, "/b");
    assert_int_equal(disk->sync_data(disk->arg, other), 0);
    assert_int_equal(disk->rename(disk->arg, "/a", "/c"), 0);
    assert_int_equal(file_count(sim), 2);
    disk_sim_reboot(sim, DISK_SIM_DROPPED, 0);
    assert_int_equal(file_count(sim), 1);
    assert_true(holds(sim, "/a", ""));
    assert_int_equal(disk->remove(disk->arg, "/a"), 0);
    disk_sim_reboot(sim, DISK_SIM_DROPPED, 0);
    assert_int_equal(file_count(sim), 1);
    assert_int_equal(disk->remove(disk->arg, "/a"), 0);
    assert_int_equal(disk->sync_folder(disk->arg, "/"), 0);
    disk_sim_reboot(sim, DISK_SIM_DROPPED, 0);
    assert_int_equal(file_count(sim), 0);
}

static void test_without_its_folder_a_file_is_gone(void **state) {
    struct disk_sim *sim = *state;
    const struct disk *disk = disk_sim_disk(sim);
    assert_int_equal(disk->make_folder(disk->arg, "/folder"), 0);
    int file = create(sim, "/folder/a");
    write_at(sim, file, "one", 0);
    assert_int_equal(disk->sync_data(disk->arg, file), 0);
    assert_int_equal(disk->sync_folder(disk->arg, "/folder"), 0);
    disk_sim_reboot(sim, DISK_SIM_DROPPED, 0);
    assert_int_equal(file_count(sim), 0);
    assert_int_equal(disk->open(disk->arg, "/folder", O_RDONLY | O_DIRECTORY), -1);
}

static void test_a_torn_write_is_torn_at_sectors(void **state) {
    struct disk_sim *sim = *state;
    static char old[2049], new[2049];
    bool torn = false;
    memset(old, 'o', 2048);
    memset(new, 'n', 2048);
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct disk_sim *other = disk_sim_copy(sim);
        int file = create(other, "/a");
        write_at(other, file, old, 0);
        sync_all(other, file);
        write_at(other, file, new, 0);
        disk_sim_reboot(other, DISK_SIM_TORN, seed);
        struct text content = disk_sim_content(other, "/a");
        assert_int_equal(content.size, 2048);
        for (size_t at = 0; at < 2048; at++)
            assert_int_equal(content.data[at], content.data[at / 512 * 512]);
        torn = torn || (memchr(content.data, 'o', 2048) && memchr(content.data, 'n', 2048));
        disk_sim_destroy(other);
    }
    assert_true(torn);
}

static void test_a_failed_sync_makes_the_next_one_lie(void **state) {
    struct disk_sim *sim = *state;
    const struct disk *disk = disk_sim_disk(sim);
    int file = create(sim, "/a");
    sync_all(sim, file);
    write_at(sim, file, "one", 0);
    disk_sim_fail(sim, DISK_SIM_SYNC_DATA, EIO, 1);
    assert_int_equal(disk->sync_data(disk->arg, file), -1);
    assert_int_equal(errno, EIO);
    assert_int_equal(disk->sync_data(disk->arg, file), 0);
    assert_true(holds(sim, "/a", "one"));
    disk_sim_reboot(sim, DISK_SIM_DROPPED, 0);
    assert_true(holds(sim, "/a", ""));
}

static void test_after_the_cut_nothing_works_until_the_reboot(void **state) {
    struct disk_sim *sim = *state;
    const struct disk *disk = disk_sim_disk(sim);
    char byte;
    int file = create(sim, "/a");
    sync_all(sim, file);
    disk_sim_cut_at(sim, 2);
    write_at(sim, file, "one", 0);
    assert_false(disk_sim_is_cut(sim));
    assert_int_equal(disk->sync_data(disk->arg, file), -1);
    assert_true(disk_sim_is_cut(sim));
    assert_int_equal(disk->read(disk->arg, file, &byte, 1, 0), -1);
    assert_int_equal(disk->open(disk->arg, "/a", O_RDONLY), -1);
    disk_sim_reboot(sim, DISK_SIM_DROPPED, 0);
    assert_int_equal(disk->read(disk->arg, file, &byte, 1, 0), -1);
    assert_int_equal(errno, EBADF);
    assert_true(disk->open(disk->arg, "/a", O_RDONLY) >= 0);
}

static void test_a_full_disk_takes_what_fits(void **state) {
    struct disk_sim *sim = *state;
    const struct disk *disk = disk_sim_disk(sim);
    int file = create(sim, "/a");
    disk_sim_room(sim, 5);
    assert_int_equal(disk->write(disk->arg, file, "sixsix", 6, 0), 5);
    assert_int_equal(disk->write(disk->arg, file, "x", 1, 5), -1);
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(disk->allocate(disk->arg, file, 6), -1);
    write_at(sim, file, "five5", 0); /* what is there can be written over */
    disk_sim_room(sim, 6);
    assert_int_equal(disk->free_bytes(disk->arg, "/"), 1);
    assert_int_equal(disk->allocate(disk->arg, file, 6), 0);
    assert_int_equal(disk_sim_used(sim), 6);
}

static void test_a_lock_is_held_until_closed(void **state) {
    struct disk_sim *sim = *state;
    const struct disk *disk = disk_sim_disk(sim);
    int one = create(sim, "/a"), other = disk->open(disk->arg, "/a", O_RDWR);
    assert_int_equal(disk->lock(disk->arg, one), 0);
    assert_int_equal(disk->lock(disk->arg, other), -1);
    assert_int_equal(errno, EWOULDBLOCK);
    assert_int_equal(disk->close(disk->arg, one), 0);
    assert_int_equal(disk->lock(disk->arg, other), 0);
}

int main(void) {
#define PROMISE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        PROMISE(test_what_was_synced_is_left),
        PROMISE(test_a_killed_process_loses_nothing_that_was_written),
        PROMISE(test_names_are_safe_with_their_folder_only),
        PROMISE(test_without_its_folder_a_file_is_gone),
        PROMISE(test_a_torn_write_is_torn_at_sectors),
        PROMISE(test_a_failed_sync_makes_the_next_one_lie),
        PROMISE(test_after_the_cut_nothing_works_until_the_reboot),
        PROMISE(test_a_full_disk_takes_what_fits),
        PROMISE(test_a_lock_is_held_until_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
