/* The others come first: what a watcher may ask of an account that somebody else uses too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "watch/share.h"

enum { HOUR_S = 3600 };

static void test_a_quarter_is_ours_while_nothing_is_known(void **state) {
    struct share share;
    (void)state;
    share_init(&share);
    assert_int_equal(share_ours(&share, 0), -1);
    share_note(&share, (struct share_limit){-1, -1, -1}, 1, 0);
    assert_int_equal(share_ours(&share, 0), -1);
    share_note(&share, (struct share_limit){1000, 999, HOUR_S}, 2, 0);
    assert_int_equal(share_ours(&share, 0), 249);
    share_note(&share, (struct share_limit){1000, 3, HOUR_S}, 3, 30);
    assert_int_equal(share_ours(&share, 30), 0);
}

/* An hour in which the others ask for so many, evenly, and we look every 30 s where we may. */
static int64_t live(struct share *share, int64_t *asked, int64_t begin_s, int64_t wanted) {
    int64_t ours = 0, next_s = begin_s, refused = 0;
    for (int64_t s = 0, others = 0; s < HOUR_S; s++) {
        for (; others < wanted * (s + 1) / HOUR_S; others++)
            refused += others + ours >= 1000;
        if (begin_s + s < next_s || others + ours >= 1000)
            continue;
        ours++;
        share_note(share, (struct share_limit){1000, 1000 - others - ours, begin_s + HOUR_S},
                   ++*asked, begin_s + s);
        int64_t may = share_ours(share, begin_s + s), left_s = HOUR_S - s;
        int64_t wait_s = may < 1 ? left_s : left_s / may;
        next_s = begin_s + s + (wait_s > 30 ? wait_s : 30);
    }
    assert_int_equal(refused, 0);
    return ours;
}

static void test_whatever_the_others_want_none_of_it_is_refused_for_us(void **state) {
    static const struct {
        int64_t wanted, least, most; /* in each of three hours, and how often we look */
    } cases[] = {{0, 118, 121}, {500, 100, 121}, {900, 20, 100}, {950, 8, 50}, {990, 1, 10}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct share share;
        int64_t asked = 0;
        share_init(&share);
        for (int hour = 0; hour < 3; hour++) {
            int64_t ours = live(&share, &asked, hour * (int64_t)HOUR_S, cases[i].wanted);
            if (ours < cases[i].least || ours > cases[i].most)
                fail_msg("%lld wanted, and %lld are ours", (long long)cases[i].wanted,
                         (long long)ours);
        }
    }
}

static void test_who_comes_late_finds_what_he_had_the_time_before(void **state) {
    struct share share;
    (void)state;
    share_init(&share);
    share_note(&share, (struct share_limit){1000, 999, HOUR_S}, 1, 0);
    share_note(&share, (struct share_limit){1000, 98, HOUR_S}, 2, 3500); /* 900, all of a sudden */
    share_note(&share, (struct share_limit){1000, 999, 2 * HOUR_S}, 3, 3601);
    assert_int_equal(share.others_before, 900);
    assert_int_equal(share_ours(&share, 3601), 49);
    share_note(&share, (struct share_limit){1000, 950, 2 * HOUR_S}, 50, 7000); /* we took ours */
    assert_int_equal(share_ours(&share, 7000), 26);
}

static void test_when_it_begins_anew_is_believed_for_an_hour_and_no_more(void **state) {
    static const int64_t resets_s[] = {HOUR_S + 90, 1736937000000, INT64_MAX / 1000};
    (void)state;
    for (size_t i = 0; i < sizeof resets_s / sizeof *resets_s; i++) {
        struct share share;
        share_init(&share);
        for (int look = 0; look < 4; look++) /* and one of the others' between each two */
            share_note(&share, (struct share_limit){1000, 999 - 2 * look, resets_s[i]}, look + 1,
                       look * 30);
        assert_int_equal(share_ours(&share, 90), 248);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_quarter_is_ours_while_nothing_is_known),
        cmocka_unit_test(test_whatever_the_others_want_none_of_it_is_refused_for_us),
        cmocka_unit_test(test_who_comes_late_finds_what_he_had_the_time_before),
        cmocka_unit_test(test_when_it_begins_anew_is_believed_for_an_hour_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
