/* What a line looks like, and that no value can make it look otherwise. Standard
 * error is a pipe meanwhile; a line is shorter than what a pipe holds. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/log.h"
#include "base/text.h"

static int pipe_ends[2];
static int kept_stderr;
static char lines[65536];

static void begin(enum log_level level, enum log_format format) {
    fflush(stderr);
    kept_stderr = dup(STDERR_FILENO);
    assert_int_equal(pipe2(pipe_ends, O_NONBLOCK | O_CLOEXEC), 0);
    dup2(pipe_ends[1], STDERR_FILENO);
    log_start("test", level, format);
}

/* What was written since begin(). */
static const char *end(void) {
    ssize_t size = read(pipe_ends[0], lines, sizeof lines - 1);
    dup2(kept_stderr, STDERR_FILENO);
    close(kept_stderr);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    lines[size > 0 ? size : 0] = '\0';
    return lines;
}

/* Behind the time, which is "20:00:00.123 ". */
static void assert_text(const char *expected) {
    const char *line = end();
    assert_true(strlen(line) > 13);
    assert_true(line[2] == ':' && line[5] == ':' && line[8] == '.' && line[12] == ' ');
    assert_string_equal(line + 13, expected);
}

/* Behind the time, which is {"time":"2026-11-23T20:00:00.123Z", and one whole JSON object. */
static void assert_json(const char *expected) {
    static const struct json_reader nothing;
    const char *line = end();
    assert_true(strlen(line) > 36);
    assert_true(memcmp(line, "{\"time\":\"20", 11) == 0 && memcmp(line + 32, "Z\",", 3) == 0);
    assert_string_equal(line + 35, expected);
    assert_int_equal(json_read(text_of(line), &nothing, NULL), JSON_WHOLE);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void test_a_text_line_reads_like_the_call(void **state) {
    (void)state;
    begin(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    log_info("listening address=%s tls=%s", "127.0.0.1:4711", "yes");
    assert_text("info  listening address=127.0.0.1:4711 tls=yes\n");
}

static void test_a_json_line_has_a_member_for_each_field(void **state) {
    (void)state;
    begin(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    log_info("listening address=%s tls=%s", "127.0.0.1:4711", "yes");
    assert_json("\"level\":\"info\",\"program\":\"test\",\"message\":\"listening\","
                "\"address\":\"127.0.0.1:4711\",\"tls\":\"yes\"}\n");
}

static void test_auto_is_json_where_nobody_looks(void **state) {
    (void)state;
    begin(LOG_LEVEL_INFO, LOG_FORMAT_AUTO);
    log_warning("two words");
    assert_json("\"level\":\"warning\",\"program\":\"test\",\"message\":\"two words\"}\n");
}

static void test_every_kind_of_number_arrives(void **state) {
    (void)state;
    begin(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    log_error("n a=%d b=%u c=%zu d=%ld e=%lu f=%lld g=%llu h=%" PRId64 " i=%" PRIu32 " j=%s", -1,
              4000000000U, (size_t)7, -5000000000L, 5000000000UL, INT64_MIN + 0LL, 1ULL << 63,
              INT64_MAX, UINT32_MAX, "end");
    assert_json(
        "\"level\":\"error\",\"program\":\"test\",\"message\":\"n\",\"a\":-1,\"b\":4000000000,"
        "\"c\":7,\"d\":-5000000000,\"e\":5000000000,\"f\":-9223372036854775808,"
        "\"g\":9223372036854775808,\"h\":9223372036854775807,\"i\":4294967295,"
        "\"j\":\"end\"}\n");
}

static void test_a_value_may_be_put_together(void **state) {
    (void)state;
    begin(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    log_info("moved to=%s:%d share=%d%% state=done took=%dms id=%s%d", "h", 80, 5, 12, "0", 1);
    assert_json("\"level\":\"info\",\"program\":\"test\",\"message\":\"moved\",\"to\":\"h:80\","
                "\"share\":\"5%\",\"state\":\"done\",\"took\":\"12ms\",\"id\":\"01\"}\n");
}

static void test_a_text_is_taken_by_its_size(void **state) {
    (void)state;
    static const char unterminated[3] = {'a', 'b', 'c'};
    struct text empty = text_of(NULL);
    begin(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    log_info("m a=%.*s b=%.*s c=%s d=%.*s", 3, unterminated, TEXT_ARG(empty), empty.data, 9, "x");
    assert_text("info  m a=abc b=\"\" c=(null) d=x\n");
}

static void test_no_value_can_make_a_line_or_a_field(void **state) {
    (void)state;
    static const struct {
        const char *value, *text, *json;
    } cases[] = {
        {"a\nb", "\"a\\nb\"", "\"a\\nb\""},
        {"x tls=no", "\"x tls=no\"", "\"x tls=no\""},
        {"x=y", "\"x=y\"", "\"x=y\""},
        {"%s%n", "%s%n", "\"%s%n\""},
        {"\",\"a\":\"b", "\"\\\",\\\"a\\\":\\\"b\"", "\"\\\",\\\"a\\\":\\\"b\""},
        {"a\\nb", "\"a\\\\nb\"", "\"a\\\\nb\""},
        {"\x1b[2J", "\"\\x1b[2J\"", "\"\\u001b[2J\""},
        {"\r\t\x7f", "\"\\x0d\\x09\\x7f\"", "\"\\u000d\\u0009\\u007f\""},
        {"\xc2\x9b", "\"\\xc2\\x9b\"", "\"\\u009b\""},
        {"\xe2\x80\xae", "\"\\xe2\\x80\\xae\"", "\"\\u202e\""},
        {"\xffz", "\"\\xffz\"", "\"\xef\xbf\xbdz\""},
        {"\xed\xa0\x80", "\"\\xed\\xa0\\x80\"", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"M\xc3\xbcller", "M\xc3\xbcller", "\"M\xc3\xbcller\""},
        {"", "\"\"", "\"\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char expected[256];
        snprintf(expected, sizeof expected, "info  m v=%s w=1\n", cases[i].text);
        begin(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
        log_info("m v=%s w=%d", cases[i].value, 1);
        assert_text(expected);
        snprintf(expected, sizeof expected,
                 "\"level\":\"info\",\"program\":\"test\",\"message\":\"m\",\"v\":%s,\"w\":1}\n",
                 cases[i].json);
        begin(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
        log_info("m v=%s w=%d", cases[i].value, 1);
        assert_json(expected);
    }
}

static void test_a_value_in_the_message_is_escaped_too(void **state) {
    (void)state;
    begin(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    log_info("hello %s level=%s", "w\n=%d", "x");
    assert_text("info  hello w\\n=%d level=x\n");
}

static void test_a_line_may_be_fields_only(void **state) {
    (void)state;
    begin(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    log_info("a=%d b=%d", 1, 2);
    assert_text("info  a=1 b=2\n");
    begin(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    log_info("a=%d", 1);
    assert_json("\"level\":\"info\",\"program\":\"test\",\"message\":\"\",\"a\":1}\n");
}

static void test_what_is_below_the_level_is_not_said(void **state) {
    (void)state;
    begin(LOG_LEVEL_WARNING, LOG_FORMAT_TEXT);
    log_debug("a");
    log_info("b");
    log_warning("c");
    assert_text("warning c\n");
    begin(LOG_LEVEL_DEBUG, LOG_FORMAT_TEXT);
    log_debug("a");
    assert_text("debug a\n");
    begin(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    log_warning("c");
    assert_string_equal(end(), "");
}

static void test_another_level_holds_from_the_next_line_on_and_changes_nothing_else(void **state) {
    (void)state;
    begin(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    log_info("a");
    log_set_level(LOG_LEVEL_INFO);
    log_info("b");
    assert_text("info  b\n");
}

static void test_a_strangers_long_value_is_cut_between_characters(void **state) {
    (void)state;
    char value[5000];
    for (size_t i = 0; i + 2 < sizeof value; i += 2)
        memcpy(value + i + 1, "\xc3\xa9", 2);
    value[0] = 'a';
    value[sizeof value - 1] = '\0';
    begin(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    log_info("m path=%s", value);
    const char *line = end();
    assert_true(strlen(line) < 2100);
    assert_null(strstr(line, "\\x"));
    assert_string_equal(line + strlen(line) - 6, "\xc3\xa9...\n");
}

static void test_logging_leaves_errno_alone(void **state) {
    (void)state;
    begin(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    close(STDERR_FILENO);
    errno = ENOENT;
    log_info("m");
    assert_int_equal(errno, ENOENT);
    end();
}

static void test_levels_have_the_names_of_the_configuration(void **state) {
    (void)state;
    assert_string_equal(log_level_name(LOG_LEVEL_DEBUG), "debug");
    assert_string_equal(log_level_name(LOG_LEVEL_INFO), "info");
    assert_string_equal(log_level_name(LOG_LEVEL_WARNING), "warning");
    assert_string_equal(log_level_name(LOG_LEVEL_ERROR), "error");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_text_line_reads_like_the_call),
        cmocka_unit_test(test_a_json_line_has_a_member_for_each_field),
        cmocka_unit_test(test_auto_is_json_where_nobody_looks),
        cmocka_unit_test(test_every_kind_of_number_arrives),
        cmocka_unit_test(test_a_value_may_be_put_together),
        cmocka_unit_test(test_a_text_is_taken_by_its_size),
        cmocka_unit_test(test_no_value_can_make_a_line_or_a_field),
        cmocka_unit_test(test_a_value_in_the_message_is_escaped_too),
        cmocka_unit_test(test_a_line_may_be_fields_only),
        cmocka_unit_test(test_what_is_below_the_level_is_not_said),
        cmocka_unit_test(test_another_level_holds_from_the_next_line_on_and_changes_nothing_else),
        cmocka_unit_test(test_a_strangers_long_value_is_cut_between_characters),
        cmocka_unit_test(test_logging_leaves_errno_alone),
        cmocka_unit_test(test_levels_have_the_names_of_the_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
