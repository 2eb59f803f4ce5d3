/* webhook plan and apply: what Kula has against what the configuration says. Nothing is ever
 * deleted, and a webhook that the configuration does not know is left alone. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/webhook_types.h"
#include "cli/webhook_verbs.h"
#include "cli/webhook_view.h"

enum action { MAKE, CHANGE, NONE };

/* One of kula.webhooks, and what Kula has of it. */
struct step {
    const struct config_webhook *wanted;
    enum action action;
    bool disabled;
    char *id;   /* NULL: Kula has none */
    char *url;  /* at Kula */
    char **has; /* its events there */
    size_t has_count;
    struct webhook_types types;  /* those that it should have; `listed` is the plan's */
    const struct secret *secret; /* of one that is to be made; the plan's `secrets` have it */
};

struct plan {
    struct webhook_desk *desk;
    struct kula_answer *listed;
    struct config *secrets; /* NULL: nothing is to be made */
    struct step *steps;
    size_t count;
    size_t others; /* webhooks at Kula that are no business of ours */
};

static const char *const action_names[] = {[MAKE] = "create", [CHANGE] = "change", [NONE] = "none"};

/* Finding out ---------------------------------------------------------------- */

static bool is_meant(const struct config_webhook *wanted, const struct kula_webhook *webhook) {
    return wanted->id ? text_is(webhook->id, wanted->id) : text_is(webhook->url, wanted->url);
}

static bool on_webhook(struct webhook_desk *desk, const struct kula_webhook *webhook, void *arg) {
    struct plan *plan = arg;
    struct step *step = NULL;
    for (size_t i = 0; i < plan->count && !step; i++)
        if (is_meant(plan->steps[i].wanted, webhook))
            step = &plan->steps[i];
    if (!step) {
        plan->others++;
        return true;
    }
    if (step->id)
        return cli_fail(&desk->cli, CLI_FAILED,
                        "Kula has two webhooks for %s, %s and %.*s: name the one that is meant by "
                        "its id in kula.webhooks, or delete one",
                        step->url, step->id, TEXT_ARG(webhook->id));
    step->id = text_copy(webhook->id);
    step->url = text_copy(webhook->url);
    step->disabled = webhook->state == KULA_STATE_DISABLED;
    step->has = memory_new((webhook->event_count + 1) * sizeof(*step->has));
    for (; step->has_count < webhook->event_count; step->has_count++)
        step->has[step->has_count] = text_copy(webhook->events[step->has_count]);
    return true;
}

static bool has_event(const struct step *step, struct text type) {
    for (size_t i = 0; i < step->has_count; i++)
        if (text_is(type, step->has[i]))
            return true;
    return false;
}

static bool wants_event(const struct step *step, const char *type) {
    for (size_t i = 0; i < step->types.count; i++)
        if (text_is(step->types.chosen[i], type))
            return true;
    return false;
}

static bool same_events(const struct step *step) {
    bool same = true;
    for (size_t i = 0; i < step->types.count; i++)
        same = same && has_event(step, step->types.chosen[i]);
    for (size_t i = 0; i < step->has_count; i++)
        same = same && wants_event(step, step->has[i]);
    return same;
}

static bool decide(struct plan *plan, struct step *step) {
    const struct config_webhook *wanted = step->wanted;
    if (!step->id && wanted->id)
        return cli_fail(&plan->desk->cli, CLI_NOT_FOUND,
                        "Kula has no webhook %s, which kula.webhooks names; without its id a new "
                        "one would be made",
                        wanted->id);
    if (!step->id)
        step->action = MAKE;
    else if (strcmp(step->url, wanted->url) != 0 || !same_events(step))
        step->action = CHANGE;
    else
        step->action = NONE;
    return true;
}

static bool find_out(struct plan *plan) {
    struct webhook_desk *desk = plan->desk;
    struct webhook_types types = {0};
    if (!webhook_types_ask(desk, &types))
        return false;
    plan->listed = types.listed;
    for (size_t i = 0; i < plan->count; i++) {
        struct step *step = &plan->steps[i];
        step->types.listed = plan->listed;
        if (!webhook_types_choose(desk, &step->types, (const char *const *)step->wanted->events,
                                  step->wanted->event_count))
            return false;
    }
    if (!webhook_desk_each(desk, on_webhook, plan))
        return false;
    for (size_t i = 0; i < plan->count; i++)
        if (!decide(plan, &plan->steps[i]))
            return false;
    return true;
}

static bool begin(struct plan *plan) {
    struct webhook_desk *desk = plan->desk;
    if (!webhook_desk_open(desk))
        return false;
    const struct config_kula *kula = &desk->cli.config->kula;
    if (!kula->webhook_count)
        return cli_fail(&desk->cli, CLI_BAD_CONFIG,
                        "%s: kula.webhooks is missing: say there what Kula should have",
                        desk->cli.config->file);
    plan->steps = memory_new(kula->webhook_count * sizeof(*plan->steps));
    for (; plan->count < kula->webhook_count; plan->count++)
        plan->steps[plan->count].wanted = &kula->webhooks[plan->count];
    return find_out(plan);
}

static void finish(struct plan *plan) {
    for (size_t i = 0; i < plan->count; i++) {
        struct step *step = &plan->steps[i];
        for (size_t k = 0; k < step->has_count; k++)
            free(step->has[k]);
        free(step->has);
        free(step->id);
        free(step->url);
        free(step->types.chosen);
    }
    free(plan->steps);
    kula_answer_destroy(plan->listed);
    config_destroy(plan->secrets);
}

/* Showing -------------------------------------------------------------------- */

static void print_line(char sign, const char *key, struct text value) {
    printf("  %s%c %-6s ", cli_colour(sign == '+' ? CLI_GREEN : CLI_RED), sign, key);
    webhook_view_text(value, 0);
    printf("%s\n", cli_colour(CLI_PLAIN));
}

static void print_step(const struct step *step) {
    const struct config_webhook *wanted = step->wanted;
    bool url_differs = !step->url || strcmp(step->url, wanted->url) != 0;
    printf("%s%s%s for endpoint %s%s%s\n", cli_colour(CLI_BOLD),
           step->id ? step->id : "a new webhook", cli_colour(CLI_PLAIN), wanted->endpoint,
           step->action == NONE ? ": as it should be" : "",
           step->disabled ? ", but disabled: `kula-relay webhook enable` it" : "");
    if (step->url && url_differs)
        print_line('-', "url", text_of(step->url));
    if (url_differs)
        print_line('+', "url", text_of(wanted->url));
    for (size_t i = 0; i < step->has_count; i++)
        if (!wants_event(step, step->has[i]))
            print_line('-', "event", text_of(step->has[i]));
    for (size_t i = 0; i < step->types.count; i++)
        if (!has_event(step, step->types.chosen[i]))
            print_line('+', "event", step->types.chosen[i]);
}

static void step_json(struct cli *cli, const struct step *step) {
    json_open(cli->json, '{');
    cli_json_text(cli, "endpoint", text_of(step->wanted->endpoint));
    cli_json_text_known(cli, "id", text_of(step->id));
    cli_json_text(cli, "action", text_of(action_names[step->action]));
    cli_json_bool(cli, "disabled", step->disabled);
    cli_json_text_known(cli, "url_is", text_of(step->url));
    cli_json_text(cli, "url_should_be", text_of(step->wanted->url));
    json_key(cli->json, "events_missing");
    json_open(cli->json, '[');
    for (size_t i = 0; i < step->types.count; i++)
        if (!has_event(step, step->types.chosen[i]))
            json_string(cli->json, step->types.chosen[i]);
    json_close(cli->json, ']');
    json_key(cli->json, "events_too_many");
    json_open(cli->json, '[');
    for (size_t i = 0; i < step->has_count; i++)
        if (!wants_event(step, step->has[i]))
            json_string(cli->json, text_of(step->has[i]));
    json_close(cli->json, ']');
    json_close(cli->json, '}');
    cli_json_line(cli);
}

/* How many of them are to be made or changed. */
static size_t show(const struct plan *plan) {
    struct cli *cli = &plan->desk->cli;
    size_t differences = 0;
    for (size_t i = 0; i < plan->count; i++) {
        differences += plan->steps[i].action != NONE;
        if (cli->options.json)
            step_json(cli, &plan->steps[i]);
        else
            print_step(&plan->steps[i]);
    }
    if (plan->others && !cli->options.json)
        printf("%s%zu more at Kula, not in the configuration and left alone%s\n",
               cli_colour(CLI_DIM), plan->others, cli_colour(CLI_PLAIN));
    return differences;
}

void webhook_plan_show(struct webhook_desk *desk) {
    struct plan plan = {.desk = desk};
    if (begin(&plan) && show(&plan)) {
        cli_say("Kula differs from the configuration; `kula-relay webhook apply` changes that");
        desk->cli.options.exit = CLI_DIFFERS;
    }
    finish(&plan);
}

/* Applying ------------------------------------------------------------------- */

static bool makes_one(const struct plan *plan) {
    for (size_t i = 0; i < plan->count; i++)
        if (plan->steps[i].action == MAKE)
            return true;
    return false;
}

/* NULL: the file has changed meanwhile, and the endpoint is gone. */
static const struct config_endpoint *find_endpoint(const struct config *config, const char *name) {
    for (size_t i = 0; i < config->endpoint_count; i++)
        if (strcmp(config->endpoints[i].name, name) == 0)
            return &config->endpoints[i];
    return NULL;
}

static bool is_text(struct plan *plan, const struct config_endpoint *endpoint) {
    struct string why = {0};
    bool fine = secret_is_text(&endpoint->secrets[0], &why) ||
                cli_fail(&plan->desk->cli, CLI_BAD_CONFIG, "what is in %s %s",
                         endpoint->secret_files[0], why.data);
    string_finish(&why);
    return fine;
}

static bool find_secret(struct plan *plan, struct step *step) {
    const char *name = step->wanted->endpoint;
    const struct config_endpoint *endpoint = find_endpoint(plan->secrets, name);
    if (step->action != MAKE)
        return true;
    if (!endpoint)
        return cli_fail(&plan->desk->cli, CLI_BAD_CONFIG,
                        "%s: the endpoint %s, which the new webhook is for, is gone",
                        plan->secrets->file, name);
    step->secret = &endpoint->secrets[0];
    return is_text(plan, endpoint);
}

/* A new webhook signs with a secret that serve knows already, so that its first delivery is
 * taken. All are read before anything is changed. */
static bool read_secrets(struct plan *plan) {
    if (!makes_one(plan))
        return true;
    plan->secrets = webhook_desk_load_secrets(plan->desk);
    bool fine = plan->secrets;
    for (size_t i = 0; fine && i < plan->count; i++)
        fine = find_secret(plan, &plan->steps[i]);
    return fine;
}

static bool take(struct plan *plan, const struct step *step) {
    struct webhook_desk *desk = plan->desk;
    struct string name = {0};
    struct kula_api_fields fields = {
        .url = step->wanted->url, .events = step->types.chosen, .event_count = step->types.count};
    if (step->action == NONE)
        return true;
    string_addf(&name, "kula-relay %s", step->wanted->endpoint);
    if (step->action == MAKE) {
        fields.name = name.data;
        fields.secret = step->secret;
        kula_api_make(desk->api, &fields, webhook_desk_on_answer, desk);
    } else {
        if (strcmp(step->url, step->wanted->url) == 0)
            fields.url = NULL;
        if (same_events(step))
            fields.events = NULL;
        kula_api_update(desk->api, step->id, &fields, webhook_desk_on_answer, desk);
    }
    bool fine = webhook_desk_wait(desk);
    string_finish(&name);
    if (fine)
        cli_say("%s %s", step->action == MAKE ? "created one for" : "changed that of",
                step->wanted->endpoint);
    return fine;
}

void webhook_plan_apply(struct webhook_desk *desk) {
    struct plan plan = {.desk = desk};
    bool fine = begin(&plan);
    if (fine && !show(&plan))
        cli_say("nothing to do");
    else if (fine && !desk->dry_run && read_secrets(&plan))
        for (size_t i = 0; fine && i < plan.count; i++)
            fine = take(&plan, &plan.steps[i]);
    finish(&plan);
}
