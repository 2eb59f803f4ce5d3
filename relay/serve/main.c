/* kula-relay-serve: what `kula-relay serve` becomes. A program of its own, so
 * that the process on the internet links only what it needs. */
#include <getopt.h>
#include <stdio.h>

#include "base/log.h"
#include "base/version.h"
#include "serve/edition.h"
#include "serve/serve.h"

enum { EXIT_USAGE = 2 };

static const char usage[] =
    "usage: kula-relay serve [--config FILE]\n"
    "\n"
    "Accepts Kula's signed deliveries. A 2xx means that one is on disk, in the spool, from\n"
    "where it goes to Redis; where the spool cannot write, or durability is ledger, that it\n"
    "is in Redis. Where neither takes it, it is held for up to 8 s, then answered 503.\n"
    "\n"
    "  --config FILE  instead of $KULA_RELAY_CONFIG, ./kula-relay.yaml or\n"
    "                 /etc/kula-relay/kula-relay.yaml\n"
    "  --version      print the version\n"
    "  --help         print this\n"
    "\n"
    "Signals: SIGTERM and SIGINT stop it once what is in flight has been answered, within\n"
    "10 s; a second one stops it at once. SIGHUP reads the configuration again and takes it\n"
    "whole or not at all: certificates, keys, secrets, endpoints, serve.dedup_window,\n"
    "serve.pen and log.level; the log names what needs a restart. Certificates, keys and\n"
    "secrets are also taken within seconds when their files change.\n"
    "\n"
    "Exit codes: 0 done, 1 failed, 2 usage, 78 configuration invalid.\n";

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'v'},
    {0},
};

static int serve(const char *file) {
    struct string problems = {0};
    struct edition *first = edition_load(file, &problems);
    int exit_code = SERVE_CONFIG_INVALID;
    if (first) {
        log_start("serve", first->config->log_level, first->config->log_format);
        exit_code = serve_run(first);
    } else {
        fputs(problems.data ? problems.data : "", stderr);
    }
    edition_destroy(first);
    string_finish(&problems);
    return exit_code;
}

static int complain(void) {
    fputs("Try 'kula-relay serve --help'.\n", stderr);
    return EXIT_USAGE;
}

int main(int argc, char **argv) {
    const char *file = NULL;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            file = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            return 0;
        case 'v':
            puts("kula-relay-serve " KULA_RELAY_VERSION);
            return 0;
        default:
            return complain();
        }
    }
    if (optind < argc) {
        fprintf(stderr, "kula-relay serve takes no arguments but options: %s\n", argv[optind]);
        return complain();
    }
    return serve(file);
}
