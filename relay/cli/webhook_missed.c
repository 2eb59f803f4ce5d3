/* webhook missed: what Kula's log says it gave up on, against what the ledger has. What happened
 * while the webhook was disabled is in neither. */
#include <string.h>

#include "base/clock.h"
#include "cli/webhook_verbs.h"
#include "cli/webhook_view.h"
#include "ledger/browse.h"

struct missed {
    struct webhook_desk *desk;
    const struct config_endpoint *endpoint;
    enum ledger_outcome outcome;
    bool remembered;
    size_t looked_at, count;
};

/* Lists of Kula's API that can be narrowed by day: the objects that an event was about. */
static const struct {
    const char *of;
    const char *list;
} lists[] = {{"candidate.", "candidates"}, {"job.", "jobs"}, {"interview.event.", "interviews"}};

/* Empty where it is not known how to get it. */
static void add_call(const struct kula_log *log, struct string *call) {
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (text_starts(log->event, lists[i].of) && log->created_at.size >= strlen("2026-01-15"))
            string_addf(call, "GET /v1/%s?updated_after=%.10s", lists[i].list,
                        log->created_at.data);
}

/* Older than the ledger remembers: it may have had the event all the same. */
static bool is_certain(const struct missed *missed, const struct kula_log *log) {
    int64_t created_s = kula_log_created_s(log);
    return created_s >= 0 &&
           clock_wall_ms() - created_s * 1000 < missed->desk->cli.config->dedup_window_ms;
}

static void missed_json(struct cli *cli, const struct kula_log *log, bool certain,
                        struct text call) {
    json_open(cli->json, '{');
    cli_json_text(cli, "event_id", log->event_id);
    cli_json_text(cli, "event", log->event);
    cli_json_text(cli, "created_at", log->created_at);
    cli_json_bool(cli, "certain", certain);
    if (call.size)
        cli_json_text(cli, "call", call);
    json_close(cli->json, '}');
    cli_json_line(cli);
}

static void print_missed(const struct kula_log *log, bool certain, struct text call) {
    webhook_view_text(log->created_at, 21);
    printf(" ");
    webhook_view_text(log->event, 30);
    printf(" ");
    webhook_view_text(log->event_id, 0);
    if (!certain)
        printf("  %slonger ago than the ledger remembers: perhaps%s", cli_colour(CLI_DIM),
               cli_colour(CLI_PLAIN));
    if (call.size)
        printf("  %.*s", TEXT_ARG(call));
    putchar('\n');
}

static void on_remembers(void *arg, enum ledger_outcome outcome, bool remembered) {
    struct missed *missed = arg;
    missed->outcome = outcome;
    missed->remembered = remembered;
    cli_wake(&missed->desk->cli);
}

static bool look_for(struct missed *missed, const struct kula_log *log) {
    struct cli *cli = &missed->desk->cli;
    struct string call = {0};
    missed->looked_at++;
    browse_remembers(cli->ledger, missed->endpoint->name, log->event_id, on_remembers, missed);
    cli_wait(cli);
    if (!cli_fine(cli, missed->outcome))
        return false;
    if (missed->remembered)
        return true;
    missed->count++;
    add_call(log, &call);
    if (cli->options.json)
        missed_json(cli, log, is_certain(missed, log), string_text(&call));
    else
        print_missed(log, is_certain(missed, log), string_text(&call));
    string_finish(&call);
    return true;
}

static bool look_at_page(struct missed *missed, const struct kula_answer *page) {
    bool fine = true;
    for (size_t i = 0; fine && i < page->log_count; i++)
        fine = kula_log_is_ping(&page->logs[i]) || look_for(missed, &page->logs[i]);
    return fine;
}

static bool look_at_all(struct missed *missed) {
    static const struct kula_api_filter filter = {.status = "failed"};
    struct webhook_desk *desk = missed->desk;
    bool more = true, fine = true;
    for (int64_t page = 1; more; page++) {
        kula_api_logs(desk->api, desk->subject, &filter, page, webhook_desk_on_answer, desk);
        if (!webhook_desk_wait(desk))
            return false;
        fine = look_at_page(missed, desk->answer);
        more = fine && webhook_desk_more(desk, page);
    }
    return fine && !desk->answer->more;
}

void webhook_missed_list(struct webhook_desk *desk) {
    struct missed missed = {.desk = desk};
    if (!webhook_desk_open_for(desk, CONFIG_FOR_WATCH))
        return;
    missed.endpoint = webhook_desk_endpoint(desk);
    if (missed.endpoint && cli_connect(&desk->cli) && look_at_all(&missed))
        cli_say("Kula gave up on %zu in the last 30 days; the ledger does not have %zu of them",
                missed.looked_at, missed.count);
}
