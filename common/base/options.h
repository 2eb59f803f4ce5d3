/* Options are read from one table a command, which its --help prints too, whichever program has it.
 *
 * What every command takes (--help) and most take (--config, --json) is added
 * here, in one place. Long and short options may stand anywhere before "--". */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cli_exit {
    CLI_DONE = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_NOT_FOUND = 3,
    CLI_AWAY = 4,    /* Redis unreachable */
    CLI_DIFFERS = 5, /* of `webhook plan`, and of nothing else: jobs apply after it */
    CLI_BAD_CONFIG = 78,
};

/* A row of the table of commands, main.c. */
struct cli_command {
    const char *name;
    const char *usage;   /* what may stand behind the name */
    const char *summary; /* one line */
    int (*main)(int argc, char **argv);
};

/* Where an option's value goes: exactly one of the three is set. */
struct cli_option {
    const char *name;
    char letter;       /* 0: has none */
    const char *value; /* the word for its value; NULL for a flag */
    const char *help;
    bool *flag;
    const char **text;
    int64_t *count; /* a whole number from least to most */
    int64_t least, most;
};

enum { CLI_TAKES_CONFIG = 1, CLI_TAKES_JSON = 2 };

struct cli_manual {
    const char *about; /* what the command does; lines of at most 80 */
    const char *example;
    const struct cli_option *options; /* the last one has no name; NULL: none */
    unsigned takes;
    const char *json;  /* the fields, a row for each kind of line, [those] that may be missing */
    const char *notes; /* behind the options, to the exit codes; NULL: those that most have */
};

struct options {
    const char *config_file; /* NULL: where config_load looks */
    bool json;
    char **operands; /* what is no option, in order */
    size_t operand_count;
    enum cli_exit exit; /* what to end with */
};

/* Before a command's main: whose usage the help prints. Borrowed for ever. */
void options_command(const struct cli_command *);

/* False: help was printed, or what was wrong was said; end with options->exit. */
bool options_parse(struct options *, const struct cli_manual *, int argc, char **argv);

/* "kula-relay NAME: ..." and the usage to stderr; the exit is CLI_USAGE. Gives false. */
bool options_wrong(struct options *, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *options_command_name(void);
