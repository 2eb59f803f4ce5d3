#include "cli/webhook_view.h"

#include "cli/view.h"
#include "cli/webhook_pulse.h"

enum { ANSWER_SHOWN = 120 }; /* bytes of what the receiver said */

static const char *state_colour(enum kula_state state) {
    return cli_colour(state == KULA_STATE_ACTIVE ? CLI_GREEN : CLI_RED);
}

void webhook_view_text(struct text text, int width) {
    struct string clean = {0};
    view_clean(text, &clean);
    printf("%-*s", width, clean.data ? clean.data : "");
    string_finish(&clean);
}

static void list_json(struct cli *cli, const char *key, const struct text *list, size_t count) {
    json_key(cli->json, key);
    json_open(cli->json, '[');
    for (size_t i = 0; i < count; i++)
        json_string(cli->json, list[i]);
    json_close(cli->json, ']');
}

static void view_json(struct webhook_desk *desk, const struct kula_webhook *webhook,
                      struct text secret) {
    struct cli *cli = &desk->cli;
    json_open(cli->json, '{');
    cli_json_text(cli, "id", webhook->id);
    cli_json_text(cli, "name", webhook->name);
    cli_json_text(cli, "url", webhook->url);
    cli_json_text(cli, "description", webhook->description);
    cli_json_text(cli, "state", text_of(kula_state_name(webhook->state)));
    list_json(cli, "events", webhook->events, webhook->event_count);
    cli_json_text(cli, "created_at", webhook->created_at);
    if (secret.size)
        cli_json_text(cli, "secret", secret);
    webhook_pulse_json(desk);
    json_close(cli->json, '}');
    cli_json_line(cli);
}

static void view_field(const char *name, struct text value) {
    if (!value.size)
        return;
    printf("  %-12s", name);
    webhook_view_text(value, 0);
    putchar('\n');
}

void webhook_view(struct webhook_desk *desk, const struct kula_webhook *webhook,
                  struct text secret) {
    if (desk->cli.options.json) {
        view_json(desk, webhook, secret);
        return;
    }
    printf("%s", cli_colour(CLI_BOLD));
    webhook_view_text(webhook->id, 0);
    printf("%s  %s%s%s\n", cli_colour(CLI_PLAIN), state_colour(webhook->state),
           kula_state_name(webhook->state), cli_colour(CLI_PLAIN));
    view_field("url", webhook->url);
    view_field("name", webhook->name);
    view_field("description", webhook->description);
    view_field("created", webhook->created_at);
    for (size_t i = 0; i < webhook->event_count; i++)
        view_field(i ? "" : "events", webhook->events[i]);
    view_field("secret", secret);
    webhook_pulse_fields(desk);
}

void webhook_view_head(struct webhook_desk *desk) {
    if (!desk->cli.options.json)
        printf("%s%-16s %-9s %6s  %s%s\n", cli_colour(CLI_BOLD), "id", "state", "events", "url",
               cli_colour(CLI_PLAIN));
}

void webhook_view_line(struct webhook_desk *desk, const struct kula_webhook *webhook) {
    if (desk->cli.options.json) {
        view_json(desk, webhook, text_of(NULL));
        return;
    }
    webhook_view_text(webhook->id, 16);
    printf(" %s%-9s%s %6zu  ", state_colour(webhook->state), kula_state_name(webhook->state),
           cli_colour(CLI_PLAIN), webhook->event_count);
    webhook_view_text(webhook->url, 0);
    if (webhook->name.size) {
        printf("  (");
        webhook_view_text(webhook->name, 0);
        printf(")");
    }
    webhook_pulse_words(desk);
    putchar('\n');
}

/* The log of deliveries ------------------------------------------------------ */

static void log_json(struct cli *cli, const struct kula_log *log) {
    json_open(cli->json, '{');
    cli_json_text(cli, "id", log->id);
    cli_json_text(cli, "event", log->event);
    cli_json_text(cli, "event_id", log->event_id);
    cli_json_text(cli, "status", log->status);
    cli_json_known(cli, "response_code", log->response_code);
    cli_json_known(cli, "response_time_ms", log->response_time_ms);
    cli_json_known(cli, "attempts", log->attempts);
    cli_json_text(cli, "created_at", log->created_at);
    if (log->response_body.size)
        cli_json_text(cli, "response_body", log->response_body);
    json_close(cli->json, '}');
    cli_json_line(cli);
}

static void view_number(int64_t number, int width) {
    if (number < 0)
        printf(" %*s", width, "-");
    else
        printf(" %*lld", width, (long long)number);
}

void webhook_view_log_head(struct webhook_desk *desk) {
    if (!desk->cli.options.json)
        printf("%s%-21s %-9s %4s %6s %8s  %s%s\n", cli_colour(CLI_BOLD), "created", "status",
               "code", "ms", "attempts", "event", cli_colour(CLI_PLAIN));
}

void webhook_view_log(struct webhook_desk *desk, const struct kula_log *log) {
    bool failed = text_is(log->status, "failed");
    struct text said = log->response_body;
    if (desk->cli.options.json) {
        log_json(&desk->cli, log);
        return;
    }
    webhook_view_text(log->created_at, 21);
    printf(" %s", failed ? cli_colour(CLI_RED) : "");
    webhook_view_text(log->status, 9);
    printf("%s", failed ? cli_colour(CLI_PLAIN) : "");
    view_number(log->response_code, 4);
    view_number(log->response_time_ms, 6);
    view_number(log->attempts, 8);
    printf("  ");
    webhook_view_text(log->event, 0);
    printf(" ");
    webhook_view_text(log->event_id, 0);
    if (said.size) {
        printf("  ");
        webhook_view_text(
            text_slice(said.data, said.size < ANSWER_SHOWN ? said.size : ANSWER_SHOWN), 0);
    }
    putchar('\n');
}
