/* webhook is about Kula's side: the webhooks that it has, and what it says of them. */
#include <string.h>

#include "cli/commands.h"
#include "cli/webhook_pulse.h"
#include "cli/webhook_verbs.h"
#include "cli/webhook_view.h"

/* list and show -------------------------------------------------------------- */

static bool on_listed(struct webhook_desk *desk, const struct kula_webhook *webhook, void *arg) {
    size_t *count = arg;
    if ((*count)++ == 0)
        webhook_view_head(desk);
    webhook_pulse_ask(desk, webhook);
    webhook_view_line(desk, webhook);
    return true;
}

static void list(struct webhook_desk *desk) {
    size_t count = 0;
    if (webhook_desk_open(desk) && webhook_desk_each(desk, on_listed, &count) && count == 0)
        cli_say("Kula has no webhook; `kula-relay webhook create` makes one");
}

/* False: said. The answer is the webhook. */
static bool look(struct webhook_desk *desk) {
    kula_api_show(desk->api, desk->subject, webhook_desk_on_answer, desk);
    return webhook_desk_wait(desk);
}

static void show_now(struct webhook_desk *desk) {
    if (look(desk))
        webhook_view(desk, desk->answer->webhooks, text_of(NULL));
}

static void show(struct webhook_desk *desk) {
    if (!webhook_desk_open(desk) || !look(desk))
        return;
    webhook_pulse_ask(desk, desk->answer->webhooks);
    webhook_view(desk, desk->answer->webhooks, text_of(NULL));
}

/* enable, disable, delete ----------------------------------------------------- */

typedef void change_fn(struct kula_api *, const char *id, kula_api_fn *, void *arg);

/* Looks first, so that what is not there is told, and a dry run says what is meant. */
static bool change(struct webhook_desk *desk, change_fn *send, const char *verb) {
    if (!webhook_desk_open(desk) || !look(desk))
        return false;
    if (desk->dry_run) {
        printf("would %s:\n", verb);
        webhook_view(desk, desk->answer->webhooks, text_of(NULL));
        return false;
    }
    send(desk->api, desk->subject, webhook_desk_on_answer, desk);
    return webhook_desk_wait(desk);
}

static void enable(struct webhook_desk *desk) {
    if (change(desk, kula_api_enable, "enable"))
        show_now(desk);
}

static void disable(struct webhook_desk *desk) {
    if (change(desk, kula_api_disable, "disable"))
        show_now(desk);
}

static void delete (struct webhook_desk *desk) {
    if (change(desk, kula_api_delete, "delete"))
        cli_say("deleted %s", desk->subject);
}

/* logs ----------------------------------------------------------------------- */

static void logs(struct webhook_desk *desk) {
    const struct kula_api_filter filter = {.status = desk->status, .event = desk->event};
    int64_t left = desk->all ? INT64_MAX : desk->count;
    bool more = true;
    if (!webhook_desk_open(desk))
        return;
    for (int64_t page = 1; more; page++) {
        kula_api_logs(desk->api, desk->subject, &filter, page, webhook_desk_on_answer, desk);
        if (!webhook_desk_wait(desk))
            return;
        if (page == 1)
            webhook_view_log_head(desk);
        for (size_t i = 0; i < desk->answer->log_count && left > 0; i++, left--)
            webhook_view_log(desk, &desk->answer->logs[i]);
        more = left > 0 && webhook_desk_more(desk, page);
    }
}

/* The verbs ------------------------------------------------------------------ */

static const struct verb {
    const char *name;
    const char *subject; /* what stands behind it; NULL: nothing */
    const char *lost;    /* why it asks for --yes; NULL: it does not */
    void (*run)(struct webhook_desk *);
} verbs[] = {
    {"list", NULL, NULL, list},
    {"show", "the id of a webhook", NULL, show},
    {"create", NULL, NULL, webhook_make_create},
    {"update", "the id of a webhook", NULL, webhook_make_update},
    {"delete", "the id of a webhook", "Kula sends nothing by it any more and forgets its logs",
     delete},
    {"enable", "the id of a webhook", NULL, enable},
    {"disable", "the id of a webhook", "what happens until it is enabled again is never sent",
     disable},
    {"events", NULL, NULL, webhook_events_list},
    {"sample", "an event type", NULL, webhook_events_sample},
    {"test", "the id of a webhook", NULL, webhook_test_send},
    {"logs", "the id of a webhook", NULL, logs},
    {"missed", "the id of a webhook", NULL, webhook_missed_list},
    {"rotate-secret", "the id of a webhook", "Kula signs with the new one at once",
     webhook_rotate_secret},
    {"plan", NULL, NULL, webhook_plan_show},
    {"apply", NULL, NULL, webhook_plan_apply},
};

static const struct verb *find_verb(struct options *options) {
    const char *name = options->operand_count ? options->operands[0] : "";
    struct string known = {0};
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(verbs[i].name, name) == 0) {
            string_finish(&known);
            return &verbs[i];
        }
        string_addf(&known, "%s%s", i ? ", " : "", verbs[i].name);
    }
    options_wrong(options, "takes what to do: %s", known.data);
    string_finish(&known);
    return NULL;
}

static bool valid(struct webhook_desk *desk, const struct verb *verb) {
    struct options *options = &desk->cli.options;
    if (!verb)
        return false;
    if (options->operand_count != (verb->subject ? 2 : 1))
        return options_wrong(options, "%s takes %s", verb->name,
                             verb->subject ? verb->subject : "nothing more");
    if (verb->lost && !desk->yes && !desk->dry_run)
        return options_wrong(options, "%s wants --yes (%s), or --dry-run", verb->name, verb->lost);
    desk->subject = verb->subject ? options->operands[1] : NULL;
    return true;
}

static int run(struct webhook_desk *desk, const struct cli_manual *manual, int argc, char **argv) {
    if (cli_start(&desk->cli, manual, argc, argv)) {
        const struct verb *verb = find_verb(&desk->cli.options);
        if (valid(desk, verb))
            verb->run(desk);
    }
    webhook_pulse_close(desk);
    webhook_desk_close(desk);
    return cli_close(&desk->cli);
}

int webhook_main(int argc, char **argv) {
    struct webhook_desk desk = {.count = 20, .timeout_s = 10};
    const struct cli_option options[] = {
        {"url", 0, "URL", "where Kula delivers to: https://", .text = &desk.url},
        {"name", 0, "NAME", "what people at Kula see", .text = &desk.name},
        {"description", 0, "TEXT", "and what it is for", .text = &desk.description},
        {"events", 0, "A,B", "event types, or patterns of them", .text = &desk.events},
        {"secret-file", 0, "FILE", "create: the secret to sign with", .text = &desk.secret_file},
        {"secret-out", 0, "FILE", "create: a new file for the one that Kula makes",
         .text = &desk.secret_out},
        {"status", 0, "STATUS", "logs: pending, delivered or failed", .text = &desk.status},
        {"event", 0, "TYPE", "logs: of this event only", .text = &desk.event},
        {"count", 'n', "N", "logs: so many (20)", .count = &desk.count, .least = 1,
         .most = 1000000},
        {"all", 'a', NULL, "logs: all of them, which are 30 days", .flag = &desk.all},
        {"yes", 'y', NULL, "delete, disable, rotate-secret: yes, really", .flag = &desk.yes},
        {"finish", 0, NULL, "rotate-secret: remove those that nothing is signed with any more",
         .flag = &desk.finish},
        {"serve", 0, "ADDRESS", "rotate-secret: serve's admin listener, else serve.admin",
         .text = &desk.serve},
        {"dry-run", 0, NULL, "only say what would be done", .flag = &desk.dry_run},
        {"timeout", 0, "SECONDS", "how long Kula may take for an answer (10)",
         .count = &desk.timeout_s, .least = 1, .most = 300},
        {0}};
    const struct cli_manual manual = {
        .about =
            "The webhooks at Kula, by its management API; kula.token_file names the token.\n"
            "  list, show ID        what Kula has\n"
            "  create               makes one of --url and --events, and tells its secret once\n"
            "  update ID            changes --url, --name, --description or --events\n"
            "  enable, disable ID   Kula disables one by itself after 25 failures in 24 hours\n"
            "  delete ID            removes it\n"
            "  events               what Kula can send, and which service of yours wants it\n"
            "  sample TYPE          an event as Kula would send it: pipe it to send --body -\n"
            "  test ID              has Kula send a ping, and tells how it was answered\n"
            "  rotate-secret ID     has Kula make a new secret, brings it to serve by the "
            "secret_dir\n"
            "                       of the endpoint, and proves it; --finish, a day later, "
            "removes\n"
            "                       the old one where nothing was signed with it any more, and\n"
            "                       nothing where another webhook has the same endpoint (exit 1)\n"
            "  logs ID              Kula's own log of its deliveries, the newest first\n"
            "  missed ID            what Kula gave up on and the ledger does not have\n"
            "  plan, apply          compares Kula with kula.webhooks of the configuration; plan\n"
            "                       exits 5 where they differ, apply changes Kula, and neither\n"
            "                       deletes or disables anything",
        .example = "kula-relay webhook create --url https://hooks.example.com/webhooks/kula \\\n"
                   "      --events 'application.*,candidate.created' --secret-out kula_secret",
        .options = options,
        .takes = CLI_TAKES_CONFIG | CLI_TAKES_JSON,
        .json = "  list, show, create, update, enable, disable: id name url description state\n"
                "      events created_at [secret failed unproved silent watched looked_ago_ms\n"
                "      enabled proof]\n"
                "  events: event sent services\n"
                "  test: test_id status response_code response_time_ms\n"
                "  logs: id event event_id status response_code response_time_ms attempts\n"
                "      created_at [response_body]\n"
                "  missed: event_id event created_at certain [call]\n"
                "  plan, apply: endpoint id action disabled url_is url_should_be events_missing\n"
                "      events_too_many",
        .notes = "Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 Redis unreachable,\n"
                 "5 plan: they differ, 78 configuration invalid.\n",
    };
    return run(&desk, &manual, argc, argv);
}
