/* status tells on one screen how things stand: of serve and forward what they say themselves, at
 * their admin addresses, and for the rest what stands in Redis. */
#include "base/clock.h"
#include "base/json_tree.h"
#include "cli/admin_page.h"
#include "cli/commands.h"
#include "cli/service_view.h"
#include "cli/view.h"
#include "ledger/browse.h"
#include "ledger/endpoint.h"
#include "ledger/endpoint_alarm.h"
#include "ledger/upkeep.h"

enum { REDIS_MS = 5000 };

struct status {
    struct cli cli;
    enum ledger_outcome outcome;
    const char *endpoint; /* that is being looked at */
};

/* ---- How it looks ---- */

static void begin(struct cli *cli, const char *part) {
    if (!cli->options.json)
        return;
    json_open(cli->json, '{');
    cli_json_text(cli, "part", text_of(part));
}

static void end(struct cli *cli) {
    if (!cli->options.json)
        return;
    json_close(cli->json, '}');
    cli_json_line(cli);
}

static void say(const char *part, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(const char *part, const char *format, ...) {
    va_list args;
    va_start(args, format);
    printf("%s%-10s%s", cli_colour(CLI_BOLD), part, cli_colour(CLI_PLAIN));
    vprintf(format, args);
    printf("\n");
    va_end(args);
}

static const char *age(int64_t ms, struct string *s) {
    string_clear(s);
    view_age(ms, s);
    return s->data;
}

static const char *size(int64_t bytes, struct string *s) {
    string_clear(s);
    view_size(bytes, s);
    return s->data;
}

/* ---- serve and forward, as they say themselves ---- */

struct process {
    const char *name;
    const char *address; /* NULL: there is nowhere to ask */
    struct admin_page ready, metrics;
    struct json_tree *says; /* of ready; NULL: nothing that is JSON */
};

static void ask(struct cli *cli, struct process *process) {
    if (!process->address || !admin_page_get(cli, process->address, "/readyz", &process->ready))
        return;
    process->says = json_tree_read(string_text(&process->ready.body));
    admin_page_get(cli, process->address, "/metrics", &process->metrics);
}

static void finish(struct process *process) {
    admin_page_finish(&process->ready);
    admin_page_finish(&process->metrics);
    json_tree_destroy(process->says);
}

static int64_t metric(const struct process *process, const char *series) {
    return admin_page_number(&process->metrics, series);
}

static struct text says(const struct process *process, const char *key) {
    return json_tree_text(json_tree_get(process->says, key));
}

static const struct {
    const char *kind, *series, *words;
} keeps[] = {
    {"landlock", "kula_relay_sandbox{kind=\"landlock\"}", "own files only"},
    {"no_new_privs", "kula_relay_sandbox{kind=\"no_new_privs\"}", "no new privileges"},
    {"call_filter", "kula_relay_sandbox{kind=\"call_filter\"}", "filtered system calls"},
};
enum { KEEPS = sizeof keeps / sizeof *keeps };

static void sandbox_json(struct cli *cli, const struct process *process) {
    json_key(cli->json, "sandbox");
    json_open(cli->json, '{');
    for (int i = 0; i < KEEPS; i++)
        cli_json_known(cli, keeps[i].kind, metric(process, keeps[i].series));
    json_close(cli->json, '}');
}

static void print_sandbox(const struct process *process) {
    struct string s = {0};
    for (int i = 0; i < KEEPS; i++)
        if (metric(process, keeps[i].series) > 0)
            string_addf(&s, "%s%s", s.size ? ", " : "", keeps[i].words);
    say("", "sandbox: %s", s.size ? s.data : "none");
    string_finish(&s);
}

static void process_json(struct cli *cli, const struct process *process) {
    json_key(cli->json, "says");
    if (process->says)
        json_tree_write(process->says, cli->json);
    else
        json_null(cli->json);
    cli_json_known(cli, "started", metric(process, "kula_relay_started_timestamp_seconds"));
    sandbox_json(cli, process);
}

/* What /readyz says besides its status, as it stands there. Whoever listens there may say
 * anything. */
static void add_rest(const struct process *process, struct string *rest) {
    for (size_t i = 0; i < json_tree_count(process->says); i++) {
        struct text key = json_tree_key(process->says, i);
        struct text value = json_tree_text(json_tree_at(process->says, i));
        if (text_is(key, "status"))
            continue;
        string_add_of(rest, ", ");
        view_clean(key, rest);
        if (text_is(value, "true"))
            continue;
        string_add_char(rest, ' ');
        view_clean(value, rest);
    }
}

static void print_process(const struct process *process, const char *more) {
    bool ready = process->ready.status == 200;
    int64_t started_s = metric(process, "kula_relay_started_timestamp_seconds");
    struct string status = {0}, rest = {0}, up = {0};
    view_clean(says(process, "status"), &status);
    add_rest(process, &rest);
    say(process->name, "%s%s%s%s%s%s%s", cli_colour(ready && !rest.size ? CLI_GREEN : CLI_RED),
        status.size ? status.data : "", rest.size ? rest.data : "", cli_colour(CLI_PLAIN), more,
        started_s < 0 ? "" : ", up ",
        started_s < 0 ? "" : age(clock_wall_ms() - started_s * 1000, &up));
    string_finish(&status);
    string_finish(&rest);
    string_finish(&up);
    print_sandbox(process);
}

static void print_unknown(const struct process *process) {
    const struct admin_page *page = &process->ready;
    if (!process->address)
        say(process->name, "unknown: %s.admin is not configured", process->name);
    else if (page->status)
        say(process->name, "%swhat answers at %s is no %s%s", cli_colour(CLI_YELLOW),
            page->url.data, process->name, cli_colour(CLI_PLAIN));
    else
        say(process->name, "%snobody answers at %s: %s%s", cli_colour(CLI_YELLOW), page->url.data,
            page->body.data, cli_colour(CLI_PLAIN));
}

/* ---- serve and its spool ---- */

static void tell_serve(struct cli *cli, const struct process *serve) {
    int64_t connections = metric(serve, "kula_relay_connections");
    struct string more = {0};
    if (cli->options.json) {
        process_json(cli, serve);
        cli_json_known(cli, "connections", connections);
    } else if (serve->says) {
        if (connections >= 0)
            string_addf(&more, ", %lld connection%s", (long long)connections,
                        connections == 1 ? "" : "s");
        print_process(serve, more.size ? more.data : "");
    } else {
        print_unknown(serve);
    }
    string_finish(&more);
}

struct spool {
    int64_t records, bytes, since_s, takes_bytes, writable;
};

static void spool_json(struct cli *cli, const struct spool *spool) {
    cli_json_known(cli, "undrained", spool->records);
    cli_json_known(cli, "undrained_bytes", spool->bytes);
    cli_json_known(cli, "oldest", spool->since_s > 0 ? spool->since_s : -1);
    cli_json_known(cli, "bytes", spool->takes_bytes);
    cli_json_known(cli, "max_bytes", cli->config->spool_max_bytes);
    json_key(cli->json, "writable");
    if (spool->writable < 0)
        json_null(cli->json);
    else
        json_bool(cli->json, spool->writable > 0);
}

static void print_spool(const struct cli *cli, const struct spool *spool) {
    struct string waits = {0}, one = {0}, other = {0};
    string_addf(&waits, "%lld events wait for Redis", (long long)spool->records);
    if (spool->since_s > 0)
        string_addf(&waits, ", the oldest for %s",
                    age(clock_wall_ms() - spool->since_s * 1000, &one));
    say("spool", "%s, %s of %s%s%s%s", waits.data, size(spool->takes_bytes, &one),
        size(cli->config->spool_max_bytes, &other), cli_colour(CLI_RED),
        spool->writable ? "" : ", not writable: a 2xx waits for Redis", cli_colour(CLI_PLAIN));
    string_finish(&waits);
    string_finish(&one);
    string_finish(&other);
}

static void tell_spool(struct cli *cli, const struct process *serve) {
    const struct spool spool = {
        .records = metric(serve, "kula_relay_spool_undrained_records"),
        .bytes = metric(serve, "kula_relay_spool_undrained_bytes"),
        .since_s = metric(serve, "kula_relay_spool_oldest_undrained_timestamp_seconds"),
        .takes_bytes = metric(serve, "kula_relay_spool_bytes"),
        .writable = metric(serve, "kula_relay_spool_writable"),
    };
    if (cli->options.json)
        spool_json(cli, &spool);
    else if (!serve->says)
        say("spool", "unknown: `kula-relay spool status` looks at the disk itself");
    else if (spool.records < 0)
        say("spool", "none: a 2xx waits for Redis");
    else
        print_spool(cli, &spool);
}

static void show_serve(struct status *this) {
    struct cli *cli = &this->cli;
    struct process serve = {.name = "serve", .address = cli->config->serve_admin};
    ask(cli, &serve);
    begin(cli, "serve");
    tell_serve(cli, &serve);
    end(cli);
    begin(cli, "spool");
    tell_spool(cli, &serve);
    end(cli);
    finish(&serve);
}

static void show_forward(struct status *this) {
    struct cli *cli = &this->cli;
    struct process forward = {.name = "forward", .address = cli->config->forward_admin};
    ask(cli, &forward);
    begin(cli, "forward");
    if (cli->options.json)
        process_json(cli, &forward);
    else if (forward.says)
        print_process(&forward, "");
    else
        print_unknown(&forward);
    end(cli);
    finish(&forward);
}

/* ---- Redis and the stream ---- */

static void print_redis(const struct upkeep_redis *redis) {
    struct string used = {0}, limit = {0};
    string_add_of(&limit, redis->limit_bytes ? " of " : ", no limit");
    if (redis->limit_bytes)
        view_size(redis->limit_bytes, &limit);
    say("redis", "%.*s %.*s, %s%s%s%s%s%s", TEXT_ARG(redis->program), TEXT_ARG(redis->version),
        size(redis->used_bytes, &used), limit.data, redis->appends ? ", appends to its file" : "",
        cli_colour(CLI_RED), redis->appends ? "" : ", its append-only file is off",
        redis->evicts ? ", at its limit it throws events away" : "");
    fputs(cli_colour(CLI_PLAIN), stdout);
    string_finish(&used);
    string_finish(&limit);
}

static void redis_json(struct cli *cli, const struct upkeep_redis *redis) {
    begin(cli, "redis");
    cli_json_text(cli, "program", redis->program);
    cli_json_text(cli, "version", redis->version);
    cli_json_number(cli, "used_bytes", redis->used_bytes);
    cli_json_known(cli, "limit_bytes", redis->limit_bytes ? redis->limit_bytes : -1);
    cli_json_bool(cli, "appends", redis->appends);
    cli_json_bool(cli, "evicts", redis->evicts);
    end(cli);
}

static void on_redis(void *arg, const struct upkeep_redis *redis) {
    struct status *this = arg;
    this->outcome = redis->outcome == LEDGER_REFUSED ? LEDGER_DONE : redis->outcome;
    if (redis->outcome == LEDGER_REFUSED && !this->cli.options.json)
        say("redis", "unknown: INFO is not allowed to this user: give it +info");
    else if (redis->outcome == LEDGER_DONE && this->cli.options.json)
        redis_json(&this->cli, redis);
    else if (redis->outcome == LEDGER_DONE)
        print_redis(redis);
    cli_wake(&this->cli);
}

static bool show_redis(struct status *this) {
    upkeep_look_at_redis(this->cli.ledger, REDIS_MS, on_redis, this);
    cli_wait(&this->cli);
    return cli_fine(&this->cli, this->outcome);
}

static void print_stream(const struct browse_stream *stream) {
    struct string span = {0}, one = {0};
    if (stream->length)
        string_addf(&span, ", the oldest %s ago", age(stream->oldest_ago_ms, &one));
    if (stream->length)
        string_addf(&span, ", the newest %s ago", age(stream->newest_ago_ms, &one));
    say("stream", "%lld events%s, %lld trimmed before", (long long)stream->length,
        span.data ? span.data : "", (long long)stream->trimmed);
    string_finish(&span);
    string_finish(&one);
}

static void on_stream(void *arg, const struct browse_stream *stream) {
    struct status *this = arg;
    struct cli *cli = &this->cli;
    this->outcome = stream->outcome;
    if (stream->outcome == LEDGER_DONE && cli->options.json) {
        begin(cli, "stream");
        cli_json_number(cli, "length", stream->length);
        cli_json_number(cli, "trimmed", stream->trimmed);
        cli_json_known(cli, "oldest_ago_ms", stream->oldest_ago_ms);
        cli_json_known(cli, "newest_ago_ms", stream->newest_ago_ms);
        end(cli);
    } else if (stream->outcome == LEDGER_DONE) {
        print_stream(stream);
    }
    cli_wake(cli);
}

static bool show_stream(struct status *this) {
    browse_stream(this->cli.ledger, on_stream, this);
    cli_wait(&this->cli);
    return cli_fine(&this->cli, this->outcome);
}

/* ---- Endpoints, and what watch saw of their webhooks ---- */

static void webhooks_json(struct cli *cli, const struct endpoint_state *state) {
    json_key(cli->json, "webhooks");
    json_open(cli->json, '[');
    for (size_t i = 0; i < state->webhook_count; i++) {
        const struct endpoint_webhook *webhook = &state->webhooks[i];
        json_open(cli->json, '{');
        cli_json_text(cli, "id", webhook->id);
        cli_json_text(cli, "state", webhook->state);
        cli_json_number(cli, "looked_ago_ms", webhook->looked_ago_ms);
        cli_json_number(cli, "enabled", (int64_t)webhook->enabled_count);
        cli_json_text(cli, "proof", text_of(endpoint_proof_name(webhook->proof)));
        json_close(cli->json, '}');
    }
    json_close(cli->json, ']');
}

static void endpoint_json(struct cli *cli, const char *name, const struct endpoint_state *state) {
    begin(cli, "endpoint");
    cli_json_text(cli, "endpoint", text_of(name));
    for (int i = 0; i < ENDPOINT_FAILURES; i++)
        cli_json_number(cli, endpoint_failure_name(i), state->failures[i]);
    cli_json_known(cli, "last_event_ago_ms", state->silent_ms);
    cli_json_bool(cli, "silent", endpoint_is_silent(state));
    webhooks_json(cli, state);
    end(cli);
}

static void print_webhook(const struct endpoint_webhook *webhook) {
    struct string ago = {0};
    bool active = text_is(webhook->state, "active");
    say("", "webhook %.*s: %s%.*s%s, watched %s ago, enabled %zu times in 24 hours, proof %s",
        TEXT_ARG(webhook->id), cli_colour(active ? CLI_PLAIN : CLI_RED), TEXT_ARG(webhook->state),
        cli_colour(CLI_PLAIN), age(webhook->looked_ago_ms, &ago), webhook->enabled_count,
        endpoint_proof_name(webhook->proof));
    string_finish(&ago);
}

static void print_endpoint(const char *name, const struct endpoint_state *state) {
    static const enum cli_colour colours[] = {
        [ENDPOINT_CALM] = CLI_PLAIN, [ENDPOINT_WARNING] = CLI_YELLOW, [ENDPOINT_ALARM] = CLI_RED};
    int64_t failed = state->failures[ENDPOINT_FAILED];
    struct string last = {0};
    if (state->silent_ms >= 0)
        age(state->silent_ms, &last);
    say(name, "last event %s%s%s, %s%lld of %d failures in 24 hours%s, %lld more unproved",
        last.data ? last.data : "never", last.data ? " ago" : "",
        endpoint_is_silent(state) ? " (longer than usual)" : "",
        cli_colour(colours[endpoint_level_of(failed)]), (long long)failed, ENDPOINT_FAILURES_MOST,
        cli_colour(CLI_PLAIN), (long long)state->failures[ENDPOINT_UNPROVED]);
    string_finish(&last);
    for (size_t i = 0; i < state->webhook_count; i++)
        print_webhook(&state->webhooks[i]);
}

static void on_endpoint(void *arg, const struct endpoint_state *state) {
    struct status *this = arg;
    this->outcome = state->outcome;
    if (state->outcome == LEDGER_DONE && this->cli.options.json)
        endpoint_json(&this->cli, this->endpoint, state);
    else if (state->outcome == LEDGER_DONE)
        print_endpoint(this->endpoint, state);
    cli_wake(&this->cli);
}

static bool show_endpoints(struct status *this) {
    const struct config *config = this->cli.config;
    bool fine = true;
    for (size_t i = 0; fine && i < config->endpoint_count; i++) {
        this->endpoint = config->endpoints[i].name;
        endpoint_look(this->cli.ledger, this->endpoint, on_endpoint, this);
        cli_wait(&this->cli);
        fine = cli_fine(&this->cli, this->outcome);
    }
    return fine;
}

/* ---- All of it ---- */

static void show(struct status *this) {
    struct cli *cli = &this->cli;
    show_serve(this);
    show_forward(this);
    if (!cli_connect(cli) || !show_redis(this) || !show_stream(this) || !show_endpoints(this))
        return;
    if (!cli->options.json)
        printf("\n");
    service_view_all(cli, true);
}

int status_main(int argc, char **argv) {
    struct status this = {0};
    const struct cli_manual manual = {
        .about =
            "Tells on one screen how things stand. serve and forward are asked at their admin\n"
            "addresses in the configuration (where that is 0.0.0.0 or [::], on this machine): are\n"
            "they ready, what keeps them in, and what waits in the spool. Redis is asked for the\n"
            "rest: the stream, each endpoint's failures and webhooks as serve and watch saw them,\n"
            "and what each service is owed. With --json a line for each part. Exit 0: it was "
            "told;\n"
            "4: Redis is away, and what serve and forward say is all.",
        .example = "kula-relay status",
        .takes = CLI_TAKES_CONFIG | CLI_TAKES_JSON,
        .json = "  serve: part says started sandbox connections\n"
                "  forward: part says started sandbox\n"
                "  in sandbox: landlock no_new_privs call_filter\n"
                "  spool: part undrained undrained_bytes oldest bytes max_bytes writable\n"
                "  redis: part program version used_bytes limit_bytes appends evicts\n"
                "  stream: part length trimmed oldest_ago_ms newest_ago_ms\n"
                "  endpoint: part endpoint failed unproved last_event_ago_ms silent webhooks\n"
                "  in webhooks: id state looked_ago_ms enabled proof\n"
                "  service: part service configured place owed unread due_in_ms dead_letters\n"
                "      paused held_for_ms breaker_open failed_probes owner",
        .notes = "Exit codes: 0 done, 1 failed, 2 usage, 4 Redis unreachable,\n"
                 "78 configuration invalid.\n",
    };
    if (!cli_start(&this.cli, &manual, argc, argv))
        return cli_close(&this.cli);
    if (this.cli.options.operand_count)
        options_wrong(&this.cli.options, "takes no operands");
    else if (cli_load(&this.cli, CONFIG_FOR_LEDGER))
        show(&this);
    return cli_close(&this.cli);
}
