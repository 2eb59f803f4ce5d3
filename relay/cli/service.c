/* pause, resume, and service: what a person does to a service, and how it
 * stands. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/commands.h"
#include "cli/view.h"
#include "ledger/browse.h"
#include "ledger/service.h"

struct services {
    struct cli cli;
    const char *name; /* the one that is meant; NULL: all */
    char **names;     /* that the ledger knows */
    size_t count;
    const char *shown; /* the one that is being looked at */
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

static void on_names(void *arg, enum ledger_outcome outcome, const struct text *names,
                     size_t count) {
    struct services *this = arg;
    this->outcome = outcome;
    this->names = memory_new((count + 1) * sizeof *this->names);
    for (; outcome == LEDGER_DONE && this->count < count; this->count++)
        this->names[this->count] = text_copy(names[this->count]);
    cli_wake(&this->cli);
}

static bool ask_names(struct services *this) {
    browse_services(this->cli.ledger, on_names, this);
    cli_wait(&this->cli);
    return cli_fine(&this->cli, this->outcome);
}

static bool is_configured(const struct services *this, const char *name) {
    const struct config *config = this->cli.config;
    for (size_t i = 0; i < config->service_count; i++)
        if (strcmp(config->services[i].name, name) == 0)
            return true;
    return false;
}

static void state_json(struct services *this, const struct service_state *state) {
    struct cli *cli = &this->cli;
    json_open(cli->json, '{');
    cli_json_text(cli, "service", text_of(this->shown));
    cli_json_bool(cli, "configured", is_configured(this, this->shown));
    cli_json_text(cli, "place", state->place);
    cli_json_number(cli, "owed", state->owed);
    json_key(cli->json, "unread");
    if (state->unread < 0)
        json_null(cli->json);
    else
        json_number(cli->json, state->unread);
    cli_json_number(cli, "dead_letters", state->dead);
    cli_json_bool(cli, "paused", state->paused);
    cli_json_number(cli, "held_for_ms", state->held_for_ms);
    cli_json_bool(cli, "breaker_open", state->breaker_open);
    cli_json_number(cli, "failed_probes", state->probes);
    json_close(cli->json, '}');
    cli_json_line(cli);
}

/* What a person would like to know first, at the end of the line. */
static void add_remarks(const struct services *this, const struct service_state *state,
                        struct string *s) {
    if (!is_configured(this, this->shown))
        string_add_of(s, "  not in the configuration");
    if (state->paused)
        string_add_of(s, "  paused");
    if (state->breaker_open)
        string_addf(s, "  breaker open, %lld probes failed", (long long)state->probes);
    if (state->held_for_ms) {
        string_add_of(s, "  asked to be left alone for another ");
        view_age(state->held_for_ms, s);
    }
}

static void print_state(const struct services *this, const struct service_state *state) {
    struct string remarks = {0};
    char unread[24] = "?";
    if (state->unread >= 0)
        snprintf(unread, sizeof unread, "%lld", (long long)state->unread);
    add_remarks(this, state, &remarks);
    printf("%-20s %9lld %9s %12lld%s%s%s\n", this->shown, (long long)state->owed, unread,
           (long long)state->dead, cli_colour(CLI_YELLOW), remarks.data ? remarks.data : "",
           cli_colour(CLI_PLAIN));
    string_finish(&remarks);
}

static void on_state(void *arg, const struct service_state *state) {
    struct services *this = arg;
    this->outcome = state->outcome;
    if (state->outcome == LEDGER_DONE && this->cli.options.json)
        state_json(this, state);
    else if (state->outcome == LEDGER_DONE)
        print_state(this, state);
    cli_wake(&this->cli);
}

static bool show_state(struct services *this, const char *name) {
    this->shown = name;
    service_look(this->cli.ledger, name, on_state, this);
    cli_wait(&this->cli);
    return cli_fine(&this->cli, this->outcome);
}

static void print_head(void) {
    printf("%s%-20s %9s %9s %12s%s\n", cli_colour(CLI_BOLD), "service", "owed", "unread",
           "dead letters", cli_colour(CLI_PLAIN));
}

static void list(struct services *this) {
    if (!this->cli.options.json)
        print_head();
    for (size_t i = 0; i < this->count; i++)
        if (!show_state(this, this->names[i]))
            return;
}

/* service forget */

static void forget(struct services *this) {
    bool known = false;
    for (size_t i = 0; i < this->count; i++)
        known = known || strcmp(this->names[i], this->name) == 0;
    if (!known) {
        unknown(this);
        return;
    }
    if (is_configured(this, this->name)) {
        cli_fail(&this->cli, CLI_FAILED,
                 "%s has the service \"%s\": take it out there and have forward read that (SIGHUP) "
                 "first, or it "
                 "would begin again as a new one",
                 this->cli.config->file, this->name);
        return;
    }
    if (!this->cli.options.json)
        print_head();
    if (!show_state(this, this->name) || this->dry_run)
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
            "  list    what each is owed, has not read, has as dead letters, and what holds it "
            "back\n"
            "  forget  removes one that is no longer configured, with its consumer group, what it\n"
            "          is still owed and its dead letters; until then its events are kept for it",
        .example = "kula-relay service list",
        .options = options,
        .takes = CLI_TAKES_CONFIG | CLI_TAKES_JSON,
    };
    const struct verb *verb = NULL;
    if (cli_start(&this.cli, &manual, argc, argv) && (verb = find_verb(&this)) &&
        cli_load(&this.cli, CONFIG_FOR_LEDGER) && cli_connect(&this.cli) && ask_names(&this)) {
        this.name = verb->operands > 1 ? this.cli.options.operands[1] : NULL;
        verb->run(&this);
    }
    for (size_t i = 0; i < this.count; i++)
        free(this.names[i]);
    free(this.names);
    return cli_close(&this.cli);
}
