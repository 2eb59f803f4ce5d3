/* webhook events and sample: what Kula can tell of, who of ours wants to hear it, and what
 * that looks like. */
#include <stdlib.h>

#include "base/memory.h"
#include "base/pattern.h"
#include "cli/webhook_types.h"
#include "cli/webhook_verbs.h"
#include "cli/webhook_view.h"

/* Of each type that Kula lists, how many active webhooks send it. */
struct listing {
    struct webhook_types types;
    size_t *senders;
};

static bool on_webhook(struct webhook_desk *desk, const struct kula_webhook *webhook, void *arg) {
    struct listing *listing = arg;
    const struct kula_answer *listed = listing->types.listed;
    (void)desk;
    for (size_t i = 0; i < listed->type_count; i++)
        for (size_t k = 0; k < webhook->event_count; k++)
            listing->senders[i] += webhook->state != KULA_STATE_DISABLED &&
                                   text_equal(listed->types[i], webhook->events[k]);
    return true;
}

static bool wants(const struct config_service *service, struct text type) {
    return pattern_list_matches((const char *const *)service->events, service->event_count, type);
}

static void type_json(struct webhook_desk *desk, struct text type, size_t senders) {
    struct cli *cli = &desk->cli;
    json_open(cli->json, '{');
    cli_json_text(cli, "event", type);
    cli_json_bool(cli, "sent", senders);
    json_key(cli->json, "services");
    json_open(cli->json, '[');
    for (size_t i = 0; i < cli->config->service_count; i++)
        if (wants(&cli->config->services[i], type))
            json_string(cli->json, text_of(cli->config->services[i].name));
    json_close(cli->json, ']');
    json_close(cli->json, '}');
    cli_json_line(cli);
}

/* Yellow is what does not meet: sent and not wanted, wanted and not sent. */
static void print_type(struct webhook_desk *desk, struct text type, size_t senders) {
    const struct config *config = desk->cli.config;
    struct string takers = {0};
    for (size_t i = 0; i < config->service_count; i++)
        if (wants(&config->services[i], type))
            string_addf(&takers, "%s%s", takers.size ? ", " : "", config->services[i].name);
    bool meets = (senders > 0) == (takers.size > 0);
    webhook_view_text(type, 34);
    printf(" %s%-9s %s%s\n", meets ? "" : cli_colour(CLI_YELLOW), senders ? "sent" : "not sent",
           takers.size ? takers.data
           : senders   ? "nowhere: no service wants it"
                       : "-",
           meets ? "" : cli_colour(CLI_PLAIN));
    string_finish(&takers);
}

void webhook_events_list(struct webhook_desk *desk) {
    struct listing listing = {0};
    if (!webhook_desk_open(desk) || !webhook_types_ask(desk, &listing.types))
        return;
    const struct kula_answer *listed = listing.types.listed;
    listing.senders = memory_new(listed->type_count * sizeof(*listing.senders));
    if (webhook_desk_each(desk, on_webhook, &listing)) {
        if (!desk->cli.options.json)
            printf("%s%-34s %-9s %s%s\n", cli_colour(CLI_BOLD), "event", "Kula", "goes to",
                   cli_colour(CLI_PLAIN));
        for (size_t i = 0; i < listed->type_count; i++)
            (desk->cli.options.json ? type_json : print_type)(desk, listed->types[i],
                                                              listing.senders[i]);
    }
    free(listing.senders);
    webhook_types_finish(&listing.types);
}

void webhook_events_sample(struct webhook_desk *desk) {
    struct webhook_types types = {0};
    if (!webhook_desk_open(desk))
        return;
    kula_api_sample(desk->api, desk->subject, webhook_desk_on_answer, desk);
    if (webhook_desk_try(desk))
        printf("%s\n", desk->answer->sample.data);
    else if (desk->answer->outcome != KULA_MISSING)
        webhook_desk_fail(desk);
    else if (webhook_types_ask(desk, &types)) {
        webhook_types_unknown(desk, &types, desk->subject);
        desk->cli.options.exit = CLI_NOT_FOUND;
    }
    webhook_types_finish(&types);
}
