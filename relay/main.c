/* kula-relay: the table of commands, and the one that was asked for. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/nearest.h"
#include "base/text.h"
#include "cli/check.h"
#include "cli/commands.h"
#include "base/options.h"
#include "forward/forward.h"
#include "watch/watch.h"

static int serve_main(int argc, char **argv);
static int help_main(int argc, char **argv);

static const struct cli_command commands[] = {
    {"serve", "[--config FILE]", "accepts deliveries from Kula", serve_main},
    {"forward", "[--config FILE]", "delivers events to the services", forward_main},
    {"up", "[--data DIR] [--listen ADDRESS] [--config FILE]",
     "all on this machine, with a Redis of its own", up_main},
    {"demo", "[--keep]", "a tour in a temporary folder", demo_main},
    {"tail", "[-n N] [-f] [--since 10m|ID] [--type PATTERN] [--service NAME] [--reveal] [--json]",
     "shows the events in the stream", tail_main},
    {"show", "EVENT_ID [--json]", "one event's way", show_main},
    {"dead", "list|show|replay|drop SERVICE [ID...] [--all] [--dry-run] [--reveal] [--json]",
     "the dead letters", dead_main},
    {"pen",
     "list|show|release|drop [ID...] [--all] [--endpoint NAME] [--reason WORD] [--dry-run] "
     "[--reveal] [--json]",
     "what was accepted and is no event yet", pen_main},
    {"status", "[--json]", "how things stand, on one screen", status_main},
    {"pause", "SERVICE", "stops deliveries to a service", pause_main},
    {"resume", "SERVICE", "goes on with them", resume_main},
    {"service", "list|forget [SERVICE] [--dry-run] [--json]", "how each service stands",
     service_main},
    {"send",
     "[--url URL] [--secret-file FILE] [--type TYPE] [--body FILE|-] [--id ID] [--count N] "
     "[--rate N] [--concurrency N] [--ca-file FILE] [--json]",
     "signs and sends deliveries as Kula does", send_main},
    {"verify",
     "--secret-file FILE --signature HEADER [--body FILE|-] [--at UNIX] [--tolerance DURATION] "
     "[--signed-body WORD] [--timestamp VALUE] [--explain] [--json]",
     "would this delivery be accepted, and why not?", verify_main},
    {"spool", "status|list|verify [--directory DIR] [--json]", "what is on disk, before Redis",
     spool_main},
    {"audit", "[--json]", "do the counts balance?", audit_main},
    {"check", "[--config FILE] [--for COMMAND] [--print]",
     "reads the configuration, tells every mistake", check_main},
    {"health", "[serve|forward] [--ready]", "is the one that runs on this machine well?",
     health_main},
    {"webhook",
     "list|show|create|update|delete|enable|disable|events|sample|test|logs|missed|rotate-secret|"
     "plan|"
     "apply "
     "[ID|TYPE] [options] [--json]",
     "Kula's side: its webhooks, events and logs", webhook_main},
    {"watch", "[--config FILE] [--serve ADDRESS] [--every SECONDS]",
     "enables what Kula has disabled", watch_main},
    {"version", "[--json]", "version, commit, libraries", version_main},
    {"help", "[COMMAND]", "this text, or that of a command", help_main},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static const struct cli_command *find_command(const char *name) {
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int complain(const char *name) {
    struct nearest nearest = {.word = text_of(name)};
    struct string sentence = {0};
    for (size_t i = 0; i < COMMANDS; i++)
        nearest_offer(&nearest, text_of(commands[i].name));
    string_addf(&sentence, "kula-relay: unknown command \"%s\"", name);
    nearest_add(&nearest, &sentence);
    fprintf(stderr, "%s\n`kula-relay help` lists the commands.\n", sentence.data);
    string_finish(&sentence);
    return CLI_USAGE;
}

static void print_commands(FILE *stream) {
    fprintf(stream, "kula-relay takes Kula's signed webhooks and brings them to your services.\n\n"
                    "usage: kula-relay COMMAND [options]\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(stream, "  %-8s %s\n", commands[i].name, commands[i].summary);
    fprintf(stream,
            "\n`kula-relay help COMMAND` tells more. `kula-relay demo` is a good beginning.\n");
}

/* serve is a program of its own, beside this one or in the libexec folder: the
 * process on the internet links only what it needs. */
static int serve_main(int argc, char **argv) {
    static const char *const places[] = {"/kula-relay-serve", "/serve/kula-relay-serve", NULL};
    static char name[] = "kula-relay-serve"; /* as it stands in `ps` */
    char self[PATH_MAX];
    struct string program = {0};
    (void)argc;
    argv[0] = name;
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    self[size > 0 ? size : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash)
        *slash = '\0';
    for (size_t i = 0; slash && places[i]; i++) {
        string_clear(&program);
        string_addf(&program, "%s%s", self, places[i]);
        execv(program.data, argv); /* comes back only where it failed */
        if (errno != ENOENT)
            break;
    }
    if (errno == ENOENT) {
        string_clear(&program);
        string_add_of(&program, KULA_RELAY_LIBEXECDIR "/kula-relay-serve");
        execv(program.data, argv);
    }
    fprintf(stderr, "kula-relay serve: %s: %s\n", program.data, strerror(errno));
    string_finish(&program);
    return CLI_FAILED;
}

static int run(const struct cli_command *command, int argc, char **argv) {
    options_command(command);
    return command->main(argc, argv);
}

/* `help tail` is `tail --help`. */
static int help_main(int argc, char **argv) {
    const struct cli_command *command = argc > 1 ? find_command(argv[1]) : NULL;
    char option[] = "--help";
    if (argc > 1 && !command && strcmp(argv[1], "--help") != 0)
        return complain(argv[1]);
    if (!command || command->main == help_main) {
        print_commands(stdout);
        return CLI_DONE;
    }
    char *help[] = {argv[1], option, NULL};
    return run(command, 2, help);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        print_commands(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return help_main(1, argv);
    const struct cli_command *command =
        find_command(strcmp(argv[1], "--version") == 0 ? "version" : argv[1]);
    return command ? run(command, argc - 1, argv + 1) : complain(argv[1]);
}
