/* Who waits for a second reading, and in which order they are called. */
#include "serve/second.h"

#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "base/clock.h"
#include "kula/canonical.h"

enum { LONG = CANONICAL_MOST, SHORT = 100, PATIENCE_MS = 20000 };

static struct loop *loop;
static struct second *second;
static struct loop_timer *tick; /* so that a turn of the loop is never long */
static char called[64];         /* a letter each: big where it was passed over */
static useconds_t takes_us;     /* a reading */

static void on_tick(void *arg) {
    (void)arg;
    loop_timer_set(tick, 1);
}

static int set_up(void **state) {
    (void)state;
    loop = loop_create();
    tick = loop_timer_create(loop, on_tick, NULL);
    loop_timer_set(tick, 1);
    second = second_create(loop);
    called[0] = '\0';
    takes_us = 0;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    second_destroy(second);
    loop_timer_destroy(tick);
    loop_destroy(loop);
    return 0;
}

static void on_called(void *arg, bool in_time) {
    const char *letter = arg;
    char word[2] = {(char)(in_time ? *letter : *letter - 'a' + 'A'), '\0'};
    strcat(called, word);
    if (in_time)
        usleep(takes_us);
}

static void wait_as(const char *letters, size_t bytes, bool proved) {
    static char alphabet[] = "abcdefghijklmnopqrstuvwxyz";
    for (; *letters; letters++)
        second_wait(second, bytes, proved, on_called, &alphabet[*letters - 'a']);
}

static void await(size_t calls) {
    int64_t until_ms = clock_steady_ms() + PATIENCE_MS;
    while (strlen(called) < calls) {
        assert_true(clock_steady_ms() < until_ms);
        loop_turn(loop);
    }
}

static void test_nobody_is_called_before_the_loop_has_turned(void **state) {
    (void)state;
    wait_as("a", SHORT, true);
    assert_string_equal(called, "");
    await(1);
    assert_string_equal(called, "a");
}

static void test_a_turn_reads_no_more_than_one_longest_body(void **state) {
    (void)state;
    wait_as("ab", LONG, false);
    await(1);
    assert_string_equal(called, "a");
    await(2);
    wait_as("cdefgh", SHORT, false);
    await(3);
    assert_string_equal(called, "abcdefgh");
}

static void test_who_has_proved_to_be_kula_goes_before_all_who_have_not(void **state) {
    (void)state;
    wait_as("abc", LONG, false);
    await(1);
    wait_as("xy", LONG, true);
    await(5);
    assert_string_equal(called, "axybc");
}

static void test_where_readings_take_too_long_who_waits_longest_goes_unread(void **state) {
    (void)state;
    takes_us = 300 * 1000;
    wait_as("abcdefgh", LONG, false);
    wait_as("xy", LONG, true);
    await(10);
    size_t read = strspn(called, "abxy");
    assert_in_range(read, 2, 4); /* of a second, 0.3 s each; the last turn may begin in it */
    assert_memory_equal(called, "xy", 2);
    assert_int_equal(strspn(called + read, "ABCDEFGH"), 10 - read);
    assert_true(strchr(called, 'C') < strchr(called, 'H'));
}

static void
test_whoever_can_be_read_at_once_is_not_late_when_it_was_we_who_stood_still(void **state) {
    (void)state;
    wait_as("abc", SHORT, false);
    usleep(1100 * 1000);
    await(3);
    assert_string_equal(called, "abc");
}

static void test_who_still_waits_at_the_end_is_not_called(void **state) {
    (void)state;
    wait_as("abc", LONG, false);
    wait_as("xyz", LONG, true);
    assert_string_equal(called, ""); /* and what they are is freed with the line */
}

#define ON_A_LOOP(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_A_LOOP(test_nobody_is_called_before_the_loop_has_turned),
        ON_A_LOOP(test_a_turn_reads_no_more_than_one_longest_body),
        ON_A_LOOP(test_who_has_proved_to_be_kula_goes_before_all_who_have_not),
        ON_A_LOOP(test_where_readings_take_too_long_who_waits_longest_goes_unread),
        ON_A_LOOP(test_whoever_can_be_read_at_once_is_not_late_when_it_was_we_who_stood_still),
        ON_A_LOOP(test_who_still_waits_at_the_end_is_not_called),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
