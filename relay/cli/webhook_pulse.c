#include "cli/webhook_pulse.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/values.h"
#include "cli/webhook_endpoint.h"
#include "ledger/endpoint_alarm.h"

enum { CONNECT_MS = 500, LOOK_MS = 10 };

struct webhook_pulse {
    struct config *config; /* which has Redis' password; NULL: it cannot be read */
    struct ledger *ledger; /* NULL: Redis is not to be had */
    bool known;            /* the state that was asked for last */
    int64_t failures[ENDPOINT_FAILURES];
    bool silent;
    bool watched;
    int64_t looked_ago_ms;
    size_t enabled;
    enum endpoint_proof proof;
    struct webhook_desk *desk;
    struct text id; /* of the webhook that is asked about */
};

/* ---- Redis ---- */

/* Until it is connected or has first failed to be. */
static bool wait_connected(struct cli *cli, struct ledger *ledger) {
    char *at_first = text_copy(ledger_trouble(ledger));
    int64_t until_ms = clock_steady_ms() + CONNECT_MS;
    while (!ledger_connected(ledger) && text_is(ledger_trouble(ledger), at_first) &&
           clock_steady_ms() < until_ms)
        cli_pause(cli, LOOK_MS);
    free(at_first);
    return ledger_connected(ledger);
}

static bool connect(struct webhook_pulse *pulse) {
    struct cli *cli = &pulse->desk->cli;
    struct string why = {0};
    pulse->config = config_load(cli->config->file, CONFIG_FOR_WATCH, &why);
    if (pulse->config)
        pulse->ledger = ledger_create(cli->loop, pulse->config, "kula-relay-cli", NULL, NULL, &why);
    string_finish(&why);
    return pulse->ledger && wait_connected(cli, pulse->ledger);
}

/* Once: a Redis that is away is not waited for again at each webhook of a list. */
static struct webhook_pulse *open(struct webhook_desk *desk) {
    if (desk->pulse)
        return desk->pulse;
    desk->pulse = memory_new(sizeof *desk->pulse);
    desk->pulse->desk = desk;
    if (!connect(desk->pulse)) {
        ledger_destroy(desk->pulse->ledger);
        desk->pulse->ledger = NULL;
    }
    return desk->pulse;
}

void webhook_pulse_close(struct webhook_desk *desk) {
    if (!desk->pulse)
        return;
    ledger_destroy(desk->pulse->ledger);
    config_destroy(desk->pulse->config);
    free(desk->pulse);
    desk->pulse = NULL;
}

static void on_state(void *arg, const struct endpoint_state *state) {
    struct webhook_pulse *pulse = arg;
    pulse->known = state->outcome == LEDGER_DONE;
    pulse->silent = endpoint_is_silent(state);
    for (int i = 0; i < ENDPOINT_FAILURES; i++)
        pulse->failures[i] = state->failures[i];
    for (size_t i = 0; i < state->webhook_count; i++) {
        const struct endpoint_webhook *webhook = &state->webhooks[i];
        if (!text_equal(webhook->id, pulse->id))
            continue;
        pulse->watched = true;
        pulse->looked_ago_ms = webhook->looked_ago_ms;
        pulse->enabled = webhook->enabled_count;
        pulse->proof = webhook->proof;
    }
    cli_wake(&pulse->desk->cli);
}

void webhook_pulse_ask(struct webhook_desk *desk, const struct kula_webhook *webhook) {
    struct webhook_pulse *pulse = open(desk);
    const struct config_endpoint *endpoint = webhook_endpoint_likeliest(desk->cli.config, webhook);
    pulse->known = pulse->watched = false;
    pulse->id = webhook->id;
    if (!pulse->ledger || !endpoint)
        return;
    endpoint_look(pulse->ledger, endpoint->name, on_state, pulse);
    cli_wait(&desk->cli);
}

/* ---- How it looks ---- */

void webhook_pulse_json(struct webhook_desk *desk) {
    const struct webhook_pulse *pulse = desk->pulse;
    struct cli *cli = &desk->cli;
    if (!pulse || !pulse->known)
        return;
    for (int i = 0; i < ENDPOINT_FAILURES; i++)
        cli_json_number(cli, endpoint_failure_name(i), pulse->failures[i]);
    cli_json_bool(cli, "silent", pulse->silent);
    cli_json_bool(cli, "watched", pulse->watched);
    if (!pulse->watched)
        return;
    cli_json_number(cli, "looked_ago_ms", pulse->looked_ago_ms);
    cli_json_number(cli, "enabled", (int64_t)pulse->enabled);
    cli_json_text(cli, "proof", text_of(endpoint_proof_name(pulse->proof)));
}

static const char *level_colour(int64_t failures) {
    static const enum cli_colour colours[] = {
        [ENDPOINT_CALM] = CLI_PLAIN, [ENDPOINT_WARNING] = CLI_YELLOW, [ENDPOINT_ALARM] = CLI_RED};
    return cli_colour(colours[endpoint_level_of(failures)]);
}

static void print_watched(const struct webhook_pulse *pulse) {
    struct string ago = {0};
    if (!pulse->watched) {
        printf("  %-12snobody watched it within a day\n", "watch");
        return;
    }
    values_format_duration(pulse->looked_ago_ms / 1000 * 1000, &ago);
    printf("  %-12slooked %s ago, enabled %zu times in 24 hours, proof %s\n", "watch", ago.data,
           pulse->enabled, endpoint_proof_name(pulse->proof));
    string_finish(&ago);
}

void webhook_pulse_fields(struct webhook_desk *desk) {
    const struct webhook_pulse *pulse = desk->pulse;
    if (!pulse || !pulse->known)
        return;
    printf("  %-12s%s%lld of %d in 24 hours%s, %lld more unproved\n", "failures",
           level_colour(pulse->failures[ENDPOINT_FAILED]),
           (long long)pulse->failures[ENDPOINT_FAILED], ENDPOINT_FAILURES_MOST,
           cli_colour(CLI_PLAIN), (long long)pulse->failures[ENDPOINT_UNPROVED]);
    if (pulse->silent)
        printf("  %-12sfor longer than usual at this time of the week\n", "silent");
    print_watched(pulse);
}

void webhook_pulse_words(struct webhook_desk *desk) {
    const struct webhook_pulse *pulse = desk->pulse;
    if (!pulse || !pulse->known)
        return;
    if (pulse->failures[ENDPOINT_FAILED])
        printf("  %s%lld of %d failures%s", level_colour(pulse->failures[ENDPOINT_FAILED]),
               (long long)pulse->failures[ENDPOINT_FAILED], ENDPOINT_FAILURES_MOST,
               cli_colour(CLI_PLAIN));
    if (pulse->silent)
        printf("  silent");
}
