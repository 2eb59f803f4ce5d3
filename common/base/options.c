#include "base/options.h"

#include <assert.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum { MOST_OPTIONS = 24, NAME_WIDTH = 24 };

static const struct cli_command *command = &(struct cli_command){"", "", "", NULL};

/* The table of one command, its own rows and then the common ones, as getopt_long wants it. */
struct reading {
    struct cli_option rows[MOST_OPTIONS];
    struct option longs[MOST_OPTIONS + 1];
    char letters[2 * MOST_OPTIONS + 2];
    size_t count;
    bool help;
};

void options_command(const struct cli_command *chosen) {
    command = chosen;
}

const char *options_command_name(void) {
    return command->name;
}

bool options_wrong(struct options *options, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "kula-relay %s: ", command->name);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\nusage: kula-relay %s %s\n", command->name, command->usage);
    va_end(args);
    options->exit = CLI_USAGE;
    return false;
}

static void add_row(struct reading *reading, const struct cli_option *row) {
    size_t at = reading->count++;
    assert(at < MOST_OPTIONS);
    reading->rows[at] = *row;
    /* A long option answers with its position + 256, beyond every letter. */
    reading->longs[at] = (struct option){row->name, row->value ? required_argument : no_argument,
                                         NULL, 256 + (int)at};
    if (!row->letter)
        return;
    char *end = reading->letters + strlen(reading->letters);
    *end++ = row->letter;
    if (row->value)
        *end = ':';
}

/* Goes on below itself: 6 columns stand before a name, and a blank behind it. */
static const char config_help[] = "the configuration; else $KULA_RELAY_CONFIG, else\n"
                                  "                               ./kula-relay.yaml, else\n"
                                  "                               /etc/kula-relay/kula-relay.yaml";

static void collect_rows(struct reading *reading, struct options *options,
                         const struct cli_manual *manual) {
    /* '+' is not there: operands may stand before options; ':' tells a missing value apart. */
    strcpy(reading->letters, ":");
    for (const struct cli_option *row = manual->options; row && row->name; row++)
        add_row(reading, row);
    if (manual->takes & CLI_TAKES_CONFIG)
        add_row(reading, &(struct cli_option){"config", 'c', "FILE", config_help,
                                              .text = &options->config_file});
    if (manual->takes & CLI_TAKES_JSON)
        add_row(reading, &(struct cli_option){"json", 0, NULL, "one JSON object a line",
                                              .flag = &options->json});
    add_row(reading, &(struct cli_option){"help", 'h', NULL, "this text", .flag = &reading->help});
}

static void print_row(const struct cli_option *row) {
    char name[64];
    snprintf(name, sizeof name, "--%s%s%s", row->name, row->value ? " " : "",
             row->value ? row->value : "");
    printf("  %c%c%c %-*s %s\n", row->letter ? '-' : ' ', row->letter ? row->letter : ' ',
           row->letter ? ',' : ' ', NAME_WIDTH, name, row->help);
}

static const char usual_notes[] =
    "Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 Redis unreachable,\n"
    "78 configuration invalid.\n";

static void print_help(const struct reading *reading, const struct cli_manual *manual) {
    printf("usage: kula-relay %s %s\n\n%s\n\nOptions:\n", command->name, command->usage,
           manual->about);
    for (size_t i = 0; i < reading->count; i++)
        print_row(&reading->rows[i]);
    if (manual->example)
        printf("\nExample:\n  %s\n", manual->example);
    if (manual->json)
        printf("\nWith --json an object a line; what stands in brackets may be missing:\n%s\n",
               manual->json);
    printf("\n%s", manual->notes ? manual->notes : usual_notes);
}

static const struct cli_option *find_row(const struct reading *reading, int answer) {
    if (answer >= 256)
        return &reading->rows[answer - 256];
    for (size_t i = 0; i < reading->count; i++)
        if (reading->rows[i].letter == answer)
            return &reading->rows[i];
    return NULL;
}

static bool store(struct options *options, const struct cli_option *row, const char *value) {
    uint64_t number;
    if (row->flag)
        return *row->flag = true;
    if (row->text) {
        *row->text = value;
        return true;
    }
    if (!text_to_uint(text_of(value), (uint64_t)row->most, &number) || (int64_t)number < row->least)
        return options_wrong(options, "--%s takes a whole number from %lld to %lld, not \"%s\"",
                             row->name, (long long)row->least, (long long)row->most, value);
    *row->count = (int64_t)number;
    return true;
}

/* getopt tells in optopt which option it was: what find_row takes, a letter that nobody knows, or 0
 * for a long name that nobody knows, which has been passed. A letter's word may not have been. */
static bool unreadable(struct options *options, const struct reading *reading, int answer,
                       char **argv) {
    if (!optopt)
        return options_wrong(options, "unknown option %s", argv[optind - 1]);
    if (optopt < 256)
        return options_wrong(options, answer == ':' ? "-%c needs a value" : "unknown option -%c",
                             optopt);
    return options_wrong(options, answer == ':' ? "--%s needs a value" : "--%s takes no value",
                         find_row(reading, optopt)->name);
}

bool options_parse(struct options *options, const struct cli_manual *manual, int argc,
                   char **argv) {
    struct reading reading = {0};
    int answer;
    collect_rows(&reading, options, manual);
    opterr = 0;
    while ((answer = getopt_long(argc, argv, reading.letters, reading.longs, NULL)) != -1) {
        const struct cli_option *row = find_row(&reading, answer);
        if (!row)
            return unreadable(options, &reading, answer, argv);
        if (!store(options, row, optarg))
            return false;
    }
    options->operands = argv + optind;
    options->operand_count = (size_t)(argc - optind);
    if (reading.help)
        print_help(&reading, manual);
    return !reading.help;
}
