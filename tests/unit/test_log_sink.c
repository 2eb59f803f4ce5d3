/* Lines onto a stderr that is not always read: a small pipe, and a socket. */
#include "base/log_sink.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
/* After those, which it needs. */
#include <cmocka.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"

enum { PIPE_BYTES = 4 * 4096 };

static int ends[2]; /* read, write */
static int kept_stderr;
static struct string got; /* what was read so far */

static void take_stderr(void) {
    fflush(stderr);
    kept_stderr = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    string_clear(&got);
}

static int set_up(void **state) {
    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES), PIPE_BYTES);
    take_stderr();
    return 0;
}

static int set_up_socket(void **state) {
    int bytes = PIPE_BYTES;
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    take_stderr();
    return 0;
}

static int give_back(void **state) {
    (void)state;
    dup2(kept_stderr, STDERR_FILENO);
    close(kept_stderr);
    close(ends[0]);
    close(ends[1]);
    string_finish(&got);
    return 0;
}

/* All that is there. */
static void read_some(void) {
    struct pollfd in = {.fd = ends[0], .events = POLLIN};
    char piece[PIPE_BYTES];
    while (poll(&in, 1, 0) > 0) {
        ssize_t size = read(ends[0], piece, sizeof piece);
        assert_true(size > 0);
        string_add(&got, text_slice(piece, (size_t)size));
    }
}

/* The next test begins with nothing to tell and nothing begun. */
static int tear_down(void **state) {
    for (uint64_t before = log_sink_lost() - 1; before != log_sink_lost();) {
        before = log_sink_lost();
        read_some();
        log_info("the end");
    }
    return give_back(state);
}

/* Of what was read, which has to be whole lines; how many of them say this. */
static size_t whole_lines_with(const char *words) {
    static const struct json_reader nothing;
    size_t found = 0;
    for (struct text rest = string_text(&got); rest.size;) {
        struct text line = text_cut(&rest, '\n');
        assert_int_equal(json_read(line, &nothing, NULL), JSON_WHOLE);
        found += memmem(line.data, line.size, words, strlen(words)) != NULL;
    }
    return found;
}

/* ---- How long the sink waits ---- */

static unsigned waited_in_vain;
static int64_t waited_ms;

int __real_poll(struct pollfd *, nfds_t, int);
int __wrap_poll(struct pollfd *, nfds_t, int);

int __wrap_poll(struct pollfd *ends_of, nfds_t count, int timeout_ms) {
    int64_t began_ms = clock_steady_ms();
    int ready = __real_poll(ends_of, count, timeout_ms);
    waited_in_vain += ready == 0 && timeout_ms > 0;
    waited_ms += clock_steady_ms() - began_ms;
    return ready;
}

/* Until one is lost; how long that one took. */
static int64_t get_stuck(void) {
    uint64_t before = log_sink_lost();
    for (;;) {
        int64_t began_ms = clock_steady_ms();
        log_info("told");
        if (log_sink_lost() > before)
            return clock_steady_ms() - began_ms;
    }
}

static void wait_until_patient_again(void) {
    usleep(1100 * 1000);
}

static void
test_a_line_that_nobody_reads_holds_up_for_a_moment_and_no_other_one_at_all(void **state) {
    (void)state;
    assert_in_range(get_stuck(), 90, 5000);
    wait_until_patient_again(); /* but nobody has read */
    waited_in_vain = 0;
    for (int i = 0; i < 200; i++)
        log_info("told");
    assert_int_equal(waited_in_vain, 0);
}

static void test_what_was_lost_is_told_once_somebody_reads(void **state) {
    char count[64];
    (void)state;
    uint64_t before = log_sink_lost();
    get_stuck();
    log_info("told");
    log_info("told");
    assert_int_equal(log_sink_lost() - before, 3);
    read_some();
    log_info("again");
    log_info("again");
    read_some();
    snprintf(count, sizeof count, "\"count\":%d}", 3);
    assert_int_equal(whole_lines_with("log lines lost, nobody read stderr"), 1);
    assert_int_equal(whole_lines_with(count), 1);
    assert_int_equal(whole_lines_with("again"), 2);
    assert_true(strstr(got.data, "log lines lost") < strstr(got.data, "again"));
}

static void test_a_line_that_was_begun_is_finished_before_any_other(void **state) {
    static char long_value[2001];
    (void)state;
    uint64_t before = log_sink_lost();
    memset(long_value, '\x01', sizeof long_value - 1); /* six bytes each, as JSON */
    log_info("long a=%s b=%s", long_value, long_value);
    log_info("lost");
    assert_int_equal(log_sink_lost() - before, 1);
    while (!got.size || !memmem(got.data, got.size, "behind", 6)) {
        read_some();
        log_info("behind");
    }
    read_some();
    while (got.size && got.data[got.size - 1] != '\n')
        got.size--; /* one that goes on */
    assert_int_equal(whole_lines_with("\"long\""), 1);
    assert_int_equal(whole_lines_with("\"lost\""), 0);
}

static void test_a_reader_that_is_slow_does_not_make_us_slow(void **state) {
    (void)state;
    int64_t began_ms = clock_steady_ms();
    waited_ms = 0;
    while (clock_steady_ms() - began_ms < 1000) {
        log_info("told");
        usleep(1000);
        if ((clock_steady_ms() - began_ms) % 40 < 3)
            read_some();
    }
    assert_in_range(waited_ms, 0, 500);
}

static void test_nobody_is_waited_for_who_has_closed_the_pipe(void **state) {
    (void)state;
    get_stuck();
    close(ends[0]);
    uint64_t before = log_sink_lost();
    waited_in_vain = 0;
    for (int i = 0; i < 50; i++)
        log_info("told");
    assert_int_equal(waited_in_vain, 0);
    assert_int_equal(log_sink_lost() - before, 50);
    ends[0] = dup(ends[1]); /* to be closed */
}

int main(void) {
#define ON(name, set_up) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ON(test_a_line_that_nobody_reads_holds_up_for_a_moment_and_no_other_one_at_all, set_up),
        ON(test_what_was_lost_is_told_once_somebody_reads, set_up),
        ON(test_what_was_lost_is_told_once_somebody_reads, set_up_socket),
        ON(test_a_line_that_was_begun_is_finished_before_any_other, set_up),
        ON(test_a_line_that_was_begun_is_finished_before_any_other, set_up_socket),
        ON(test_a_reader_that_is_slow_does_not_make_us_slow, set_up),
        cmocka_unit_test_setup_teardown(test_nobody_is_waited_for_who_has_closed_the_pipe, set_up,
                                        give_back),
    };
    signal(SIGPIPE, SIG_IGN);
    log_start("test", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    log_sink_never_wait();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
