/* send signs deliveries and sends them as Kula does. */
#include "cli/body.h"
#include "cli/commands.h"
#include "cli/sender.h"
#include "cli/target.h"
#include "cli/view.h"

enum { PROGRESS_MS = 1000 };

struct send {
    struct cli cli;
    struct target_options where;
    struct target target;
    const char *body_file;
    struct string body;
    struct sender_plan plan;
    struct sender *sender;
    struct loop_timer *progress;
};

static bool valid(struct send *send) {
    struct options *options = &send->cli.options;
    if (options->operand_count)
        return options_wrong(options, "takes no operands");
    if (send->body_file && (send->plan.type || send->plan.id))
        return options_wrong(options,
                             "--body is sent byte for byte: --type and --id are not for it");
    if (!send->plan.type)
        send->plan.type = "application.created";
    return true;
}

/* One delivery is told as it went; of many, only how many went how. */
static void on_answer(void *arg, const char *id, const struct http_result *result) {
    struct send *send = arg;
    struct text rest = result->body;
    struct string answer = {0};
    if (!*id)
        id = "(a body without an id)";
    if (send->plan.count > 1 || send->cli.options.json)
        return;
    if (result->outcome == HTTP_ANSWERED)
        view_clean(text_cut(&rest, '\n'), &answer);
    else
        string_add_of(&answer, result->error ? result->error : "no answer");
    if (result->outcome == HTTP_ANSWERED)
        printf("%s: %d %s\n", id, result->status, answer.data ? answer.data : "");
    else
        cli_say("%s: %s", id, answer.data);
    string_finish(&answer);
}

static void on_progress(void *arg) {
    struct send *send = arg;
    const struct sender_tally *tally = sender_tally(send->sender);
    fprintf(stderr, "%lld of %lld: %lld accepted, %lld duplicate, %lld refused, %lld failed\n",
            (long long)tally->sent, (long long)send->plan.count, (long long)tally->accepted,
            (long long)tally->duplicate, (long long)tally->refused, (long long)tally->failed);
    loop_timer_set(send->progress, PROGRESS_MS);
}

static void on_end(void *arg) {
    struct send *send = arg;
    cli_wake(&send->cli);
}

static void summary_json(struct send *send) {
    const struct sender_tally *tally = sender_tally(send->sender);
    struct cli *cli = &send->cli;
    char seconds[32];
    snprintf(seconds, sizeof seconds, "%lld.%03lld", (long long)tally->took_ms / 1000,
             (long long)tally->took_ms % 1000);
    json_open(cli->json, '{');
    cli_json_number(cli, "sent", tally->sent);
    cli_json_number(cli, "accepted", tally->accepted);
    cli_json_number(cli, "duplicate", tally->duplicate);
    cli_json_number(cli, "refused", tally->refused);
    cli_json_number(cli, "failed", tally->failed);
    json_key(cli->json, "seconds");
    json_digits(cli->json, text_of(seconds));
    cli_json_number(cli, "p50_ms", sender_percentile_ms(send->sender, 50));
    cli_json_number(cli, "p99_ms", sender_percentile_ms(send->sender, 99));
    json_close(cli->json, '}');
    cli_json_line(cli);
}

static void print_summary(struct send *send) {
    const struct sender_tally *tally = sender_tally(send->sender);
    int64_t took_ms = tally->took_ms ? tally->took_ms : 1;
    printf(
        "%lld sent in %lld.%03lld s, %lld a second: %lld accepted, %lld duplicate, %lld refused, "
        "%lld failed; answered within %lld ms (p50), %lld ms (p99)\n",
        (long long)tally->sent, (long long)took_ms / 1000, (long long)took_ms % 1000,
        (long long)(tally->sent * 1000 / took_ms), (long long)tally->accepted,
        (long long)tally->duplicate, (long long)tally->refused, (long long)tally->failed,
        (long long)sender_percentile_ms(send->sender, 50),
        (long long)sender_percentile_ms(send->sender, 99));
}

static void run(struct send *send) {
    struct cli *cli = &send->cli;
    cli->loop = loop_create();
    send->plan.body = string_text(&send->body);
    send->plan.url = send->target.url;
    send->plan.ca_file = send->target.ca_file;
    send->plan.secret = &send->target.secret;
    send->sender = sender_start(cli->loop, &send->plan, on_answer, on_end, send);
    send->progress = loop_timer_create(cli->loop, on_progress, send);
    if (send->plan.count > 1)
        loop_timer_set(send->progress, PROGRESS_MS);
    cli_wait(cli);
    const struct sender_tally *tally = sender_tally(send->sender);
    if (cli->options.json)
        summary_json(send);
    else if (send->plan.count > 1)
        print_summary(send);
    if (tally->refused || tally->failed)
        cli->options.exit = CLI_FAILED;
    sender_destroy(send->sender);
    loop_timer_destroy(send->progress);
}

int send_main(int argc, char **argv) {
    struct send send = {.plan = {.count = 1, .concurrency = 50}};
    const struct cli_option options[] = {
        {"url", 'u', "URL", "where to; else the configuration's first listener",
         .text = &send.where.url},
        {"secret-file", 's', "FILE", "else that of the first endpoint",
         .text = &send.where.secret_file},
        {"ca-file", 0, "FILE", "whom to trust; else the listener's certificate",
         .text = &send.where.ca_file},
        {"type", 't', "TYPE", "the event's type (application.created)", .text = &send.plan.type},
        {"id", 0, "ID", "the event's id; else a random one", .text = &send.plan.id},
        {"body", 'b', "FILE|-", "sent byte for byte, each time", .text = &send.body_file},
        {"count", 'n', "N", "so many (1), each with an id of its own", .count = &send.plan.count,
         .least = 1, .most = 100000000},
        {"rate", 'r', "N", "so many a second; else as fast as answers come",
         .count = &send.plan.rate, .least = 1, .most = 1000000},
        {"concurrency", 0, "N", "so many at a time (50)", .count = &send.plan.concurrency,
         .least = 1, .most = 1000},
        {0}};
    const struct cli_manual manual = {
        .about =
            "Signs deliveries and sends them as Kula does. Where --url or --secret-file is left\n"
            "out, it comes from the configuration. The body is made up in Kula's form, for the\n"
            "type, unless it is given; given and sent several times, it is a duplicate of itself.\n"
            "Exit 0 only where all were answered 2xx.",
        .example = "kula-relay send --type candidate.created --count 1000 --rate 100",
        .options = options,
        .takes = CLI_TAKES_CONFIG | CLI_TAKES_JSON,
        .json = "  total: sent accepted duplicate refused failed seconds p50_ms p99_ms",
        .notes = "Exit codes: 0 all answered 2xx, 1 not, 2 usage, 78 configuration invalid.\n",
    };
    if (cli_start(&send.cli, &manual, argc, argv) && valid(&send) &&
        (!send.body_file || body_read(&send.cli, send.body_file, &send.body)) &&
        target_find(&send.cli, &send.where, &send.target))
        run(&send);
    target_finish(&send.target);
    string_finish(&send.body);
    return cli_close(&send.cli);
}
