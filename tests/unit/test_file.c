/* Files are read whole; a pipe is waited for, but not for long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

enum { ROOM = 16 };

static char folder[] = "/tmp/kula-relay-test-XXXXXX";

static void assert_reads(const char *path, const char *content) {
    char buffer[ROOM];
    ssize_t size = file_read(path, buffer, ROOM);
    assert_int_equal(size, strlen(content));
    assert_memory_equal(buffer, content, strlen(content));
}

static void assert_fails(const char *path, int error) {
    char buffer[ROOM];
    assert_int_equal(file_read(path, buffer, ROOM), -1);
    assert_int_equal(errno, error);
}

static void write_file(const char *content) {
    FILE *file = fopen("file", "w");
    assert_non_null(file);
    fputs(content, file);
    assert_int_equal(fclose(file), 0);
}

static void test_a_file_is_read_whole_up_to_the_room(void **state) {
    (void)state;
    write_file("");
    assert_reads("file", "");
    write_file("fifteen bytes!!");
    assert_reads("file", "fifteen bytes!!");
    write_file("more than sixteen bytes");
    assert_reads("file", "more than sixtee");
}

static void test_what_cannot_be_read_says_why(void **state) {
    (void)state;
    assert_fails("missing", ENOENT);
    assert_fails(".", EISDIR);
}

static void test_a_pipe_without_a_writer_is_at_its_end(void **state) {
    (void)state;
    assert_reads("pipe", "");
}

/* As the shell's <(command) is. */
static void test_a_pipe_is_read_to_its_end(void **state) {
    (void)state;
    int ends[2];
    char path[64];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "secret", 6), 6);
    close(ends[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    assert_reads(path, "secret");
    close(ends[0]);
}

static void test_a_pipe_that_nobody_fills_is_given_up(void **state) {
    (void)state;
    int writer = open("pipe", O_RDWR);
    assert_true(writer >= 0);
    int64_t began_ms = clock_steady_ms();
    assert_fails("pipe", ETIMEDOUT);
    assert_in_range(clock_steady_ms() - began_ms, 1900, 20000);
    close(writer);
}

static void test_what_is_written_is_there_whole_or_it_is_told_why_not(void **state) {
    (void)state;
    struct rlimit was, little;
    int file = open("file", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(file_write(file, text_of("all of it")));
    assert_true(file_sync_folder("."));
    assert_reads("file", "all of it");
    /* As on a disk that is nearly full: first a part of it, then none. */
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    little = was;
    little.rlim_cur = 12;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &little);
    errno = 0;
    bool written = file_write(file, text_of("more"));
    int error = errno;
    setrlimit(RLIMIT_FSIZE, &was);
    assert_false(written);
    assert_int_equal(error, EFBIG);
    assert_reads("file", "all of itmor");
    close(file);
}

static void test_a_folder_that_cannot_be_synced_says_why(void **state) {
    (void)state;
    assert_false(file_sync_folder("missing"));
    assert_int_equal(errno, ENOENT);
    write_file("");
    assert_false(file_sync_folder("file"));
    assert_int_equal(errno, ENOTDIR);
}

static int set_up(void **state) {
    (void)state;
    return !mkdtemp(folder) || chdir(folder) || mkfifo("pipe", 0600);
}

static int tear_down(void **state) {
    (void)state;
    unlink("file");
    unlink("pipe");
    return chdir("/") || rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_is_read_whole_up_to_the_room),
        cmocka_unit_test(test_what_cannot_be_read_says_why),
        cmocka_unit_test(test_a_pipe_without_a_writer_is_at_its_end),
        cmocka_unit_test(test_a_pipe_is_read_to_its_end),
        cmocka_unit_test(test_a_pipe_that_nobody_fills_is_given_up),
        cmocka_unit_test(test_what_is_written_is_there_whole_or_it_is_told_why_not),
        cmocka_unit_test(test_a_folder_that_cannot_be_synced_says_why),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
