#include "cli/webhook_serve.h"

#include <string.h>

#include "net/http_client.h"

enum { PATIENCE_MS = 5000, METRICS_BYTES_MOST = 1024 * 1024 };

struct asking {
    struct webhook_desk *desk;
    struct webhook_serve *serve;
    struct string problem;
};

static void on_metrics(void *arg, const struct http_result *result) {
    struct asking *asking = arg;
    string_clear(&asking->serve->metrics);
    if (result->outcome == HTTP_ANSWERED && result->status == 200)
        string_add(&asking->serve->metrics, result->body);
    else if (result->outcome == HTTP_ANSWERED)
        string_addf(&asking->problem, "it answers %d", result->status);
    else if (result->outcome == HTTP_FAILED)
        string_add_of(&asking->problem, result->error);
    cli_wake(&asking->desk->cli);
}

static bool ask(struct webhook_desk *desk, struct webhook_serve *serve, const char *address) {
    struct asking asking = {.desk = desk, .serve = serve};
    struct http_client *client = http_client_create(desk->cli.loop);
    struct string url = {0};
    string_addf(&url, "http://%s/metrics", address);
    const struct http_call call = {.method = "GET",
                                   .url = url.data,
                                   .timeout_ms = PATIENCE_MS,
                                   .connect_timeout_ms = PATIENCE_MS,
                                   .keep_bytes = METRICS_BYTES_MOST,
                                   .link_local = true}; /* a person named it */
    http_client_send(client, &call, on_metrics, &asking);
    cli_wait(&desk->cli);
    http_client_destroy(client);
    bool fine = serve->metrics.size ||
                cli_fail(&desk->cli, CLI_FAILED,
                         "serve does not say at %s which secrets it has: %s; is it running, and is "
                         "--serve (else serve.admin) right?",
                         url.data, asking.problem.size ? asking.problem.data : "no metrics");
    string_finish(&url);
    string_finish(&asking.problem);
    return fine;
}

bool webhook_serve_ask(struct webhook_desk *desk, struct webhook_serve *serve) {
    const char *address = desk->serve ? desk->serve : desk->cli.config->serve_admin;
    if (!address)
        return cli_fail(&desk->cli, CLI_BAD_CONFIG,
                        "%s: serve.admin is missing: without it nobody sees which secrets serve "
                        "has; set it, or name the address with --serve",
                        desk->cli.config->file);
    return ask(desk, serve, address);
}

void webhook_serve_finish(struct webhook_serve *serve) {
    string_finish(&serve->metrics);
}

/* The number of a series, as it stands before its blank; -1 where there is none. */
static int64_t number_of(const struct webhook_serve *serve, struct text series) {
    struct text rest = string_text(&serve->metrics);
    uint64_t number;
    while (rest.size) {
        struct text line = text_cut(&rest, '\n');
        if (line.size <= series.size || memcmp(line.data, series.data, series.size) != 0)
            continue;
        struct text digits = text_slice(line.data + series.size, line.size - series.size);
        return text_to_uint(digits, INT64_MAX, &number) ? (int64_t)number : -1;
    }
    return -1;
}

static int64_t number_of_secret(const struct webhook_serve *serve, const char *name,
                                const char *endpoint, const char *mark) {
    struct string series = {0};
    string_addf(&series, "%s{endpoint=\"%s\",secret=\"%s\"} ", name, endpoint, mark);
    int64_t number = number_of(serve, string_text(&series));
    string_finish(&series);
    return number;
}

bool webhook_serve_knows(const struct webhook_serve *serve, const char *endpoint,
                         const char *mark) {
    return number_of_secret(serve, "kula_relay_secret_position", endpoint, mark) > 0;
}

int64_t webhook_serve_matched_s(const struct webhook_serve *serve, const char *endpoint,
                                const char *mark) {
    int64_t when_s =
        number_of_secret(serve, "kula_relay_secret_matched_timestamp_seconds", endpoint, mark);
    return when_s > 0 ? when_s : 0;
}

bool webhook_serve_pen_checked(const struct webhook_serve *serve) {
    return number_of(serve, text_of("kula_relay_pen_checked ")) == 1;
}

int64_t webhook_serve_started_s(const struct webhook_serve *serve) {
    return number_of(serve, text_of("kula_relay_started_timestamp_seconds "));
}
