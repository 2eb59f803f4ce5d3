/* What a supervisor hears of us, at a socket such as systemd's. */
#include "base/clock.h"
#include "net/supervisor.h"

#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { PATIENCE_MS = 20000 };

static struct loop *loop;
static int ear = -1; /* the supervisor's */
static char heard[512];

/* `name` as $NOTIFY_SOCKET has it: a path, or abstract behind an @. */
static void open_ear(const char *name) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    memcpy(at.sun_path, name, strlen(name));
    if (*name == '@')
        at.sun_path[0] = '\0';
    ear = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(ear, (struct sockaddr *)&at,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
                     0);
    setenv("NOTIFY_SOCKET", name, 1);
}

static const char *hear(void) {
    struct pollfd readable = {ear, POLLIN, 0};
    assert_int_equal(poll(&readable, 1, PATIENCE_MS), 1);
    ssize_t size = recv(ear, heard, sizeof heard - 1, 0);
    assert_true(size > 0);
    heard[size] = '\0';
    return heard;
}

static bool is_silent(void) {
    struct pollfd readable = {ear, POLLIN, 0};
    return poll(&readable, 1, 0) == 0;
}

static int set_up(void **state) {
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    loop = loop_create();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    loop_destroy(loop);
    if (ear >= 0)
        close(ear);
    ear = -1;
    return 0;
}

static void tell_a_life(struct supervisor *supervisor) {
    supervisor_ready(supervisor, "taking deliveries");
    assert_string_equal(hear(), "READY=1\nSTATUS=taking deliveries");
    supervisor_status(supervisor, "Redis is away");
    assert_string_equal(hear(), "STATUS=Redis is away");
    supervisor_reloading(supervisor);
    assert_ptr_equal(strstr(hear(), "RELOADING=1\nMONOTONIC_USEC="), heard);
    supervisor_ready(supervisor, NULL);
    assert_string_equal(hear(), "READY=1");
    supervisor_stopping(supervisor, "finishing");
    assert_string_equal(hear(), "STOPPING=1\nSTATUS=finishing");
    assert_true(is_silent());
}

/* With Type=notify-reload systemd waits for a time that is not before its own. */
static void test_a_reload_is_told_to_have_begun_after_it_was_asked_for(void **state) {
    (void)state;
    static const char before[] = "RELOADING=1\nMONOTONIC_USEC=";
    char name[64];
    snprintf(name, sizeof name, "@kula-relay-test-%d", (int)getpid());
    open_ear(name);
    struct supervisor *supervisor = supervisor_create(loop);
    for (int i = 0; i < 20; i++) {
        int64_t asked_us = clock_steady_us();
        supervisor_reloading(supervisor);
        assert_in_range(strtoll(hear() + strlen(before), NULL, 10), asked_us, clock_steady_us());
    }
    supervisor_destroy(supervisor);
}

static void test_a_life_is_told_at_a_path(void **state) {
    (void)state;
    char folder[] = "/tmp/kula-relay-test-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/notify", folder);
    open_ear(path);
    struct supervisor *supervisor = supervisor_create(loop);
    assert_null(getenv("NOTIFY_SOCKET")); /* no child shall speak for us */
    tell_a_life(supervisor);
    supervisor_destroy(supervisor);
    unlink(path);
    rmdir(folder);
}

static void test_a_life_is_told_in_the_abstract_namespace(void **state) {
    (void)state;
    char name[64];
    snprintf(name, sizeof name, "@kula-relay-test-%d", (int)getpid());
    open_ear(name);
    struct supervisor *supervisor = supervisor_create(loop);
    tell_a_life(supervisor);
    supervisor_destroy(supervisor);
}

static void on_over(void *arg) {
    bool *over = arg;
    *over = true;
}

static void turn_for(int64_t ms) {
    bool over = false;
    struct loop_timer *timer = loop_timer_create(loop, on_over, &over);
    loop_timer_set(timer, ms);
    while (!over)
        loop_turn(loop);
    loop_timer_destroy(timer);
}

/* With a watchdog of 40 ms; how often it was told in 200, and whether another process was meant. */
static int barks(const char *pid) {
    char name[64];
    int count = 0;
    snprintf(name, sizeof name, "@kula-relay-test-%d", (int)getpid());
    open_ear(name);
    setenv("WATCHDOG_USEC", "40000", 1);
    setenv("WATCHDOG_PID", pid, 1);
    struct supervisor *supervisor = supervisor_create(loop);
    turn_for(200);
    for (; !is_silent(); count++)
        assert_string_equal(hear(), "WATCHDOG=1");
    supervisor_destroy(supervisor);
    return count;
}

static void test_while_the_loop_turns_the_watchdog_hears_it(void **state) {
    (void)state;
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    assert_in_range(barks(pid), 3, 11);
    assert_true(is_silent()); /* the loop does not turn */
}

static void test_another_process_watchdog_hears_nothing(void **state) {
    (void)state;
    assert_int_equal(barks("1"), 0);
}

static void test_without_a_supervisor_all_goes_on_and_no_child_looks_for_one(void **state) {
    (void)state;
    static const char *const none[] = {
        NULL, "", "@", "/", "relative", "vsock:2:1", "/tmp/kula-relay-test-nobody/notify"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        if (none[i])
            setenv("NOTIFY_SOCKET", none[i], 1);
        setenv("WATCHDOG_USEC", "40000", 1);
        struct supervisor *supervisor = supervisor_create(loop);
        assert_null(getenv("NOTIFY_SOCKET"));
        assert_null(getenv("WATCHDOG_USEC"));
        supervisor_ready(supervisor, "ready");
        supervisor_reloading(supervisor);
        supervisor_stopping(supervisor, NULL);
        supervisor_destroy(supervisor);
    }
    supervisor_destroy(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_life_is_told_at_a_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_life_is_told_in_the_abstract_namespace, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_reload_is_told_to_have_begun_after_it_was_asked_for,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_while_the_loop_turns_the_watchdog_hears_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_another_process_watchdog_hears_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            test_without_a_supervisor_all_goes_on_and_no_child_looks_for_one, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
