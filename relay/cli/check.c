#include "cli/check.h"

#include <string.h>

#include "base/clock.h"
#include "base/hmac.h"
#include "cli/cli.h"
#include "net/certificates.h"

static const struct {
    const char *name;
    enum config_for needs;
} commands[] = {
    {"serve", CONFIG_FOR_SERVE}, {"forward", CONFIG_FOR_FORWARD}, {"ledger", CONFIG_FOR_LEDGER},
    {"send", CONFIG_FOR_SEND},   {"pen", CONFIG_FOR_PEN},         {"webhook", CONFIG_FOR_KULA},
    {"watch", CONFIG_FOR_WATCH},
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
    return options_wrong(
        &cli->options,
        "--for takes serve, forward, ledger, send, pen, webhook or watch, not \"%s\"", word);
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

static void print_secrets(const struct config *config) {
    struct string key = {0};
    for (size_t i = 0; i < config->endpoint_count; i++) {
        const struct config_endpoint *endpoint = &config->endpoints[i];
        for (size_t k = 0; k < endpoint->secret_file_count; k++) {
            char mark[HMAC_MARK + 1];
            if (endpoint->secrets[k].size == 0) /* not read, for it is not asked for */
                continue;
            hmac_mark(&endpoint->secrets[k], mark);
            string_clear(&key);
            config_secret_key(config, i, k, &key);
            printf("%s = %s   # mark %s\n", key.data, endpoint->secret_files[k], mark);
        }
    }
    string_finish(&key);
}

struct look {
    enum config_for needs;
    struct certificates *certificates; /* of the listeners; NULL: nobody asks for them */
};

static void look_into(void *arg, struct config *config) {
    struct look *look = arg;
    bool all = look->needs == CONFIG_FOR_ALL;
    if (all || look->needs == CONFIG_FOR_SERVE)
        look->certificates = certificates_load(config);
    if (all || look->needs == CONFIG_FOR_FORWARD)
        certificates_check_services(config);
    if (look->needs != CONFIG_FOR_SEND && look->needs != CONFIG_FOR_KULA)
        certificates_check_redis(config);
}

static void print_alarms(const struct string *alarms) {
    struct text rest = string_text(alarms);
    while (rest.size) {
        struct text line = text_cut(&rest, '\n');
        fprintf(stderr, "alarm: %.*s\n", TEXT_ARG(line));
    }
}

static void report(const struct cli *cli, const struct look *look, bool print) {
    struct string alarms = {0};
    if (look->certificates)
        certificates_alarms(look->certificates, cli->config, clock_wall_ms() / 1000, &alarms);
    config_alarms(cli->config, &alarms);
    print_alarms(&alarms);
    printf("%s: %s\n", cli->config->file, alarms.size ? "works, but see the alarms" : "fine");
    if (print) {
        print_values(cli->config);
        print_secrets(cli->config);
    }
    string_finish(&alarms);
}

static bool parse(struct cli *cli, enum config_for *needs, bool *print, int argc, char **argv) {
    const char *word = NULL;
    const struct cli_option rows[] = {
        {"for", 0, "COMMAND", "what serve, forward, ledger, send, pen, webhook or watch needs",
         .text = &word},
        {"print", 0, NULL, "also print what each key comes to, and where from", .flag = print},
        {0},
    };
    const struct cli_manual manual = {
        .about =
            "Reads the configuration and every file that it names, and tells all mistakes in\n"
            "one go, each as FILE:LINE:COLUMN. What works and should not stay so is an alarm:\n"
            "a certificate that ends within 14 days or has ended, a secret of less than 16\n"
            "bytes. Nothing is connected to. With --for, only the files that this command\n"
            "opens are read; \"ledger\" stands for all that look into Redis and no more, as\n"
            "tail and show do. Secrets are printed by the names of their files and by their\n"
            "marks, as in serve's metrics, never by content.",
        .example = "kula-relay check --config kula-relay.yaml --print",
        .options = rows,
        .takes = CLI_TAKES_CONFIG,
        .notes = "Exit codes: 0 it works, 2 usage, 78 configuration invalid.\n",
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
    struct look look = {.needs = CONFIG_FOR_ALL};
    bool print = false;
    if (parse(&cli, &look.needs, &print, argc, argv) &&
        cli_load_with(&cli, look.needs, look_into, &look))
        report(&cli, &look, print);
    certificates_destroy(look.certificates);
    return cli_close(&cli);
}
