/* Options: a table of command lines and what is read from them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"

enum { MOST_WORDS = 8 };

static const struct {
    const char *words[MOST_WORDS]; /* behind the command's name */
    bool fine;
    bool follow, json;
    int64_t lines;
    const char *type, *config_file; /* NULL: not given */
    size_t operands;
    const char *wrong; /* what is said, before the usage */
} cases[] = {
    {.words = {NULL}, .fine = true, .lines = 10},
    {.words = {"-f", "-n", "3"}, .fine = true, .follow = true, .lines = 3},
    {.words = {"-fn3"}, .fine = true, .follow = true, .lines = 3},
    {.words = {"--lines=100"}, .fine = true, .lines = 100},
    {.words = {"--type", "a.*", "--json"}, .fine = true, .json = true, .lines = 10, .type = "a.*"},
    {.words = {"-c", "x.yaml"}, .fine = true, .lines = 10, .config_file = "x.yaml"},
    /* operands may stand anywhere, and behind -- everything is one */
    {.words = {"a", "-f", "b"}, .fine = true, .follow = true, .lines = 10, .operands = 2},
    {.words = {"--", "-f"}, .fine = true, .lines = 10, .operands = 1},
    {.words = {"--lines", "101"},
     .wrong = "--lines takes a whole number from 0 to 100, not \"101\""},
    {.words = {"--lines", "-1"}, .wrong = "--lines takes a whole number from 0 to 100, not \"-1\""},
    {.words = {"--lines", "ten"},
     .wrong = "--lines takes a whole number from 0 to 100, not \"ten\""},
    {.words = {"--lines"}, .wrong = "--lines needs a value"},
    {.words = {"--loud"}, .wrong = "unknown option --loud"},
    {.words = {"-x"}, .wrong = "unknown option -x"},
    {.words = {"--loud=3", "a"}, .wrong = "unknown option --loud=3"},
    {.words = {"--follow=yes"}, .wrong = "--follow takes no value"},
    {.words = {"--json=3"}, .wrong = "--json takes no value"},
    /* a letter among others */
    {.words = {"-xf"}, .wrong = "unknown option -x"},
    {.words = {"a", "-fx"}, .wrong = "unknown option -x"},
    {.words = {"-fn"}, .wrong = "-n needs a value"},
};

/* What it says goes into a text of our own. */
static bool parse(struct options *options, const struct cli_manual *manual, int argc, char **argv,
                  char **said) {
    FILE *terminal = stderr;
    size_t size;
    optind = 0; /* glibc begins anew */
    stderr = open_memstream(said, &size);
    bool fine = options_parse(options, manual, argc, argv);
    fclose(stderr);
    stderr = terminal;
    return fine;
}

static void test_command_lines_are_read_by_the_table(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool follow = false;
        int64_t lines = 10;
        const char *type = NULL;
        const struct cli_option rows[] = {
            {"lines", 'n', "N", "", .count = &lines, .least = 0, .most = 100},
            {"follow", 'f', NULL, "", .flag = &follow},
            {"type", 't', "PATTERN", "", .text = &type},
            {0}};
        const struct cli_manual manual = {"", NULL, rows, CLI_TAKES_CONFIG | CLI_TAKES_JSON};
        struct options options = {0};
        char words[MOST_WORDS][32] = {"tail"}, *argv[MOST_WORDS + 2] = {words[0]};
        int argc = 1;
        for (; cases[i].words[argc - 1]; argc++)
            argv[argc] = strcpy(words[argc], cases[i].words[argc - 1]);
        char *said = NULL, expected[128] = "";
        bool fine = parse(&options, &manual, argc, argv, &said);
        if (cases[i].wrong)
            snprintf(expected, sizeof expected,
                     "kula-relay tail: %s\nusage: kula-relay tail [-f]\n", cases[i].wrong);
        assert_string_equal(said, expected);
        free(said);
        assert_int_equal(fine, cases[i].fine);
        assert_int_equal(options.exit, cases[i].fine ? CLI_DONE : CLI_USAGE);
        if (!fine)
            continue;
        assert_int_equal(follow, cases[i].follow);
        assert_int_equal(options.json, cases[i].json);
        assert_int_equal(lines, cases[i].lines);
        assert_int_equal(type != NULL, cases[i].type != NULL);
        assert_int_equal(options.config_file != NULL, cases[i].config_file != NULL);
        assert_int_equal(options.operand_count, cases[i].operands);
    }
}

int main(void) {
    options_command(&(struct cli_command){"tail", "[-f]", "", NULL});
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_command_lines_are_read_by_the_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
