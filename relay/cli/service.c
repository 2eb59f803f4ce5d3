/* pause, resume, and service: what a person does to a service, and how it
 * stands. */
#include <string.h>

#include "cli/commands.h"
#include "cli/service_view.h"
#include "ledger/service.h"

struct services {
    struct cli cli;
    const char *name; /* the one that is meant; NULL: all */
    enum ledger_outcome outcome;
    bool found, dry_run;
};

static bool unknown(struct services *this) {
    return cli_fail(&this->cli, CLI_NOT_FOUND,
                    "the ledger knows no service \"%s\"; `kula-relay service list` shows them",
                    this->name);
}

static void on_done(void *arg, enum ledger_outcome outcome, bool found) {
    struct services *this = arg;
    this->outcome = outcome;
    this->found = found;
    cli_wake(&this->cli);
}

/* Waits for what was asked of the ledger, and says what came of it. */
static bool finish_move(struct services *this, const char *done) {
    cli_wait(&this->cli);
    if (!cli_fine(&this->cli, this->outcome))
        return false;
    if (!this->found)
        return unknown(this);
    if (!this->cli.options.json)
        printf("%s %s\n", done, this->name);
    return true;
}

/* pause and resume */

typedef void move_fn(struct ledger *, const char *service, service_done_fn *, void *arg);

static int move_main(const struct cli_manual *manual, move_fn *move, const char *done, int argc,
                     char **argv) {
    struct services this = {0};
    if (!cli_start(&this.cli, manual, argc, argv))
        return cli_close(&this.cli);
    if (this.cli.options.operand_count != 1) {
        options_wrong(&this.cli.options, "takes one service");
        return cli_close(&this.cli);
    }
    this.name = this.cli.options.operands[0];
    if (cli_load(&this.cli, CONFIG_FOR_LEDGER) && cli_connect(&this.cli)) {
        move(this.cli.ledger, this.name, on_done, &this);
        finish_move(&this, done);
    }
    return cli_close(&this.cli);
}

int pause_main(int argc, char **argv) {
    const struct cli_manual manual = {
        .about = "Stops deliveries to a service, by all forwarders, at once and over restarts;\n"
                 "attempts in flight are finished. Its events wait; none is lost or charged an\n"
                 "attempt. `kula-relay resume` goes on.",
        .example = "kula-relay pause crm",
        .takes = CLI_TAKES_CONFIG,
    };
    return move_main(&manual, service_pause, "paused", argc, argv);
}

int resume_main(int argc, char **argv) {
    const struct cli_manual manual = {
        .about =
            "Goes on with deliveries to a service, within seconds: ends its pause, and also a\n"
            "wait that it asked for (Retry-After) and the breaker that left it alone because\n"
            "it kept failing.",
        .example = "kula-relay resume crm",
        .takes = CLI_TAKES_CONFIG,
    };
    return move_main(&manual, service_resume, "resumed", argc, argv);
}

/* service list */

static void list(struct services *this) {
    service_view_all(&this->cli, false);
}

/* service forget */

static bool is_known(struct services *this) {
    size_t count;
    char **names = service_view_names(&this->cli, &count);
    bool known = false;
    for (size_t i = 0; names && i < count; i++)
        known = known || strcmp(names[i], this->name) == 0;
    service_view_free(names, count);
    return known || (names && unknown(this));
}

/* What is forgotten while a forward still has it is lost: that one begins again as a new service.
 */
static bool is_out_of_use(struct services *this) {
    const char *file = this->cli.config->file;
    if (!service_view_can_tell(&this->cli))
        return cli_fail(&this->cli, CLI_BAD_CONFIG,
                        "%s names no services, so it cannot be told whether forward still has "
                        "\"%s\": name there those of forward, or give forward's configuration with "
                        "--config",
                        file, this->name);
    return !service_view_is_configured(&this->cli, this->name) ||
           cli_fail(&this->cli, CLI_FAILED,
                    "%s has the service \"%s\": take it out there and have forward read that "
                    "(SIGHUP) first, or it would begin again as a new one",
                    file, this->name);
}

/* Whatever the configuration says: another one may have it. */
static bool show_unowned(struct services *this) {
    bool owned;
    if (!service_view_one(&this->cli, this->name, &owned))
        return false;
    return !owned || cli_fail(&this->cli, CLI_FAILED,
                              "a forward delivers \"%s\" right now: take it out of that forward's "
                              "configuration and have it read that (SIGHUP), or stop it",
                              this->name);
}

static void forget(struct services *this) {
    if (!is_out_of_use(this) || !is_known(this) || !show_unowned(this) || this->dry_run)
        return;
    service_forget(this->cli.ledger, this->name, on_done, this);
    finish_move(this, "forgotten with its events and dead letters:");
}

/* service */

static const struct verb {
    const char *name;
    size_t operands;
    void (*run)(struct services *);
} verbs[] = {{"list", 1, list}, {"forget", 2, forget}};

static const struct verb *find_verb(struct services *this) {
    struct options *options = &this->cli.options;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (!options->operand_count || strcmp(options->operands[0], verbs[i].name) != 0)
            continue;
        if (options->operand_count == verbs[i].operands)
            return &verbs[i];
        options_wrong(options, "%s takes %s", verbs[i].name,
                      verbs[i].operands > 1 ? "one service" : "nothing more");
        return NULL;
    }
    options_wrong(options, "takes list, or forget and a service");
    return NULL;
}

int service_main(int argc, char **argv) {
    struct services this = {0};
    const struct cli_option options[] = {
        {"dry-run", 'n', NULL, "forget: only show what would be forgotten", .flag = &this.dry_run},
        {0}};
    const struct cli_manual manual = {
        .about =
            "The services that the ledger knows:\n"
            "  list    what each is owed and when it is due, has not read, has as dead letters,\n"
            "          what holds it back, and which forward delivers it in order\n"
            "  forget  removes one that is no longer configured, with its consumer group, what it\n"
            "          is still owed and its dead letters; until then its events are kept for it.\n"
            "          It needs a configuration that names the services, as forward's does",
        .example = "kula-relay service list",
        .options = options,
        .takes = CLI_TAKES_CONFIG | CLI_TAKES_JSON,
        .json = "  service: service configured place owed unread due_in_ms dead_letters paused\n"
                "      held_for_ms breaker_open failed_probes owner",
    };
    const struct verb *verb = NULL;
    if (cli_start(&this.cli, &manual, argc, argv) && (verb = find_verb(&this)) &&
        cli_load(&this.cli, CONFIG_FOR_LEDGER) && cli_connect(&this.cli)) {
        this.name = verb->operands > 1 ? this.cli.options.operands[1] : NULL;
        verb->run(&this);
    }
    return cli_close(&this.cli);
}
