/* kula-relay-serve: what `kula-relay serve` becomes. A program of its own, so
 * that the process on the internet links only what it needs. */
#include <stdio.h>

#include "base/log.h"
#include "base/log_sink.h"
#include "base/options.h"
#include "base/version.h"
#include "serve/edition.h"
#include "serve/serve.h"

static const struct cli_command command = {"serve", "[--config FILE]", "", NULL};

static const char about[] =
    "Accepts Kula's signed deliveries. A 2xx means that one is on disk, in the spool, from\n"
    "where it goes to Redis; where the spool cannot write, or durability is ledger, that it\n"
    "is in Redis. Where neither takes it, it is held for up to 8 s, then answered 503.";

static const char notes[] =
    "Signals: SIGTERM and SIGINT stop it once what is in flight has been answered, within\n"
    "10 s; a second one stops it at once. SIGHUP reads the configuration again and takes it\n"
    "whole or not at all: certificates, keys, secrets, endpoints, serve.dedup_window,\n"
    "serve.pen and log.level; the log names what needs a restart. Certificates, keys and\n"
    "secrets are also taken within seconds when their files change.\n"
    "\n"
    "GET /healthz is answered on each listener: 200, and 503 while it stops. /readyz and\n"
    "/metrics are served on serve.admin, and /healthz too.\n"
    "Exit codes: 0 done, 1 failed, 2 usage, 78 configuration invalid.\n";

static int serve(const char *file) {
    struct string problems = {0};
    struct edition *first = edition_load(file, &problems);
    int exit_code = SERVE_CONFIG_INVALID;
    if (first) {
        log_start("serve", first->config->log_level, first->config->log_format);
        log_sink_never_wait();
        exit_code = serve_run(first);
    } else {
        fputs(problems.data ? problems.data : "", stderr);
    }
    edition_destroy(first);
    string_finish(&problems);
    return exit_code;
}

static int print_version(void) {
    puts("kula-relay-serve " KULA_RELAY_VERSION);
    return CLI_DONE;
}

int main(int argc, char **argv) {
    bool version = false;
    const struct cli_option rows[] = {
        {"version", 0, NULL, "the version", .flag = &version},
        {0},
    };
    const struct cli_manual manual = {
        .about = about, .options = rows, .takes = CLI_TAKES_CONFIG, .notes = notes};
    struct options options = {0};
    options_command(&command);
    if (!options_parse(&options, &manual, argc, argv))
        return options.exit;
    if (version)
        return print_version();
    if (options.operand_count) {
        options_wrong(&options, "what is \"%s\"? It takes no operands", options.operands[0]);
        return options.exit;
    }
    return serve(options.config_file);
}
