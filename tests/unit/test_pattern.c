/* Patterns: which types they take. */
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/pattern.h"

static void test_a_pattern_is_segments_and_stars(void **state) {
    (void)state;
    static const struct {
        const char *pattern;
        bool valid;
    } cases[] = {
        {"*", true},
        {"ping", true},
        {"application.*", true},
        {"interview.*.created", true},
        {"*.created", true},
        {"*.*", true},
        {"!application.updated", true},
        {"!*", true},
        {"job_posting.published", true},
        {"a-b/c:d", true},
        {"", false},
        {"!", false},
        {"!!a", false},
        {"a!b", false},
        {".", false},
        {"a.", false},
        {".a", false},
        {"a..b", false},
        {"a.b.", false},
        {"!a.", false},
        {"app*", false},
        {"**", false},
        {"a.*b", false},
        {"a b", false},
        {" a", false},
        {"a\n", false},
        {"\xc3\xa9", false},
        {"\x7f", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct string why = {0};
        if (pattern_valid(text_of(cases[i].pattern), &why) != cases[i].valid)
            fail_msg("\"%s\"", cases[i].pattern);
        assert_int_equal(why.size == 0,
                         cases[i].valid); /* a reason where, and only where, refused */
        string_finish(&why);
    }
}

static void test_a_pattern_takes_by_segments(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *type;
        bool matches;
    } cases[] = {
        {"*", "ping", true},
        {"*", "interview.event.created", true},
        {"ping", "ping", true},
        {"ping", "pings", false},
        {"ping", "ping.x", false},
        {"ping", "Ping", false},
        {"application.*", "application.created", true},
        {"application.*", "application", false},
        {"application.*", "applications.created", false},
        {"interview.*", "interview.event.created", true},
        {"interview.event.*", "interview.event.created", true},
        {"interview.*.created", "interview.event.created", true},
        {"interview.*.created", "interview.event.updated", false},
        {"interview.*.created", "interview.a.b.created", false},
        {"interview.*.created", "interview.created", false},
        {"*.created", "job.created", true},
        {"*.created", "interview.event.created", false},
        {"*.created", "created", false},
        {"*.*", "a.b", true},
        {"*.*", "a.b.c", true},
        {"*.*", "a", false},
        {"a.b", "a", false},
        {"a.b", "a.b.c", false},
        /* Types that Kula does not send, and that C and Lua must judge alike. */
        {"a.b", "a.b.", false},
        {"a.*", "a.", false},
        {"a.*", "a..", true},
        {"*.b", ".b", false},
        {"a.*.c", "a..c", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (pattern_list_matches(&cases[i].pattern, 1, text_of(cases[i].type)) != cases[i].matches)
            fail_msg("\"%s\" and \"%s\"", cases[i].pattern, cases[i].type);
}

static void test_an_exclusion_always_wins(void **state) {
    (void)state;
    static const struct {
        const char *patterns[3];
        size_t count;
        const char *type;
        bool matches;
    } cases[] = {
        {{NULL}, 0, "ping", true},
        {{"application.*", "candidate.created"}, 2, "candidate.created", true},
        {{"application.*", "candidate.created"}, 2, "candidate.updated", false},
        {{"application.*", "!application.updated"}, 2, "application.created", true},
        {{"application.*", "!application.updated"}, 2, "application.updated", false},
        {{"!application.updated", "application.*"}, 2, "application.updated", false},
        {{"application.updated", "!application.*", "*"}, 3, "application.updated", false},
        {{"!ping"}, 1, "ping", false},
        {{"!ping"}, 1, "job.created", true},
        {{"!ping", "!job.*"}, 2, "job.created", false},
        {{"!ping", "!job.*"}, 2, "offer.created", true},
        {{"!*"}, 1, "ping", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (pattern_list_matches(cases[i].patterns, cases[i].count, text_of(cases[i].type)) !=
            cases[i].matches)
            fail_msg("case %zu", i);
}

static void test_a_pattern_covers_what_takes_no_more_than_it(void **state) {
    static const struct {
        const char *wide, *narrow;
        bool covers;
    } cases[] = {
        {"*", "*", true},         {"*", "a.b", true},        {"*", "a.*", true},
        {"a", "a", true},         {"a", "b", false},         {"a", "*", false},
        {"a.*", "a.b", true},     {"a.*", "a.b.c", true},    {"a.*", "a.*", true},
        {"a.*", "a.*.c", true},   {"a.*", "a", false},       {"a.*", "b.c", false},
        {"a.*", "*", false},      {"a.*", "*.b", false},     {"*.b", "a.b", true},
        {"*.b", "*.b", true},     {"*.b", "a.c", false},     {"*.b", "a.b.c", false},
        {"*.b", "a.*", false},    {"*.b", "*", false},       {"a.*.c", "a.b.c", true},
        {"a.*.c", "a.*.c", true}, {"a.*.c", "a.b.d", false}, {"a.*.c", "a.*", false},
        {"a.*.*", "a.*", false},  {"a.*.*", "a.b.*", true},  {"a.*.*", "a.b.c.d", true},
        {"a.b", "a.b.c", false},  {"a.b.c", "a.b", false},   {"ab", "a", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (pattern_covers(text_of(cases[i].wide), text_of(cases[i].narrow)) != cases[i].covers)
            fail_msg("%s %s %s", cases[i].wide, cases[i].covers ? "covers" : "does not cover",
                     cases[i].narrow);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_pattern_is_segments_and_stars),
        cmocka_unit_test(test_a_pattern_takes_by_segments),
        cmocka_unit_test(test_an_exclusion_always_wins),
        cmocka_unit_test(test_a_pattern_covers_what_takes_no_more_than_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
