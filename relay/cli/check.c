#include "cli/check.h"

#include <string.h>

#include "cli/cli.h"

static const struct {
    const char *name;
    enum config_for needs;
} commands[] = {
    {"serve", CONFIG_FOR_SERVE},
    {"forward", CONFIG_FOR_FORWARD},
    {"ledger", CONFIG_FOR_LEDGER},
    {"send", CONFIG_FOR_SEND},
};

/* Whose needs are meant; without a word it stays as it was: everybody's. */
static bool find_needs(struct cli *cli, const char *word, enum config_for *needs) {
    if (!word)
        return true;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(word, commands[i].name) == 0) {
            *needs = commands[i].needs;
            return true;
        }
    return options_wrong(&cli->options, "--for takes serve, forward, ledger or send, not \"%s\"",
                         word);
}

static void print_keys(void) {
    struct string keys = {0};
    config_describe(&keys);
    printf("\nAll keys, with their defaults:\n\n%s", keys.data);
    string_finish(&keys);
}

static void print_values(const struct config *config) {
    struct string lines = {0};
    config_print(config, &lines);
    fwrite(lines.data, 1, lines.size, stdout);
    string_finish(&lines);
}

static bool parse(struct cli *cli, enum config_for *needs, bool *print, int argc, char **argv) {
    const char *word = NULL;
    const struct cli_option rows[] = {
        {"for", 0, "COMMAND", "check what serve, forward, ledger or send needs", .text = &word},
        {"print", 0, NULL, "also print what each key comes to, and where from", .flag = print},
        {0},
    };
    const struct cli_manual manual = {
        .about = "Reads the configuration and every file that it names, and tells all mistakes in\n"
                 "one go, each as FILE:LINE:COLUMN. Nothing is connected to. With --for, only\n"
                 "the files that this command opens are read; \"ledger\" stands for all that look\n"
                 "into Redis and no more, as tail and show do. Secrets are printed by the names\n"
                 "of their files, never by content.",
        .example = "kula-relay check --config kula-relay.yaml --print",
        .options = rows,
        .takes = CLI_TAKES_CONFIG,
    };
    if (!cli_start(cli, &manual, argc, argv)) {
        if (cli->options.exit == CLI_DONE) /* --help was printed */
            print_keys();
        return false;
    }
    if (cli->options.operand_count)
        return options_wrong(&cli->options, "what is \"%s\"? The file is named with --config",
                             cli->options.operands[0]);
    return find_needs(cli, word, needs);
}

int check_main(int argc, char **argv) {
    struct cli cli = {0};
    enum config_for needs = CONFIG_FOR_ALL;
    bool print = false;
    if (!parse(&cli, &needs, &print, argc, argv) || !cli_load(&cli, needs))
        return cli_close(&cli);
    printf("%s: fine\n", cli.config->file);
    if (print)
        print_values(cli.config);
    return cli_close(&cli);
}
