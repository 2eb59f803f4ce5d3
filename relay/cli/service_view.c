#include "cli/service_view.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/view.h"
#include "ledger/browse.h"
#include "ledger/service.h"

enum { OWNER_SHOWN = 8 }; /* digits of its token: enough to find it in forward's log */

struct services {
    struct cli *cli;
    char **names;
    size_t count;
    const char *shown; /* the one that is being looked at */
    enum ledger_outcome outcome;
    bool part;
    bool owned; /* a forward delivers it in order right now */
};

static const struct config_service *find_configured(const struct cli *cli, const char *name) {
    const struct config *config = cli->config;
    for (size_t i = 0; i < config->service_count; i++)
        if (strcmp(config->services[i].name, name) == 0)
            return &config->services[i];
    return NULL;
}

bool service_view_can_tell(const struct cli *cli) {
    return cli->config->service_count;
}

bool service_view_is_configured(const struct cli *cli, const char *name) {
    return find_configured(cli, name);
}

/* ---- One service ---- */

static void configured_json(struct cli *cli, const char *name) {
    json_key(cli->json, "configured");
    if (service_view_can_tell(cli))
        json_bool(cli->json, service_view_is_configured(cli, name));
    else
        json_null(cli->json);
}

static void state_json(struct services *this, const struct service_state *state) {
    struct cli *cli = this->cli;
    json_open(cli->json, '{');
    if (this->part)
        cli_json_text(cli, "part", text_of("service"));
    cli_json_text(cli, "service", text_of(this->shown));
    configured_json(cli, this->shown);
    cli_json_text(cli, "place", state->place);
    cli_json_number(cli, "owed", state->owed);
    cli_json_known(cli, "unread", state->unread);
    cli_json_known(cli, "due_in_ms", state->due_in_ms);
    cli_json_number(cli, "dead_letters", state->dead);
    cli_json_bool(cli, "paused", state->paused);
    cli_json_number(cli, "held_for_ms", state->held_for_ms);
    cli_json_bool(cli, "breaker_open", state->breaker_open);
    cli_json_number(cli, "failed_probes", state->probes);
    cli_json_text_known(cli, "owner", state->owner_for_ms ? state->owner : (struct text){0});
    json_close(cli->json, '}');
    cli_json_line(cli);
}

static void add_owner(const struct config_service *service, const struct service_state *state,
                      struct string *s) {
    if (state->owner_for_ms)
        string_addf(s, "  in order by the forward %.*s", OWNER_SHOWN, state->owner.data);
    else if (service && service->order_by && strcmp(service->order_by, "none") != 0)
        string_add_of(s, "  no forward delivers it in order");
}

/* What a person would like to know first, at the end of the line. */
static void add_remarks(const struct services *this, const struct service_state *state,
                        struct string *s) {
    const struct config_service *service = find_configured(this->cli, this->shown);
    if (!service && service_view_can_tell(this->cli))
        string_add_of(s, "  not in the configuration");
    if (state->paused)
        string_add_of(s, "  paused");
    if (state->breaker_open)
        string_addf(s, "  breaker open, %lld probes failed", (long long)state->probes);
    if (state->held_for_ms) {
        string_add_of(s, "  asked to be left alone for another ");
        view_age(state->held_for_ms, s);
    }
    add_owner(service, state, s);
}

static void print_state(const struct services *this, const struct service_state *state) {
    struct string remarks = {0}, due = {0};
    char unread[24] = "?";
    if (state->unread >= 0)
        snprintf(unread, sizeof unread, "%lld", (long long)state->unread);
    if (state->due_in_ms >= 0)
        view_age(state->due_in_ms, &due);
    add_remarks(this, state, &remarks);
    printf("%-20s %9lld %9s %9s %12lld%s%s%s\n", this->shown, (long long)state->owed,
           due.data ? due.data : "-", unread, (long long)state->dead, cli_colour(CLI_YELLOW),
           remarks.data ? remarks.data : "", cli_colour(CLI_PLAIN));
    string_finish(&remarks);
    string_finish(&due);
}

static void on_state(void *arg, const struct service_state *state) {
    struct services *this = arg;
    this->outcome = state->outcome;
    this->owned = state->owner_for_ms > 0;
    if (state->outcome == LEDGER_DONE && this->cli->options.json)
        state_json(this, state);
    else if (state->outcome == LEDGER_DONE)
        print_state(this, state);
    cli_wake(this->cli);
}

static bool show_state(struct services *this, const char *name) {
    this->shown = name;
    service_look(this->cli->ledger, name, on_state, this);
    cli_wait(this->cli);
    return cli_fine(this->cli, this->outcome);
}

static void print_head(const struct cli *cli) {
    if (!cli->options.json)
        printf("%s%-20s %9s %9s %9s %12s%s\n", cli_colour(CLI_BOLD), "service", "owed", "due in",
               "unread", "dead letters", cli_colour(CLI_PLAIN));
}

bool service_view_one(struct cli *cli, const char *name, bool *owned) {
    struct services this = {.cli = cli};
    print_head(cli);
    bool fine = show_state(&this, name);
    *owned = this.owned;
    return fine;
}

/* ---- All of them ---- */

static void on_names(void *arg, enum ledger_outcome outcome, const struct text *names,
                     size_t count) {
    struct services *this = arg;
    this->outcome = outcome;
    this->names = memory_new((count + 1) * sizeof *this->names);
    for (; outcome == LEDGER_DONE && this->count < count; this->count++)
        this->names[this->count] = text_copy(names[this->count]);
    cli_wake(this->cli);
}

char **service_view_names(struct cli *cli, size_t *count) {
    struct services this = {.cli = cli};
    browse_services(cli->ledger, on_names, &this);
    cli_wait(cli);
    *count = this.count;
    if (cli_fine(cli, this.outcome))
        return this.names;
    service_view_free(this.names, this.count);
    return NULL;
}

void service_view_free(char **names, size_t count) {
    for (size_t i = 0; names && i < count; i++)
        free(names[i]);
    free(names);
}

bool service_view_all(struct cli *cli, bool part) {
    struct services this = {.cli = cli, .part = part};
    this.names = service_view_names(cli, &this.count);
    bool fine = this.names;
    if (fine)
        print_head(cli);
    for (size_t i = 0; fine && i < this.count; i++)
        fine = show_state(&this, this.names[i]);
    service_view_free(this.names, this.count);
    return fine;
}
