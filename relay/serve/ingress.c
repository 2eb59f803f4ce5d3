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
#include "kula/canonical.h"
#include "kula/envelope.h"
#include "kula/policy.h"
#include "serve/admission.h"
#include "serve/answers.h"
#include "serve/drain.h"
#include "serve/endpoints.h"
#include "serve/proof.h"
#include "serve/pulse.h"
#include "serve/spools.h"
#include "serve/unmatched.h"

enum { TRACE_HEX = 32 }; /* as in W3C traceparent */

/* However late it is, a Redis across the network has to be able to answer. */
enum { ASK_LEAST_MS = 250 };

/* How long the spool may take before the ledger is asked too: a disk that hangs is one that
 * cannot write. A sync of two seconds is none: what comes during one waits for that and its own. */
enum { SPOOL_PATIENCE_MS = 5000 };

/* What a second reading costs besides the body's bytes, as if it were some. */
enum { SECOND_BYTES = 4096 };

/* A quarter of the spool at most is for what anybody can send. */
enum { SPOOL_SHARE_OF_UNMATCHED = 4 };

/* That the pen is full may go on for days. */
enum { SAY_FULL_AGAIN_MS = 60000 };

/* Of a stranger's path, as much as goes into a log line. */
enum { PATH_SHOWN = 200 };

struct ingress {
    struct metrics *metrics;
    struct metric *append_seconds;
    struct loop *loop;
    struct ledger *ledger;
    struct spools *spools;
    struct pulse *pulse; /* NULL: nobody wants to know */
    const struct endpoints *endpoints;
    struct admission admission;
    struct unmatched unmatched; /* what may be penned of it */
    int64_t say_full_at_ms;     /* not before; steady */
    struct http_handler handler;
    struct http_server *server;
    LIST_HEAD(delivery_list, delivery) deliveries; /* each waits for spool or ledger */
    size_t delivery_count;
    STAILQ_HEAD(second_list, delivery) seconds; /* of these, who wait for their second reading */
    struct loop_timer *second_turn;
    struct proof_list proofs;
    struct string body;        /* of the answer that is being given */
    struct log_limit refusals; /* of which there may be any number */
    struct network *trusted_proxies;
    bool draining;
};

/* One delivery, from the whole request to the answer, and on until what was
 * asked to store it has spoken. */
struct delivery {
    LIST_ENTRY(delivery) link;
    STAILQ_ENTRY(delivery) second_link;
    struct ingress *ingress;
    struct http_exchange *exchange; /* NULL: answered */
    unsigned asked;                 /* spool and ledger, who have not spoken yet */
    bool ledger_asked;
    struct loop_timer
        *patience; /* with the spool, then until the deadline; NULL: there is no spool */
    const struct endpoint *endpoint;
    struct envelope envelope;
    const char *pen_reason; /* NULL: it can be read */
    char trace[TRACE_HEX + 1];
    int64_t received_ms;    /* wall time */
    int64_t whole_since_ms; /* steady time */
    struct proof_finding found;
    bool authentic;
    bool stale;
    bool pen_full; /* so said the ledger */
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
    .help = "Requests refused before anybody looked at their path.",
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

static void delivery_destroy(struct delivery *delivery) {
    assert(!delivery->exchange);
    LIST_REMOVE(delivery, link);
    delivery->ingress->delivery_count--;
    loop_timer_destroy(delivery->patience);
    free(delivery);
}

/* The one way out: counted, answered, and gone when nobody has to speak any more. */
static void delivery_answer(struct delivery *delivery, enum answer answer) {
    struct ingress *ingress = delivery->ingress;
    struct http_answer http;
    bool has_id = answer == ANSWER_ACCEPTED || answer == ANSWER_DUPLICATE;
    count(ingress, delivery->endpoint, answer);
    answers_fill(answer, has_id ? text_of(delivery->envelope.id) : (struct text){0}, &ingress->body,
                 &http);
    http.trusted = delivery->authentic;
    http_exchange_answer(&delivery->exchange, &http);
    if (delivery->asked == 0)
        delivery_destroy(delivery);
}

static void delivery_refuse(struct delivery *delivery, enum answer answer) {
    struct text peer = http_exchange_peer(delivery->exchange);
    log_limit_warning(&delivery->ingress->refusals,
                      "delivery refused reason=%s endpoint=%s peer=%.*s", answers_name(answer),
                      delivery->endpoint->config->name, TEXT_ARG(peer));
    delivery_answer(delivery, answer);
}

static int64_t delivery_took_ms(const struct delivery *delivery) {
    return clock_steady_ms() - delivery->whole_since_ms;
}

/* A deadline counts from the first byte, as Kula's own ten seconds do, and
 * however late it is the ledger is asked once. */
static int64_t delivery_deadline_ms(const struct delivery *delivery) {
    int64_t left_ms =
        http_exchange_since_ms(delivery->exchange) + INGRESS_HOLD_MS - clock_steady_ms();
    return left_ms > ASK_LEAST_MS ? left_ms : ASK_LEAST_MS;
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
        return "other_account";
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

static void delivery_fail(struct delivery *delivery) {
    if (delivery->pen_full) {
        delivery_refuse_full(delivery);
        return;
    }
    if (is_unmatched(delivery)) {
        delivery_refuse(delivery, ANSWER_UNAVAILABLE);
        return;
    }
    struct text trouble = ledger_trouble(delivery->ingress->ledger);
    log_warning("delivery not stored event=%s endpoint=%s ms=%" PRId64 " trouble=%.*s",
                delivery->envelope.id, delivery->endpoint->config->name, delivery_took_ms(delivery),
                TEXT_ARG(trouble));
    delivery_answer(delivery, ANSWER_UNAVAILABLE);
}

static void delivery_succeed(struct delivery *delivery, enum answer answer, const char *where,
                             struct text stream_id) {
    metric_observe_ms(delivery->ingress->append_seconds, delivery_took_ms(delivery));
    if (is_unmatched(delivery))
        log_limit_warning(&delivery->ingress->refusals,
                          "delivery penned reason=%s endpoint=%s in=%s peer=%.*s",
                          delivery->pen_reason, delivery->endpoint->config->name, where,
                          TEXT_ARG(http_exchange_peer(delivery->exchange)));
    else if (delivery->pen_reason)
        log_warning("delivery penned reason=%s endpoint=%s in=%s pen=%.*s ms=%" PRId64,
                    delivery->pen_reason, delivery->endpoint->config->name, where,
                    TEXT_ARG(stream_id), delivery_took_ms(delivery));
    else
        log_info("delivery stored outcome=%s event=%s type=%s endpoint=%s in=%s stream=%.*s "
                 "stale=%s reading=%s ms=%" PRId64,
                 answers_name(answer), delivery->envelope.id, delivery->envelope.type,
                 delivery->endpoint->config->name, where, TEXT_ARG(stream_id),
                 delivery->stale ? "yes" : "no", signature_reading_name(delivery->found.reading),
                 delivery_took_ms(delivery));
    if (is_unmatched(delivery))
        answer = ANSWER_SIGNATURE_UNMATCHED_PENNED;
    else if (delivery->pen_reason)
        answer = ANSWER_PENNED;
    delivery_answer(delivery, answer);
}

/* The first that stored it answers for all; that it was not stored, only the last can tell. */
static void delivery_hear(struct delivery *delivery, bool stored, enum answer answer,
                          const char *where, struct text stream_id) {
    assert(delivery->asked > 0);
    delivery->asked--;
    if (!delivery->exchange) {
        if (delivery->asked == 0)
            delivery_destroy(delivery);
    } else if (stored) {
        delivery_succeed(delivery, answer, where, stream_id);
    } else if (delivery->asked == 0) {
        delivery_fail(delivery);
    }
}

static void on_appended(void *arg, enum ledger_stored stored, struct text stream_id) {
    struct delivery *delivery = arg;
    delivery->pen_full = stored == LEDGER_PEN_FULL;
    /* Only after "stored": once a 2xx is out, Kula never sends it again. */
    delivery_hear(delivery, stored == LEDGER_STORED || stored == LEDGER_DUPLICATE,
                  stored == LEDGER_DUPLICATE ? ANSWER_DUPLICATE : ANSWER_ACCEPTED, "ledger",
                  stream_id);
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

static void ask_ledger(struct delivery *delivery) {
    struct record record = delivery_record(delivery);
    struct ledger_item item = drain_item(&record);
    item.most = delivery->ingress->unmatched.most;
    delivery->asked++;
    delivery->ledger_asked = true;
    ledger_append(delivery->ingress->ledger, &item, delivery_deadline_ms(delivery), on_appended,
                  delivery);
}

/* The spool had its time, or cannot: from now on it is the deadline that counts. */
static void turn_to_ledger(struct delivery *delivery) {
    ask_ledger(delivery);
    loop_timer_set(delivery->patience, delivery_deadline_ms(delivery));
}

/* Unknown is not stored: should it turn up later, Kula's next try is told as duplicate. */
static void on_spooled(void *arg, enum spool_put put) {
    struct delivery *delivery = arg;
    if (put != SPOOL_SYNCED && delivery->exchange && !delivery->ledger_asked)
        turn_to_ledger(delivery);
    delivery_hear(delivery, put == SPOOL_SYNCED, ANSWER_ACCEPTED, "spool", text_of(NULL));
}

/* The disk takes long: ask the ledger too, and at the deadline wait for nobody. */
static void on_patience_over(void *arg) {
    struct delivery *delivery = arg;
    if (!delivery->exchange)
        return;
    if (delivery->ledger_asked) {
        delivery_fail(delivery);
        return;
    }
    turn_to_ledger(delivery);
}

static void ask_spool(struct delivery *delivery, struct spool *spool) {
    struct record record = delivery_record(delivery);
    int64_t left_ms = delivery_deadline_ms(delivery);
    delivery->asked++;
    delivery->patience = loop_timer_create(delivery->ingress->loop, on_patience_over, delivery);
    loop_timer_set(delivery->patience, left_ms < SPOOL_PATIENCE_MS ? left_ms : SPOOL_PATIENCE_MS);
    spool_put(spool, &record, on_spooled, delivery);
    if (is_unmatched(delivery))
        unmatched_put(&delivery->ingress->unmatched, record.sequence,
                      (int64_t)(record.signature.size + record.body.size));
}

/* Before it is written down: what stands in the spool is the ledger's to take. */
static bool pen_has_room(struct delivery *delivery) {
    struct ingress *ingress = delivery->ingress;
    struct unmatched_elsewhere elsewhere = {.left_behind = spools_left_behind(ingress->spools)};
    size_t bytes = http_exchange_header(delivery->exchange, proof_header).size +
                   http_exchange_body(delivery->exchange).size;
    elsewhere.ledger_known = ledger_pen_holds(ingress->ledger, &elsewhere.ledger);
    unmatched_drained(&ingress->unmatched, spools_confirmed(ingress->spools));
    return unmatched_fits(&ingress->unmatched, &elsewhere, (int64_t)bytes);
}

static void delivery_store(struct delivery *delivery) {
    struct spools *spools = delivery->ingress->spools;
    struct spool *spool = spools ? spools_writing(spools) : NULL;
    if (!spool || !spool_writable(spool))
        ask_ledger(delivery);
    else if (is_unmatched(delivery) && !pen_has_room(delivery))
        delivery_refuse_full(delivery);
    else
        ask_spool(delivery, spool);
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
        found = http_server_displace_body(ingress->server);
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

/* Anybody may send what has to be read a second time, over many connections at once: so it waits
 * for a turn of the loop in which no more is read than one such body may have. */
static void on_second_turn(void *arg) {
    struct ingress *ingress = arg;
    struct delivery *delivery;
    size_t left = CANONICAL_MOST + SECOND_BYTES;
    while ((delivery = STAILQ_FIRST(&ingress->seconds))) {
        size_t cost = http_exchange_body(delivery->exchange).size + SECOND_BYTES;
        if (cost > left) {
            loop_timer_set(ingress->second_turn, 0);
            return;
        }
        left -= cost;
        STAILQ_REMOVE_HEAD(&ingress->seconds, second_link);
        delivery_take(delivery, proof_end_second(delivery->exchange, delivery->received_ms,
                                                 &delivery->found));
    }
}

static void wait_for_second(struct delivery *delivery) {
    struct ingress *ingress = delivery->ingress;
    STAILQ_INSERT_TAIL(&ingress->seconds, delivery, second_link);
    if (!loop_timer_is_set(ingress->second_turn))
        loop_timer_set(ingress->second_turn, 0);
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
        wait_for_second(delivery);
    else
        delivery_take(delivery, verdict);
}

static void on_fault(void *arg, enum http_fault fault, struct text peer, struct http_answer *http) {
    struct ingress *ingress = arg;
    log_limit_warning(&ingress->refusals, "request refused reason=%s peer=%.*s",
                      http_fault_name(fault), TEXT_ARG(peer));
    metric_add(metrics_series(ingress->metrics, &http_faults_total, http_fault_name(fault), NULL),
               1);
    answers_fill(answers_for_fault(fault), (struct text){0}, &ingress->body, http);
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
    ingress->loop = needs->loop;
    ingress->ledger = needs->ledger;
    ingress->spools = needs->spools;
    ingress->pulse = needs->pulse;
    ingress->endpoints = needs->endpoints;
    ingress->refusals = (struct log_limit){
        .about = "refused requests",
        .left_out_total = metrics_series(needs->metrics, &lines_left_out_total, NULL, NULL),
    };
    ingress->handler = (struct http_handler){.arg = ingress,
                                             .on_head = on_head,
                                             .on_body = on_body,
                                             .on_request = on_request,
                                             .on_fault = on_fault};
    LIST_INIT(&ingress->deliveries);
    STAILQ_INIT(&ingress->seconds);
    ingress->second_turn = loop_timer_create(needs->loop, on_second_turn, ingress);
    LIST_INIT(&ingress->proofs);
    admission_init(&ingress->admission, needs->config);
    unmatched_init(&ingress->unmatched);
    ingress->unmatched.spool_bytes = needs->config->spool_max_bytes / SPOOL_SHARE_OF_UNMATCHED;
    ingress_set_pen(ingress, needs->config);
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
    while ((delivery = LIST_FIRST(&ingress->deliveries))) {
        delivery->asked = 0;
        if (delivery->exchange)
            delivery_answer(delivery, ANSWER_UNAVAILABLE);
        else
            delivery_destroy(delivery);
    }
    http_server_destroy(ingress->server);
    loop_timer_destroy(ingress->second_turn);
    unmatched_finish(&ingress->unmatched);
    string_finish(&ingress->body);
    free(ingress->trusted_proxies);
    free(ingress);
}

void ingress_set_endpoints(struct ingress *ingress, const struct endpoints *endpoints) {
    ingress->endpoints = endpoints;
}

void ingress_set_pen(struct ingress *ingress, const struct config *config) {
    ingress->unmatched.most = (struct ledger_pen){config->pen_max_events, config->pen_max_bytes};
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
