#include "serve/ingress.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/log_limit.h"
#include "base/memory.h"
#include "base/network.h"
#include "base/random.h"
#include "kula/envelope.h"
#include "kula/policy.h"
#include "serve/admission.h"
#include "serve/answers.h"
#include "serve/endpoints.h"
#include "serve/proof.h"
#include "serve/pulse.h"
#include "serve/second.h"
#include "serve/store.h"

enum { TRACE_HEX = 32 }; /* as in W3C traceparent */

/* That the pen is full may go on for days. */
enum { SAY_FULL_AGAIN_MS = 60000 };

/* Of a stranger's path, as much as goes into a log line. */
enum { PATH_SHOWN = 200 };

struct ingress {
    struct metrics *metrics;
    struct metric *append_seconds;
    struct store *store;
    struct pulse *pulse; /* NULL: nobody wants to know */
    const struct endpoints *endpoints;
    struct admission admission;
    int64_t say_full_at_ms; /* not before; steady */
    struct http_handler handler;
    struct http_server *server;
    LIST_HEAD(delivery_list, delivery) deliveries;
    size_t delivery_count;
    struct second *second; /* of these, who wait for their second reading */
    struct proof_list proofs;
    struct string body;        /* of the answer that is being given */
    struct log_limit refusals; /* of which there may be any number */
    struct log_limit stales;   /* which strangers cannot make */
    struct network *trusted_proxies;
    bool draining;
};

/* One delivery, from the whole request to the answer. */
struct delivery {
    LIST_ENTRY(delivery) link;
    struct ingress *ingress;
    struct http_exchange *exchange;
    const struct endpoint *endpoint;
    struct envelope envelope;
    const char *pen_reason; /* NULL: it is an event */
    char trace[TRACE_HEX + 1];
    int64_t received_ms;    /* wall time */
    int64_t whole_since_ms; /* steady time */
    struct proof_finding found;
    bool authentic;
    bool stale;
};

static const struct metric_family deliveries_total = {
    .name = "kula_relay_deliveries_total",
    .kind = METRIC_COUNTER,
    .help = "Deliveries by what they were answered.",
    .labels = {"endpoint", "outcome"},
};
static const struct metric_family http_faults_total = {
    .name = "kula_relay_http_faults_total",
    .kind = METRIC_COUNTER,
    .help = "Requests refused before it was known what they are for.",
    .labels = {"fault"},
};
static const struct metric_family append_seconds = {
    .name = "kula_relay_append_seconds",
    .kind = METRIC_HISTOGRAM,
    .help = "From the whole request to stored, in the spool or in the ledger.",
};
static const struct metric_family lines_left_out_total = {
    .name = "kula_relay_log_lines_left_out_total",
    .kind = METRIC_COUNTER,
    .help = "Log lines about refused requests that were left out, because there were too many.",
};

static void count(struct ingress *ingress, const struct endpoint *endpoint, enum answer answer) {
    metric_add(metrics_series(ingress->metrics, &deliveries_total,
                              endpoint ? endpoint->config->name : "", answers_name(answer)),
               1);
    if (endpoint && ingress->pulse)
        pulse_note(ingress->pulse, endpoint->config->name, answer);
}

/* ---- A delivery's life ---- */

static struct delivery *delivery_create(struct ingress *ingress, const struct endpoint *endpoint,
                                        struct http_exchange *exchange) {
    struct delivery *delivery = memory_new(sizeof *delivery);
    delivery->ingress = ingress;
    delivery->endpoint = endpoint;
    delivery->exchange = exchange;
    delivery->received_ms = clock_wall_ms();
    delivery->whole_since_ms = clock_steady_ms();
    random_hex(delivery->trace, TRACE_HEX);
    LIST_INSERT_HEAD(&ingress->deliveries, delivery, link);
    ingress->delivery_count++;
    return delivery;
}

/* The one way out: counted, answered, gone. */
static void delivery_answer(struct delivery *delivery, enum answer answer) {
    struct ingress *ingress = delivery->ingress;
    struct http_answer http;
    bool has_id = answer == ANSWER_ACCEPTED || answer == ANSWER_DUPLICATE;
    count(ingress, delivery->endpoint, answer);
    answers_fill(answer, has_id ? text_of(delivery->envelope.id) : (struct text){0}, &ingress->body,
                 &http);
    http.trusted = delivery->authentic;
    http_exchange_answer(&delivery->exchange, &http);
    LIST_REMOVE(delivery, link);
    ingress->delivery_count--;
    free(delivery);
}

static void delivery_refuse(struct delivery *delivery, enum answer answer) {
    struct ingress *ingress = delivery->ingress;
    const char *endpoint = delivery->endpoint->config->name;
    struct text peer = http_exchange_peer(delivery->exchange);
    if (delivery->stale) /* how much of it shows whose clock is wrong */
        log_limit_warning(
            &ingress->stales,
            "delivery refused reason=%s endpoint=%s peer=%.*s signed_ahead_s=%" PRId64,
            answers_name(answer), endpoint, TEXT_ARG(peer), delivery->found.ahead_ms / 1000);
    else
        log_limit_warning(&ingress->refusals, "delivery refused reason=%s endpoint=%s peer=%.*s",
                          answers_name(answer), endpoint, TEXT_ARG(peer));
    delivery_answer(delivery, answer);
}

static int64_t delivery_took_ms(const struct delivery *delivery) {
    return clock_steady_ms() - delivery->whole_since_ms;
}

/* ---- Is it Kula? ---- */

static bool delivery_is_from_kula(struct delivery *delivery, enum signature_verdict verdict,
                                  enum answer *refusal) {
    const struct proof_finding *found = &delivery->found;
    int64_t apart_ms = found->ahead_ms < 0 ? -found->ahead_ms : found->ahead_ms;
    delivery->stale = verdict == SIGNATURE_STALE;
    delivery->authentic = verdict == SIGNATURE_GOOD || delivery->stale;
    if (delivery->authentic)
        endpoints_count_match(delivery->endpoint, found->matched, found->reading,
                              delivery->received_ms);
    return endpoints_trust(delivery->endpoint, verdict, apart_ms, refusal);
}

/* ---- What is it? ---- */

/* Nobody signs these headers, so the body wins; a difference says that
 * something between Kula and us is not what it should be. */
static void compare_headers(const struct delivery *delivery) {
    struct text id = http_exchange_header(delivery->exchange, "X-Kula-Event-Id");
    struct text type = http_exchange_header(delivery->exchange, "X-Kula-Event");
    if ((id.size == 0 || text_is(id, delivery->envelope.id)) &&
        (type.size == 0 || text_is(type, delivery->envelope.type)))
        return;
    log_warning("headers differ from the signed body event=%s type=%s endpoint=%s",
                delivery->envelope.id, delivery->envelope.type, delivery->endpoint->config->name);
}

/* NULL, or why it goes to the pen: it is authentic, so a 4xx would lose it. */
static const char *delivery_read(struct delivery *delivery) {
    enum envelope_fault fault =
        envelope_parse(http_exchange_body(delivery->exchange), &delivery->envelope);
    if (fault != ENVELOPE_FINE)
        return envelope_fault_name(fault);
    compare_headers(delivery);
    if (!policy_takes_account(delivery->endpoint->config, text_of(delivery->envelope.account)))
        return POLICY_OTHER_ACCOUNT;
    return NULL;
}

/* ---- Write it down ---- */

static bool is_unmatched(const struct delivery *delivery) {
    return delivery->pen_reason && !delivery->authentic;
}

static void delivery_refuse_full(struct delivery *delivery) {
    struct ingress *ingress = delivery->ingress;
    int64_t now_ms = clock_steady_ms();
    if (now_ms >= ingress->say_full_at_ms) {
        log_error("pen full, what no secret matches is answered 503: kula-relay pen list");
        ingress->say_full_at_ms = now_ms + SAY_FULL_AGAIN_MS;
    }
    delivery_refuse(delivery, ANSWER_PEN_FULL);
}

static void delivery_fail(struct delivery *delivery, struct text trouble) {
    if (is_unmatched(delivery)) {
        delivery_refuse(delivery, ANSWER_UNAVAILABLE);
        return;
    }
    log_warning("delivery not stored event=%s endpoint=%s ms=%" PRId64 " reason=%.*s",
                delivery->envelope.id, delivery->endpoint->config->name, delivery_took_ms(delivery),
                TEXT_ARG(trouble));
    delivery_answer(delivery, ANSWER_UNAVAILABLE);
}

static void log_stored(const struct delivery *delivery, enum answer answer,
                       const struct stored *stored) {
    const char *endpoint = delivery->endpoint->config->name;
    if (is_unmatched(delivery))
        log_limit_warning(&delivery->ingress->refusals,
                          "delivery penned reason=%s endpoint=%s in=%s peer=%.*s",
                          delivery->pen_reason, endpoint, stored->where,
                          TEXT_ARG(http_exchange_peer(delivery->exchange)));
    else if (delivery->pen_reason)
        log_warning("delivery penned reason=%s endpoint=%s in=%s pen=%.*s ms=%" PRId64,
                    delivery->pen_reason, endpoint, stored->where, TEXT_ARG(stored->stream_id),
                    delivery_took_ms(delivery));
    else
        log_info("delivery stored outcome=%s event=%s type=%s endpoint=%s in=%s stream=%.*s "
                 "stale=%s reading=%s ms=%" PRId64,
                 answers_name(answer), delivery->envelope.id, delivery->envelope.type, endpoint,
                 stored->where, TEXT_ARG(stored->stream_id), delivery->stale ? "yes" : "no",
                 signature_reading_name(delivery->found.reading), delivery_took_ms(delivery));
}

static void delivery_succeed(struct delivery *delivery, const struct stored *stored) {
    enum answer answer = stored->outcome == LEDGER_DUPLICATE ? ANSWER_DUPLICATE : ANSWER_ACCEPTED;
    if (is_unmatched(delivery))
        answer = ANSWER_SIGNATURE_UNMATCHED_PENNED;
    else if (delivery->pen_reason)
        answer = ANSWER_PENNED;
    metric_observe_ms(delivery->ingress->append_seconds, delivery_took_ms(delivery));
    log_stored(delivery, answer, stored);
    delivery_answer(delivery, answer);
}

/* Only after "stored": once a 2xx is out, Kula never sends it again. */
static void on_stored(void *arg, const struct stored *stored) {
    struct delivery *delivery = arg;
    switch (stored->outcome) {
    case LEDGER_STORED:
    case LEDGER_DUPLICATE:
        delivery_succeed(delivery, stored);
        return;
    case LEDGER_PEN_FULL:
        delivery_refuse_full(delivery);
        return;
    case LEDGER_NOT_STORED:
        delivery_fail(delivery, stored->trouble);
        return;
    }
}

static struct record delivery_record(const struct delivery *delivery) {
    const struct envelope *envelope = &delivery->envelope;
    /* A signature from the future stays acceptable for longer, so its id is
     * remembered for longer: as long as a replay of it would come in. */
    int64_t ahead_ms = delivery->found.ahead_ms > 0 ? delivery->found.ahead_ms : 0;
    struct record record = {
        .kind = delivery->pen_reason ? RECORD_PEN : RECORD_EVENT,
        .received_ms = delivery->received_ms,
        .endpoint = text_of(delivery->endpoint->config->name),
        .body = http_exchange_body(delivery->exchange),
    };
    if (delivery->pen_reason) {
        record.reason = text_of(delivery->pen_reason);
        record.signature = http_exchange_header(delivery->exchange, proof_header);
        return record;
    }
    record.id = text_of(envelope->id);
    record.type = text_of(envelope->type);
    record.account = text_of(envelope->account);
    record.created = text_of(envelope->created);
    record.trace = text_of(delivery->trace);
    record.window_ms = delivery->endpoint->window_ms + ahead_ms;
    return record;
}

static void delivery_store(struct delivery *delivery) {
    struct store *store = delivery->ingress->store;
    struct record record = delivery_record(delivery);
    if (store_has_room(store, &record))
        store_put(store, &record, http_exchange_since_ms(delivery->exchange) + INGRESS_HOLD_MS,
                  on_stored, delivery);
    else
        delivery_refuse_full(delivery);
}

/* ---- What the server tells ---- */

static bool is_health_check(struct text method, struct text path) {
    return text_is(path, "/healthz") && (text_is(method, "GET") || text_is(method, "HEAD"));
}

static const struct endpoint *find_target(const struct ingress *ingress, struct text method,
                                          struct text path, enum answer *refusal) {
    const struct endpoint *endpoint = endpoints_find(ingress->endpoints, path);
    *refusal = ANSWER_NOT_FOUND;
    if (!endpoint)
        return NULL;
    *refusal = ANSWER_METHOD_NOT_ALLOWED;
    return text_is(method, "POST") ? endpoint : NULL;
}

static void refuse_target(struct ingress *ingress, const struct http_exchange *exchange,
                          enum answer answer, struct http_answer *http) {
    struct text method = http_exchange_method(exchange), path = http_exchange_path(exchange);
    struct text shown = text_slice(path.data, path.size < PATH_SHOWN ? path.size : PATH_SHOWN);
    log_limit_warning(&ingress->refusals,
                      "request refused reason=%s peer=%.*s method=%.*s path=%.*s",
                      answers_name(answer), TEXT_ARG(http_exchange_peer(exchange)),
                      TEXT_ARG(method), TEXT_ARG(shown));
    count(ingress, endpoints_find(ingress->endpoints, path), answer);
    answers_fill(answer, (struct text){0}, &ingress->body, http);
}

/* Where there is no room for the body: who has promised one and does not send it has to go. */
static bool make_room(struct ingress *ingress, const struct http_head *head) {
    bool found = true;
    while (found &&
           !admission_allows(&ingress->admission, http_server_body_bytes(ingress->server), head))
        found =
            http_server_displace_body(ingress->server, admission_needs(&ingress->admission, head));
    return found;
}

static bool on_head(void *arg, const struct http_head *head, struct http_answer *http) {
    struct ingress *ingress = arg;
    enum answer refusal;
    if (is_health_check(head->method, head->path) && head->has_length && head->body_bytes == 0)
        return true;
    const struct endpoint *endpoint = find_target(ingress, head->method, head->path, &refusal);
    if (!endpoint) {
        refuse_target(ingress, head->exchange, refusal, http);
        return false;
    }
    if (!make_room(ingress, head)) {
        refuse_target(ingress, head->exchange, ANSWER_BUSY, http);
        return false;
    }
    proof_begin(&ingress->proofs, head->exchange, endpoint);
    return true;
}

static void on_body(void *arg, struct http_exchange *exchange, struct text piece) {
    (void)arg;
    proof_feed(exchange, piece);
}

static void answer_health_check(struct ingress *ingress, struct http_exchange *exchange) {
    struct http_answer http;
    answers_fill(ingress->draining ? ANSWER_DRAINING : ANSWER_OK, (struct text){0}, &ingress->body,
                 &http);
    http_exchange_answer(&exchange, &http);
}

static void delivery_take(struct delivery *delivery, enum signature_verdict verdict) {
    enum answer refusal;
    if (delivery_is_from_kula(delivery, verdict, &refusal)) {
        delivery->pen_reason = delivery_read(delivery);
        delivery_store(delivery);
    } else if (refusal == ANSWER_SIGNATURE_UNMATCHED_PENNED) {
        delivery->pen_reason = LEDGER_UNMATCHED;
        delivery_store(delivery);
    } else {
        delivery_refuse(delivery, refusal);
    }
}

static void on_second(void *arg, bool in_time) {
    struct delivery *delivery = arg;
    if (in_time)
        delivery_take(delivery, proof_end_second(delivery->exchange, delivery->received_ms,
                                                 &delivery->found));
    else
        delivery_refuse(delivery, ANSWER_BUSY);
}

static void on_request(void *arg, struct http_exchange *exchange) {
    struct ingress *ingress = arg;
    struct text method = http_exchange_method(exchange);
    struct text path = http_exchange_path(exchange);
    if (is_health_check(method, path)) {
        answer_health_check(ingress, exchange);
        return;
    }
    struct delivery *delivery = delivery_create(ingress, proof_endpoint(exchange), exchange);
    enum signature_verdict verdict = proof_end(exchange, delivery->received_ms, &delivery->found);
    if (verdict == SIGNATURE_UNMATCHED && proof_has_second(exchange))
        second_wait(ingress->second, http_exchange_body(exchange).size,
                    http_exchange_is_trusted(exchange), on_second, delivery);
    else
        delivery_take(delivery, verdict);
}

static void count_fault(struct ingress *ingress, const char *fault) {
    metric_add(metrics_series(ingress->metrics, &http_faults_total, fault, NULL), 1);
}

/* Whom a request that was cut short is for, if it has come so far. */
static const struct endpoint *find_aim(const struct ingress *ingress,
                                       const struct http_exchange *exchange) {
    if (!exchange || !text_is(http_exchange_method(exchange), "POST"))
        return NULL;
    const struct endpoint *proved_to = proof_endpoint(exchange);
    return proved_to ? proved_to : endpoints_find(ingress->endpoints, http_exchange_path(exchange));
}

static void on_fault(void *arg, const struct http_exchange *exchange, enum http_fault fault,
                     struct text peer, struct http_answer *http) {
    struct ingress *ingress = arg;
    const struct endpoint *endpoint = find_aim(ingress, exchange);
    enum answer answer = answers_for_fault(fault);
    log_limit_warning(&ingress->refusals, "request refused reason=%s peer=%.*s",
                      http_fault_name(fault), TEXT_ARG(peer));
    if (endpoint)
        count(ingress, endpoint, answer);
    else
        count_fault(ingress, http_fault_name(fault));
    answers_fill(answer, (struct text){0}, &ingress->body, http);
}

static void on_unshaken(void *arg, struct text peer, const char *reason) {
    struct ingress *ingress = arg;
    log_limit_warning(&ingress->refusals, "handshake failed reason=%s peer=%.*s", reason,
                      TEXT_ARG(peer));
    count_fault(ingress, "handshake");
}

/* ---- Its own life ---- */

static void read_trusted_proxies(struct ingress *ingress, const struct config *config) {
    size_t count = config->trusted_proxy_count;
    ingress->trusted_proxies = memory_new((count + 1) * sizeof *ingress->trusted_proxies);
    for (size_t i = 0; i < count; i++) {
        bool parsed =
            network_parse(text_of(config->trusted_proxies[i]), &ingress->trusted_proxies[i]);
        assert(parsed); /* the configuration was checked */
    }
}

struct ingress *ingress_create(const struct ingress_needs *needs) {
    struct ingress *ingress = memory_new(sizeof *ingress);
    ingress->metrics = needs->metrics;
    ingress->append_seconds = metrics_series(needs->metrics, &append_seconds, NULL, NULL);
    ingress->store = needs->store;
    ingress->pulse = needs->pulse;
    ingress->endpoints = needs->endpoints;
    struct metric *left_out = metrics_series(needs->metrics, &lines_left_out_total, NULL, NULL);
    ingress->refusals = (struct log_limit){.about = "refused requests", .left_out_total = left_out};
    ingress->stales = (struct log_limit){.about = "stale deliveries", .left_out_total = left_out};
    ingress->handler = (struct http_handler){.arg = ingress,
                                             .on_head = on_head,
                                             .on_body = on_body,
                                             .on_request = on_request,
                                             .on_fault = on_fault,
                                             .on_unshaken = on_unshaken};
    LIST_INIT(&ingress->deliveries);
    ingress->second = second_create(needs->loop);
    LIST_INIT(&ingress->proofs);
    admission_init(&ingress->admission, needs->config);
    struct http_limits limits = admission_limits(&ingress->admission);
    read_trusted_proxies(ingress, needs->config);
    limits.trusted_proxies = ingress->trusted_proxies;
    limits.trusted_proxy_count = needs->config->trusted_proxy_count;
    ingress->server = http_server_create(needs->loop, &ingress->handler, &limits);
    return ingress;
}

void ingress_destroy(struct ingress *ingress) {
    struct delivery *delivery;
    if (!ingress)
        return;
    store_close(ingress->store);
    second_destroy(ingress->second);
    while ((delivery = LIST_FIRST(&ingress->deliveries)))
        delivery_answer(delivery, ANSWER_UNAVAILABLE);
    http_server_destroy(ingress->server);
    string_finish(&ingress->body);
    free(ingress->trusted_proxies);
    free(ingress);
}

void ingress_set_endpoints(struct ingress *ingress, const struct endpoints *endpoints) {
    ingress->endpoints = endpoints;
}

bool ingress_holds(const struct ingress *ingress, const struct endpoints *endpoints) {
    const struct delivery *delivery;
    LIST_FOREACH (delivery, &ingress->deliveries, link)
        if (endpoints_own(endpoints, delivery->endpoint))
            return true;
    return ingress->endpoints == endpoints || proof_any_of(&ingress->proofs, endpoints);
}

struct http_server *ingress_server(const struct ingress *ingress) {
    return ingress->server;
}

void ingress_drain(struct ingress *ingress, loop_fn *on_empty, void *arg) {
    ingress->draining = true;
    http_server_drain(ingress->server, on_empty, arg);
}

size_t ingress_deliveries_in_flight(const struct ingress *ingress) {
    return ingress->delivery_count;
}
