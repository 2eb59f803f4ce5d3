#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

enum { CONNECT_MS = 5000 };

bool cli_start(struct cli *cli, const struct cli_manual *manual, int argc, char **argv) {
    cli->json = json_writer_create();
    /* The rooms below log what a program that runs for long should tell; here it would only
     * be in the way of the one sentence that is said at the end. */
    log_start("kula-relay", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    return options_parse(&cli->options, manual, argc, argv);
}

static void look_nowhere(void *arg, struct config *config) {
    (void)arg;
    (void)config;
}

bool cli_load(struct cli *cli, enum config_for whose) {
    return cli_load_with(cli, whose, look_nowhere, NULL);
}

bool cli_load_with(struct cli *cli, enum config_for whose, config_look_fn *look, void *arg) {
    struct string problems = {0};
    cli->config = config_load_with(cli->options.config_file, whose, look, arg, &problems);
    if (!cli->config) {
        fprintf(stderr, "%s", problems.data ? problems.data : "");
        cli->options.exit = CLI_BAD_CONFIG;
    }
    string_finish(&problems);
    return cli->config;
}

static void on_state(void *arg, bool connected) {
    struct cli *cli = arg;
    if (connected && cli->connecting)
        cli_wake(cli);
}

static void on_time(void *arg) {
    cli_wake(arg);
}

bool cli_connect(struct cli *cli) {
    struct string why = {0};
    if (!cli->loop)
        cli->loop = loop_create();
    cli->ledger = ledger_create(cli->loop, cli->config, "kula-relay-cli", on_state, cli, &why);
    if (!cli->ledger) {
        cli_fail(cli, CLI_BAD_CONFIG, "%s", why.data);
        string_finish(&why);
        return false;
    }
    cli->connecting = true;
    if (!ledger_connected(cli->ledger))
        cli_pause(cli, CONNECT_MS);
    cli->connecting = false;
    return ledger_connected(cli->ledger) || cli_fine(cli, LEDGER_AWAY);
}

int cli_close(struct cli *cli) {
    ledger_destroy(cli->ledger);
    loop_destroy(cli->loop);
    config_destroy(cli->config);
    json_writer_destroy(cli->json);
    /* Whoever closed the pipe (`... | head`) knows already. */
    if ((fflush(stdout) || ferror(stdout)) && cli->options.exit == CLI_DONE) {
        if (errno != EPIPE)
            perror("kula-relay: standard output");
        cli->options.exit = CLI_FAILED;
    }
    return cli->options.exit;
}

void cli_wait(struct cli *cli) {
    loop_run(cli->loop);
}

void cli_wake(struct cli *cli) {
    loop_stop(cli->loop);
}

void cli_pause(struct cli *cli, int64_t ms) {
    struct loop_timer *timer = loop_timer_create(cli->loop, on_time, cli);
    loop_timer_set(timer, ms);
    cli_wait(cli);
    loop_timer_destroy(timer);
}

static void say(const char *format, va_list args) __attribute__((format(printf, 1, 0)));
static void say(const char *format, va_list args) {
    fflush(stdout); /* so that both tell it in order where they go the same way */
    fprintf(stderr, "kula-relay %s: ", options_command_name());
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

bool cli_fail(struct cli *cli, enum cli_exit code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
    cli->options.exit = code;
    return false;
}

void cli_say(const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

/* What can be done about it, by how it begins. */
static const char *advice_for(struct text refusal) {
    static const char rights[] = ": redis.user may not do this; redis.acl has the rights it takes";
    static const struct {
        const char *begins, *advice;
    } rows[] = {
        /* Within a script, as Redis 7.0 says it, and as later ones do. */
        {"ERR The user executing the script can't ", rights},
        {"ERR ACL failure in script: ", rights},
        {"NOPERM ", rights},
        {"OOM ", ": raise its maxmemory, or let the services drain"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (text_starts(refusal, rows[i].begins))
            return rows[i].advice;
    return "";
}

static bool tell_refusal(struct cli *cli) {
    struct text words = ledger_refusal(cli->ledger);
    if (words.size && words.data[words.size - 1] == '.')
        words.size--;
    return cli_fail(cli, CLI_FAILED, "Redis refused: %.*s%s", TEXT_ARG(words), advice_for(words));
}

bool cli_fine(struct cli *cli, enum ledger_outcome outcome) {
    struct text trouble = ledger_trouble(cli->ledger);
    if (outcome == LEDGER_DONE)
        return true;
    if (outcome == LEDGER_REFUSED)
        return tell_refusal(cli);
    return cli_fail(cli, CLI_AWAY, "Redis unreachable (%s)%s%.*s", cli->config->redis.url,
                    trouble.size ? ": " : "", TEXT_ARG(trouble));
}

void cli_json_line(struct cli *cli) {
    struct text line = json_writer_text(cli->json);
    fwrite(line.data, 1, line.size, stdout);
    fputc('\n', stdout);
    json_writer_restart(cli->json);
}

void cli_json_text(struct cli *cli, const char *key, struct text value) {
    json_key(cli->json, key);
    json_string(cli->json, value);
}

void cli_json_text_known(struct cli *cli, const char *key, struct text value) {
    json_key(cli->json, key);
    if (value.size)
        json_string(cli->json, value);
    else
        json_null(cli->json);
}

void cli_json_number(struct cli *cli, const char *key, int64_t value) {
    json_key(cli->json, key);
    json_number(cli->json, value);
}

void cli_json_known(struct cli *cli, const char *key, int64_t value) {
    json_key(cli->json, key);
    if (value < 0)
        json_null(cli->json);
    else
        json_number(cli->json, value);
}

void cli_json_bool(struct cli *cli, const char *key, bool value) {
    json_key(cli->json, key);
    json_bool(cli->json, value);
}

const char *cli_colour(enum cli_colour colour) {
    static const char *const sequences[] = {
        [CLI_PLAIN] = "\033[0m",  [CLI_BOLD] = "\033[1m", [CLI_DIM] = "\033[2m",
        [CLI_GREEN] = "\033[32m", [CLI_RED] = "\033[31m", [CLI_YELLOW] = "\033[33m",
    };
    static enum { UNKNOWN, WANTED, UNWANTED } wanted;
    const char *no_colour = getenv("NO_COLOR");
    if (wanted == UNKNOWN)
        wanted = isatty(STDOUT_FILENO) && (!no_colour || !*no_colour) ? WANTED : UNWANTED;
    return wanted == WANTED ? sequences[colour] : "";
}
