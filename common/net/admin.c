#include "net/admin.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/log_sink.h"
#include "base/memory.h"
#include "net/address.h"

enum {
    BODY_BYTES = 1024, /* nobody has a reason to send one */
};

static const struct metric_family started = {
    "kula_relay_started_timestamp_seconds",
    METRIC_GAUGE,
    "When this process was started: what it counts, it counts since then.",
    {NULL}};
static const struct metric_family log_lines_lost = {
    "kula_relay_log_lines_lost_total",
    METRIC_COUNTER,
    "Log lines that were not written, because nobody read stderr or it took no more.",
    {NULL}};

struct admin {
    struct admin_options options;
    struct loop *loop;
    struct string bound;        /* the address, also where port 0 was asked for */
    bool shared;                /* others may listen there too: not on a port that was free */
    struct http_server *server; /* NULL: another process speaks */
};

/* ---- The pages ---- */

typedef void page_fn(struct admin *, struct string *body, struct http_answer *);

static void show_health(struct admin *admin, struct string *body, struct http_answer *answer) {
    answer->status = admin->options.on_health(admin->options.arg, body) ? 200 : 503;
    string_add_char(body, '\n');
}

static void show_readiness(struct admin *admin, struct string *body, struct http_answer *answer) {
    answer->status = admin->options.on_ready(admin->options.arg, body) ? 200 : 503;
    string_add_char(body, '\n');
}

static void count_lost(struct metrics *metrics) {
    struct metric *series = metrics_series(metrics, &log_lines_lost, NULL, NULL);
    metric_add(series, (int64_t)log_sink_lost() - metric_value(series));
}

static void show_metrics(struct admin *admin, struct string *body, struct http_answer *answer) {
    if (admin->options.on_scrape)
        admin->options.on_scrape(admin->options.arg);
    count_lost(admin->options.metrics);
    metrics_format(admin->options.metrics, body);
    answer->status = 200;
    answer->content_type = "text/plain; version=0.0.4; charset=utf-8";
}

static const struct {
    const char *path;
    page_fn *show;
} pages[] = {
    {"/healthz", show_health},
    {"/metrics", show_metrics},
    {"/readyz", show_readiness},
};

static page_fn *find_page(struct text path) {
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
        if (text_is(path, pages[i].path))
            return pages[i].show;
    return NULL;
}

/* ---- Refusals ---- */

static struct http_answer say(int status, const char *body) {
    return (struct http_answer){.status = status, .body = text_of(body)};
}

static void on_fault(void *arg, const struct http_exchange *exchange, enum http_fault fault,
                     struct text peer, struct http_answer *answer) {
    (void)exchange;
    (void)peer;
    (void)arg;
    switch (fault) {
    case HTTP_FAULT_HEAD_TOO_LARGE:
        *answer = say(431, "{\"status\":\"head_too_large\"}\n");
        break;
    case HTTP_FAULT_BODY_TOO_LARGE:
        *answer = say(413, "{\"status\":\"body_too_large\"}\n");
        break;
    case HTTP_FAULT_TOO_SLOW:
        *answer = say(408, "{\"status\":\"too_slow\"}\n");
        break;
    case HTTP_FAULT_CROWDED:
    case HTTP_FAULT_DISPLACED:
        *answer = say(503, "{\"status\":\"crowded\"}\n");
        answer->retry_after_s = 1;
        break;
    case HTTP_FAULT_MALFORMED:
    case HTTP_FAULT_UNPROXIED:
    case HTTP_FAULTS:
        *answer = say(400, "{\"status\":\"malformed\"}\n");
        break;
    }
}

static bool on_head(void *arg, const struct http_head *head, struct http_answer *refusal) {
    (void)arg;
    if (!find_page(head->path)) {
        *refusal = say(404, "{\"status\":\"not_found\"}\n");
        return false;
    }
    if (!text_is(head->method, "GET") && !text_is(head->method, "HEAD")) {
        *refusal = say(405, "{\"status\":\"method_not_allowed\"}\n");
        refusal->allow = "GET, HEAD";
        return false;
    }
    return true;
}

static void on_request(void *arg, struct http_exchange *exchange) {
    struct admin *admin = arg;
    struct string body = {0};
    struct http_answer answer = {0};
    find_page(http_exchange_path(exchange))(admin, &body, &answer);
    answer.body = string_text(&body);
    http_exchange_answer(&exchange, &answer);
    string_finish(&body);
}

/* ---- Coming and going ---- */

static struct http_server *serve_pages(struct admin *admin, int descriptor) {
    struct http_handler handler = {
        .arg = admin, .on_head = on_head, .on_request = on_request, .on_fault = on_fault};
    struct http_limits limits = {.body_bytes = BODY_BYTES, .connections = ADMIN_CONNECTIONS};
    struct http_server *server = http_server_create(admin->loop, &handler, &limits);
    http_server_listen(server, descriptor, NULL);
    return server;
}

struct admin *admin_start(struct loop *loop, const struct admin_options *options,
                          struct string *why) {
    struct text address = text_of(options->address);
    int descriptor =
        options->beside ? address_listen_beside(address, why) : address_listen(address, why);
    if (descriptor < 0)
        return NULL;
    struct admin *admin = memory_new(sizeof *admin);
    admin->options = *options;
    metric_set(metrics_series(options->metrics, &started, NULL, NULL), clock_wall_ms() / 1000);
    admin->loop = loop;
    admin->shared = options->beside && address_is_bound(address, descriptor);
    address_format_bound(descriptor, &admin->bound);
    log_info("admin listening address=%s", admin->bound.data);
    admin->server = serve_pages(admin, descriptor);
    return admin;
}

struct text admin_address(const struct admin *admin) {
    return admin ? string_text(&admin->bound) : (struct text){0};
}

/* Whether we are alone is known only without a listener of our own: then one that wants the
 * address for itself gets it. */
static bool is_alone(const struct admin *admin) {
    struct string why = {0};
    int descriptor = address_listen(string_text(&admin->bound), &why);
    if (descriptor >= 0)
        close(descriptor);
    string_finish(&why);
    return descriptor >= 0;
}

/* Kept to ourselves, the address would keep the next process from starting until we have gone. */
void admin_yield(struct admin *admin) {
    struct string why = {0};
    int descriptor = -1;
    if (!admin || !admin->shared)
        return;
    http_server_destroy(admin->server);
    if (is_alone(admin))
        descriptor = address_listen_beside(string_text(&admin->bound), &why);
    admin->server = descriptor < 0 ? NULL : serve_pages(admin, descriptor);
    string_finish(&why);
}

void admin_stop(struct admin *admin) {
    if (!admin)
        return;
    http_server_destroy(admin->server);
    string_finish(&admin->bound);
    free(admin);
}
