/* Which known word somebody meant, and where none is near enough to be named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/nearest.h"

#define LONGEST "abcdefghijklmnopqrstuvwxyz012345" /* that is compared letter by letter */

struct near_case {
    const char *word;
    const char *names[3]; /* as they are offered */
    const char *sentence;
};

static const struct near_case cases[] = {
    /* One letter of a short name. */
    {"penn", {"pen"}, "; did you mean \"pen\"?"},
    {"pn", {"pen"}, "; did you mean \"pen\"?"},
    {"pan", {"pen"}, "; did you mean \"pen\"?"},
    {"pne", {"pen"}, "; did you mean \"pen\"?"},
    {"pan", {"dead", "pin", "pen"}, "; did you mean \"pin\"?"},
    {"pax", {"pen"}, ""},
    {"pna", {"pen"}, ""},
    /* One more for each four. */
    {"halb", {"help"}, "; did you mean \"help\"?"},
    {"halbe", {"help"}, ""},
    {"vresoni", {"version"}, ""},
    {"vresion", {"version"}, "; did you mean \"version\"?"},
    {"wbehokso", {"webhooks"}, "; did you mean \"webhooks\"?"},
    /* The nearest, wherever it stands. */
    {"pens", {"ping", "pen", "open"}, "; did you mean \"pen\"?"},
    {"pens", {"pen", "ping"}, "; did you mean \"pen\"?"},
    /* A beginning, of four letters at least. */
    {"password", {"passage", "password_file"}, "; did you mean \"password_file\"?"},
    {"pass", {"password_file"}, "; did you mean \"password_file\"?"},
    {"pas", {"password_file"}, ""},
    {"servers-all", {"serve"}, "; did you mean \"serve\"?"},
    {"penalties", {"pen"}, ""},
    /* Nothing. */
    {"serve", {NULL}, ""},
    {"nonsense", {"serve", "version", "send"}, ""},
    /* Long ones. */
    {"_" LONGEST, {"-" LONGEST}, ""},
    {"_bcdefghijklmnopqrstuvwxyz012345", {LONGEST}, "; did you mean \"" LONGEST "\"?"},
    {LONGEST "6", {LONGEST "67"}, "; did you mean \"" LONGEST "67\"?"}, /* as a beginning */
};

static void test_the_one_that_was_meant_is_named(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct nearest nearest = {.word = text_of(cases[i].word)};
        struct string sentence = {0};
        for (size_t k = 0; k < 3 && cases[i].names[k]; k++)
            nearest_offer(&nearest, text_of(cases[i].names[k]));
        nearest_add(&nearest, &sentence);
        if (!text_equal(string_text(&sentence), text_of(cases[i].sentence)))
            fail_msg("\"%s\": \"%s\"", cases[i].word, sentence.data ? sentence.data : "");
        string_finish(&sentence);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_one_that_was_meant_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
