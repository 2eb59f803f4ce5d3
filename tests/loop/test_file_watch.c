/* When files count as changed, however that came about, and when they do not. */
#include "net/file_watch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "base/clock.h"
#include "scratch.h"

enum { PATIENCE_MS = 20000, LOOK_MS = 100 };

static char folder[] = "/tmp/kula-relay-test-XXXXXX";
static struct loop *loop;
static struct file_watch *watch;
static int changes;

static void on_change(void *arg) {
    (void)arg;
    changes++;
}

/* Until it has been told of so many changes. */
static void wait_for(int wanted) {
    int64_t deadline_ms = clock_steady_ms() + PATIENCE_MS;
    while (changes < wanted && clock_steady_ms() < deadline_ms)
        loop_turn(loop);
    assert_int_equal(changes, wanted);
}

static void on_over(void *arg) {
    bool *over = arg;
    *over = true;
}

/* For what must not happen: three looks long. */
static void pass_quietly(int so_far) {
    bool over = false;
    struct loop_timer *timer = loop_timer_create(loop, on_over, &over);
    loop_timer_set(timer, 3 * LOOK_MS);
    while (!over)
        loop_turn(loop);
    loop_timer_destroy(timer);
    assert_int_equal(changes, so_far);
}

static int set_up(void **state) {
    (void)state;
    assert_non_null(mkdtemp(strcpy(folder, "/tmp/kula-relay-test-XXXXXX")));
    assert_int_equal(chdir(folder), 0);
    scratch_write("a", "one");
    scratch_write("b", "one");
    changes = 0;
    loop = loop_create();
    watch = file_watch_create(loop, LOOK_MS, on_change, NULL);
    file_watch_add(watch, "a");
    file_watch_add(watch, "b");
    file_watch_add(watch, NULL);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    file_watch_destroy(watch);
    loop_destroy(loop);
    return chdir("/") || !scratch_remove(folder);
}

static void test_a_file_that_is_new_to_us_counts_as_changed_once(void **state) {
    (void)state;
    wait_for(1);
    pass_quietly(1);
    file_watch_restart(watch);
    file_watch_add(watch, "a"); /* not new, and b is forgotten */
    scratch_write("b", "another");
    pass_quietly(1);
    file_watch_add(watch, "b");
    wait_for(2);
}

static void write_in_place_with_an_old_date(void) {
    struct stat before;
    assert_int_equal(stat("a", &before), 0);
    scratch_write("a", "another one!"); /* as long as before */
    const struct timespec times[2] = {before.st_atim, before.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, "a", times, 0), 0);
}

static void test_each_way_to_change_a_file_is_seen(void **state) {
    (void)state;
    wait_for(1);
    scratch_write("a", "a longer one");
    wait_for(2);
    write_in_place_with_an_old_date();
    wait_for(3);
    scratch_write("new", "two");
    assert_int_equal(rename("new", "a"), 0);
    wait_for(4);
    unlink("a");
    wait_for(5);
    assert_int_equal(symlink("..data", "a"), 0); /* leads nowhere yet, as before */
    assert_int_equal(symlink("b", "..data"), 0);
    wait_for(6);
    scratch_write("new", "three");
    unlink("..data");
    assert_int_equal(symlink("new", "..data"), 0);
    wait_for(7);
    pass_quietly(7);
}

static void test_changes_close_together_are_told_once(void **state) {
    (void)state;
    wait_for(1);
    scratch_write("a", "three");
    scratch_write("b", "three");
    wait_for(2);
    pass_quietly(2);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_file_that_is_new_to_us_counts_as_changed_once),
        TEST(test_each_way_to_change_a_file_is_seen),
        TEST(test_changes_close_together_are_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
