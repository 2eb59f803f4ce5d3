/* The processes that `up` runs: a death is told, and the end comes in order. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "cli/children.h"

enum { FACT_MS = 20000, TICK_MS = 10 };

static char folder[] = "/tmp/kula-relay-children-XXXXXX";
static char journal[sizeof folder + 16];

struct house {
    struct loop *loop;
    struct children *children;
    struct loop_timer *tick;
    char *died;
    bool ended;
};

static void on_died(void *arg, const char *sentence) {
    struct house *house = arg;
    free(house->died);
    house->died = strdup(sentence);
}

static void on_end(void *arg) {
    struct house *house = arg;
    house->ended = true;
}

static void on_tick(void *arg) {
    (void)arg;
}

static int open_house(void **state) {
    struct house *house = calloc(1, sizeof *house);
    house->loop = loop_create();
    house->children = children_create(house->loop, on_died, house);
    house->tick = loop_timer_create(house->loop, on_tick, house);
    remove(journal);
    *state = house;
    return 0;
}

static int close_house(void **state) {
    struct house *house = *state;
    children_destroy(house->children);
    loop_timer_destroy(house->tick);
    loop_destroy(house->loop);
    free(house->died);
    free(house);
    return 0;
}

static void turn_until(struct house *house, bool (*fact)(struct house *)) {
    int64_t until = clock_steady_ms() + FACT_MS;
    while (!fact(house)) {
        assert_true(clock_steady_ms() < until);
        loop_timer_set(house->tick, TICK_MS);
        loop_turn(house->loop);
    }
}

static bool somebody_died(struct house *house) {
    return house->died;
}

static bool all_have_ended(struct house *house) {
    return house->ended;
}

static size_t read_journal(char *text, size_t size) {
    FILE *file = fopen(journal, "r");
    size_t read = file ? fread(text, 1, size - 1, file) : 0;
    text[read] = '\0';
    if (file)
        fclose(file);
    return read;
}

static bool both_are_up(struct house *house) {
    char text[64];
    (void)house;
    return read_journal(text, sizeof text) == strlen("up\nup\n");
}

static void note(const char *file, const char *word) {
    FILE *notes = fopen(file, "a");
    if (!notes || fprintf(notes, "%s\n", word) < 0 || fclose(notes) != 0)
        abort();
}

/* What this program is as a child: says in the journal when it is up, and when it is told to end.
 */
static int be_a_child(const char *name, const char *file) {
    sigset_t term;
    int taken;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL);
    note(file, "up");
    sigwait(&term, &taken);
    note(file, name);
    return 0;
}

static void start_child(struct house *house, const char *name) {
    struct string why = {0};
    char self[4096] = "";
    /* Read, for under valgrind an exec of the link would start valgrind's tool. */
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(size > 0);
    const char *const argv[] = {self, name, journal, NULL};
    assert_true(children_start(house->children, name, argv, NULL, &why));
}

static void test_the_last_to_start_is_the_first_to_end(void **state) {
    struct house *house = *state;
    char text[64];
    start_child(house, "redis");
    start_child(house, "serve");
    turn_until(house, both_are_up);
    children_stop(house->children, on_end, house);
    assert_false(house->ended);
    turn_until(house, all_have_ended);
    read_journal(text, sizeof text);
    assert_string_equal(text, "up\nup\nserve\nredis\n");
    assert_null(house->died);
}

static void test_a_death_is_told_with_its_exit_code(void **state) {
    struct house *house = *state;
    struct string why = {0};
    const char *const argv[] = {"/bin/sh", "-c", "exit 7", NULL};
    assert_true(children_start(house->children, "serve", argv, NULL, &why));
    turn_until(house, somebody_died);
    assert_string_equal(house->died, "serve has ended with exit code 7");
}

static void test_a_program_that_is_not_there_is_told(void **state) {
    struct house *house = *state;
    struct string why = {0};
    char text[128];
    const char *const argv[] = {"/nowhere/to/be/found", NULL};
    assert_true(children_start(house->children, "serve", argv, journal, &why));
    turn_until(house, somebody_died);
    assert_string_equal(house->died, "serve has ended with exit code 127");
    read_journal(text, sizeof text);
    assert_string_equal(text, "/nowhere/to/be/found: No such file or directory\n");
}

static void test_an_end_without_children_comes_too(void **state) {
    struct house *house = *state;
    children_stop(house->children, on_end, house);
    turn_until(house, all_have_ended);
}

static int make_folder(void **state) {
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(journal, sizeof journal, "%s/journal", folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    remove(journal);
    return rmdir(folder);
}

int main(int argc, char **argv) {
    if (argc == 3)
        return be_a_child(argv[1], argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_last_to_start_is_the_first_to_end, open_house,
                                        close_house),
        cmocka_unit_test_setup_teardown(test_a_death_is_told_with_its_exit_code, open_house,
                                        close_house),
        cmocka_unit_test_setup_teardown(test_a_program_that_is_not_there_is_told, open_house,
                                        close_house),
        cmocka_unit_test_setup_teardown(test_an_end_without_children_comes_too, open_house,
                                        close_house),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
