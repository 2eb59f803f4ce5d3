/* tail reads the stream of events like tail(1): the newest ones, then, with -f,
 * each that comes, for as long as it may run. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/pattern.h"
#include "base/values.h"
#include "cli/commands.h"
#include "cli/view.h"
#include "ledger/browse.h"

enum {
    PAGE = 200,
    LOOK_BACK = 1000, /* among so many newest ones a filter looks for its last N */
    WAIT_MS = 15000,
    AGAIN_MS = 500,
};

struct tail {
    struct cli cli;
    int64_t lines;
    bool follow, reveal;
    const char *since, *type, *service_name;
    const struct config_service *service; /* NULL: any */
    size_t looked, matches; /* on the way back, until there are as many matches as wanted */
    size_t most;            /* so many more are shown */
    char *last;             /* stream id up to which everything was seen, or back to which */
    bool more;
    enum ledger_outcome outcome;
};

static bool is_listed(char *const *names, size_t count, struct text name) {
    for (size_t i = 0; i < count; i++)
        if (text_is(name, names[i]))
            return true;
    return count == 0;
}

static bool service_wants(const struct config_service *service, const struct ledger_event *event) {
    if (event->to.size && !text_is(event->to, service->name))
        return false;
    return is_listed(service->endpoints, service->endpoint_count, event->endpoint) &&
           pattern_list_matches((const char *const *)service->events, service->event_count,
                                event->type);
}

static bool wanted(const struct tail *tail, const struct ledger_event *event) {
    if (tail->type && !pattern_list_matches(&tail->type, 1, event->type))
        return false;
    return !tail->service || service_wants(tail->service, event);
}

static void print_event(struct tail *tail, const struct ledger_event *event) {
    if (!tail->cli.options.json) {
        view_event(event);
        view_body(event->body, tail->reveal);
        return;
    }
    json_open(tail->cli.json, '{');
    view_event_json(&tail->cli, event, tail->reveal);
    json_close(tail->cli.json, '}');
    cli_json_line(&tail->cli);
}

static void go_to(struct tail *tail, struct text stream_id) {
    char *last = text_copy(stream_id);
    free(tail->last);
    tail->last = last;
}

static void on_page(void *arg, const struct browse_page *page) {
    struct tail *tail = arg;
    tail->outcome = page->outcome;
    tail->more = page->more;
    for (size_t i = 0; i < page->count && tail->most; i++) {
        if (wanted(tail, &page->events[i])) {
            print_event(tail, &page->events[i]);
            tail->most--;
        }
        go_to(tail, page->events[i].stream_id);
    }
    fflush(stdout);
    cli_wake(&tail->cli);
}

/* Shows up to `most` behind `last`. */
static bool show(struct tail *tail, size_t most) {
    tail->most = most;
    tail->more = true;
    while (tail->more && tail->most && !ferror(stdout)) {
        browse_after(tail->cli.ledger, text_of(tail->last), PAGE, on_page, tail);
        cli_wait(&tail->cli);
        if (!cli_fine(&tail->cli, tail->outcome))
            return false;
    }
    return true;
}

static bool enough(const struct tail *tail) {
    bool filtered = tail->type || tail->service;
    return tail->matches == (size_t)tail->lines || (filtered && tail->looked == LOOK_BACK);
}

static void on_page_before(void *arg, const struct browse_page *page) {
    struct tail *tail = arg;
    tail->outcome = page->outcome;
    tail->more = page->more;
    cli_wake(&tail->cli);
    for (size_t i = 0; i < page->count; i++) {
        go_to(tail, page->events[i].stream_id);
        if (enough(tail)) {
            tail->more = false;
            return;
        }
        tail->looked++;
        tail->matches += wanted(tail, &page->events[i]);
    }
    if (!page->more)
        go_to(tail, text_of("0-0"));
}

/* Back to the one before the first that is shown, and then forward: so no more than a page has to
 * be kept, however large the bodies are. */
static bool show_newest(struct tail *tail) {
    go_to(tail, text_of(BROWSE_END));
    do {
        browse_before(tail->cli.ledger, text_of(tail->last), PAGE, on_page_before, tail);
        cli_wait(&tail->cli);
        if (!cli_fine(&tail->cli, tail->outcome))
            return false;
    } while (tail->more);
    return show(tail, tail->matches);
}

static bool follow(struct tail *tail) {
    bool lost = false;
    while (!ferror(stdout)) {
        tail->most = SIZE_MAX;
        if (tail->more)
            browse_after(tail->cli.ledger, text_of(tail->last), PAGE, on_page, tail);
        else
            browse_wait(tail->cli.ledger, text_of(tail->last), WAIT_MS, on_page, tail);
        cli_wait(&tail->cli);
        if (tail->outcome == LEDGER_REFUSED)
            return cli_fine(&tail->cli, tail->outcome);
        if (tail->outcome == LEDGER_AWAY && !lost)
            cli_say("the connection to Redis is lost; going on from %s when it is back",
                    tail->last);
        if (tail->outcome == LEDGER_DONE && lost)
            cli_say("Redis is back");
        lost = tail->outcome == LEDGER_AWAY;
        if (lost)
            cli_pause(&tail->cli, AGAIN_MS);
    }
    return false;
}

/* "10m" is a stream id as well as a stream id is: both say where to begin. */
static bool place_since(struct tail *tail) {
    struct text rest = text_of(tail->since), first = text_cut(&rest, '-');
    struct string place = {0};
    int64_t ago_ms;
    uint64_t number;
    if (values_parse_duration(text_of(tail->since), &ago_ms))
        string_addf(&place, "%lld-0", (long long)(clock_wall_ms() - ago_ms));
    else if (text_to_uint(first, UINT64_MAX, &number) &&
             (!rest.data || text_to_uint(rest, UINT64_MAX, &number)))
        string_add_of(&place, tail->since);
    tail->last = place.data;
    return place.data;
}

static bool find_service(struct tail *tail) {
    struct cli *cli = &tail->cli;
    for (size_t i = 0; tail->service_name && i < cli->config->service_count; i++)
        if (strcmp(cli->config->services[i].name, tail->service_name) == 0)
            tail->service = &cli->config->services[i];
    if (tail->service_name && !tail->service)
        return cli_fail(cli, CLI_NOT_FOUND, "no service \"%s\" in %s", tail->service_name,
                        cli->config->file);
    return true;
}

static bool valid(struct tail *tail) {
    struct options *options = &tail->cli.options;
    struct string why = {0};
    if (options->operand_count)
        return options_wrong(options, "takes no operands");
    if (tail->since && !place_since(tail))
        return options_wrong(options, "--since takes 10m, 2h, 7d or a stream id");
    if (!tail->since)
        tail->last = text_copy(text_of("0-0"));
    if (!tail->type || pattern_valid(text_of(tail->type), &why))
        return true;
    options_wrong(options, "--type: %s", why.data);
    string_finish(&why);
    return false;
}

int tail_main(int argc, char **argv) {
    struct tail tail = {.lines = 10};
    const struct cli_option options[] = {
        {"lines", 'n', "N", "the last N events (10)", .count = &tail.lines, .most = 10000},
        {"follow", 'f', NULL, "then each that comes, until Ctrl-C", .flag = &tail.follow},
        {"since", 's', "10m|ID", "those younger than that, or behind that stream id",
         .text = &tail.since},
        {"type", 't', "PATTERN", "only such types: 'application.*'", .text = &tail.type},
        {"service", 0, "NAME", "only what that service wants", .text = &tail.service_name},
        {"reveal", 0, NULL, "bodies as they are: personal data", .flag = &tail.reveal},
        {0}};
    const struct cli_manual manual = {
        .about =
            "Shows the events in the stream, oldest first: the last ten, or those since a time\n"
            "or a stream id; with -f it goes on, also over a restart of Redis. Bodies are shown\n"
            "redacted: their keys, and no value but the envelope's. With --type or --service the\n"
            "last N are looked for among the newest 1000.",
        .example = "kula-relay tail -f --type 'application.*'",
        .options = options,
        .takes = CLI_TAKES_CONFIG | CLI_TAKES_JSON,
        .json = "  event: stream_id id type endpoint account created received trace [to origin\n"
                "      body]",
    };
    if (cli_start(&tail.cli, &manual, argc, argv) && valid(&tail) &&
        cli_load(&tail.cli, CONFIG_FOR_LEDGER) && find_service(&tail) && cli_connect(&tail.cli) &&
        (tail.since ? show(&tail, SIZE_MAX) : show_newest(&tail)) && tail.follow)
        follow(&tail);
    free(tail.last);
    return cli_close(&tail.cli);
}
