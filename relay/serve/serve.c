#include "serve/serve.h"

#include <inttypes.h>
#include <signal.h>

#include "base/log.h"
#include "ledger/presence.h"
#include "net/admin.h"
#include "net/confine.h"
#include "net/supervisor.h"
#include "serve/admission.h"
#include "serve/edition.h"
#include "serve/ingress.h"
#include "serve/listeners.h"
#include "serve/persistence.h"
#include "serve/pulse.h"
#include "serve/releases.h"
#include "serve/reload.h"
#include "serve/spools.h"
#include "serve/store.h"

enum {
    /* What is held ends by itself within INGRESS_HOLD_MS; then the answers have to get out,
     * and whoever stops us often kills after 10 s. */
    DRAIN_MOST_MS = INGRESS_HOLD_MS + 1500,
    LOOK_AGAIN_MS = 10,
};

struct serve {
    const struct config *config; /* of the first edition: it holds to the end */
    struct edition *first;
    struct loop *loop;
    struct supervisor *supervisor;
    struct metrics *metrics;
    struct presence *presence;
    struct ledger *ledger;
    struct spools *spools; /* NULL: there is no folder for one */
    struct persistence *persistence;
    struct store *store;
    struct pulse *pulse;
    struct ingress *ingress;
    struct releases *releases;
    struct reload *reload;
    struct admin *admin;
    struct loop_timer *drain_deadline;
    struct loop_timer *quiet; /* when all is answered: is all told to Redis too? */
    bool draining;
    int exit_code;
};

enum { CONNECTIONS, DELIVERIES, BYTES, PEN_EVENTS, PEN_BYTES };

static const struct metric_family families[] = {
    [CONNECTIONS] = {"kula_relay_connections", METRIC_GAUGE, "Open connections of senders."},
    [DELIVERIES] = {"kula_relay_deliveries_in_flight", METRIC_GAUGE,
                    "Deliveries that wait to be stored."},
    [BYTES] = {"kula_relay_bytes_in_flight", METRIC_GAUGE,
               "Bytes of bodies that are held or still to come."},
    [PEN_EVENTS] = {"kula_relay_pen_unmatched_events", METRIC_GAUGE,
                    "Deliveries in the pen that no secret matched, as Redis last said."},
    [PEN_BYTES] = {"kula_relay_pen_unmatched_bytes", METRIC_GAUGE,
                   "Bytes of their bodies and signatures."},
};

/* ---- Redis comes and goes ---- */

static bool is_spooling(const struct serve *serve) {
    return serve->spools && spools_writing(serve->spools);
}

static const char *meanwhile(void *arg) {
    return is_spooling(arg) ? "deliveries wait in the spool" : "deliveries are held";
}

static const char *status(const struct serve *serve) {
    if (!presence_is_away(serve->presence))
        return "taking deliveries";
    return is_spooling(serve) ? "taking deliveries; Redis is away, they wait in the spool"
                              : "Redis is away, deliveries are held";
}

static void tell_supervisor(struct serve *serve) {
    if (!serve->draining)
        supervisor_status(serve->supervisor, status(serve));
}

static void on_news(void *arg, enum presence_news news) {
    struct serve *serve = arg;
    tell_supervisor(serve);
    if (news == PRESENCE_AWAY)
        return;
    persistence_on_ledger(serve->persistence);
    if (serve->spools)
        spools_on_ledger(serve->spools);
    releases_on_ledger(serve->releases);
}

/* ---- What admin asks ---- */

static void set_gauge(struct serve *serve, int family, size_t value) {
    metric_set(metrics_series(serve->metrics, &families[family], NULL, NULL), (int64_t)value);
}

static void on_scrape(void *arg) {
    struct serve *serve = arg;
    struct http_server *server = ingress_server(serve->ingress);
    set_gauge(serve, CONNECTIONS, http_server_connections(server));
    set_gauge(serve, DELIVERIES, ingress_deliveries_in_flight(serve->ingress));
    set_gauge(serve, BYTES, http_server_body_bytes(server));
    struct ledger_pen pen;
    if (ledger_pen_holds(serve->ledger, &pen)) {
        set_gauge(serve, PEN_EVENTS, (size_t)pen.events);
        set_gauge(serve, PEN_BYTES, (size_t)pen.bytes);
    }
    if (serve->spools)
        spools_count(serve->spools);
}

/* Where only Redis is away, deliveries are still taken, spooled or held, so a load
 * balancer would better nothing by sending them elsewhere. `held` says that nothing stores them
 * now: then is no time for more of them. */
static bool on_ready(void *arg, struct string *json) {
    const struct serve *serve = arg;
    bool redis = ledger_connected(serve->ledger),
         spool = !serve->spools || spools_work(serve->spools);
    if (serve->draining) {
        string_add_of(json, "{\"status\":\"draining\"}");
        return false;
    }
    bool ready = redis || spool, stores = redis || (serve->spools && spool);
    string_addf(json, "{\"status\":\"%s\"%s%s%s%s%s}", ready ? "ready" : "unavailable",
                redis && spool ? "" : ",\"degraded\":true", redis ? "" : ",\"redis\":\"away\"",
                persistence_lacks(serve->persistence) ? ",\"persistence\":\"off\"" : "",
                spool ? "" : ",\"spool\":\"not writable\"", stores ? "" : ",\"held\":true");
    return ready;
}

static bool on_health(void *arg, struct string *json) {
    const struct serve *serve = arg;
    string_add_of(json, serve->draining ? "{\"status\":\"draining\"}" : "{\"status\":\"ok\"}");
    return !serve->draining;
}

/* ---- Stopping ---- */

/* What Redis does not take now stays in the spool, for the next start. */
static void on_drained(void *arg) {
    struct serve *serve = arg;
    bool told = pulse_is_told(serve->pulse);
    if (!told || (serve->spools && !spools_are_quiet(serve->spools))) {
        loop_timer_set(serve->quiet, LOOK_AGAIN_MS);
        return;
    }
    log_info("drained left_in_spool=%" PRIu64,
             serve->spools ? spools_undrained(serve->spools) : UINT64_C(0));
    loop_stop(serve->loop);
}

static void on_drain_deadline(void *arg) {
    struct serve *serve = arg;
    log_warning("drain gave up connections=%zu deliveries=%zu",
                http_server_connections(ingress_server(serve->ingress)),
                ingress_deliveries_in_flight(serve->ingress));
    loop_stop(serve->loop);
}

static void on_stop_signal(void *arg) {
    struct serve *serve = arg;
    if (serve->draining) {
        log_warning("told twice to stop, not waiting deliveries=%zu",
                    ingress_deliveries_in_flight(serve->ingress));
        serve->exit_code = SERVE_FAILED;
        loop_stop(serve->loop);
        return;
    }
    serve->draining = true;
    supervisor_stopping(serve->supervisor, "finishing what is under way");
    admin_yield(serve->admin);
    log_info("draining connections=%zu deliveries=%zu",
             http_server_connections(ingress_server(serve->ingress)),
             ingress_deliveries_in_flight(serve->ingress));
    loop_timer_set(serve->drain_deadline, DRAIN_MOST_MS);
    ingress_drain(serve->ingress, on_drained, serve);
}

/* ---- Starting ---- */

static void on_redis_refused(void *arg, const char *why) {
    struct serve *serve = arg;
    log_error("cannot go on reason=%s", why);
    serve->exit_code = SERVE_FAILED;
    loop_stop(serve->loop);
}

static bool start_ledger(struct serve *serve, struct string *why) {
    serve->presence = presence_create(&(struct presence_needs){.loop = serve->loop,
                                                               .metrics = serve->metrics,
                                                               .meanwhile = meanwhile,
                                                               .on_news = on_news,
                                                               .arg = serve});
    serve->ledger = presence_open(serve->presence, serve->config, "kula-relay-serve", why);
    if (!serve->ledger) {
        serve->exit_code = SERVE_CONFIG_INVALID;
        return false;
    }
    serve->persistence = persistence_create(
        &(struct persistence_needs){.loop = serve->loop,
                                    .ledger = serve->ledger,
                                    .metrics = serve->metrics,
                                    .alone = serve->config->durability == CONFIG_DURABILITY_LEDGER,
                                    .on_refused = on_redis_refused,
                                    .arg = serve});
    return true;
}

static bool start_spools(struct serve *serve, struct string *why) {
    /* Also with durability: ledger, for what an earlier start spooled is owed all the same. */
    if (!serve->config->spool_directory)
        return true;
    serve->spools = spools_create(&(struct spools_needs){.loop = serve->loop,
                                                         .config = serve->config,
                                                         .ledger = serve->ledger,
                                                         .metrics = serve->metrics},
                                  why);
    if (serve->spools)
        return true;
    serve->exit_code = SERVE_FAILED;
    return false;
}

static bool open_listeners(struct serve *serve, struct string *why) {
    const struct listeners_needs needs = {.config = serve->config,
                                          .certificates = serve->first->certificates,
                                          .server = ingress_server(serve->ingress),
                                          .admin = admin_address(serve->admin)};
    bool open = listeners_open(&needs, why);
    if (!open)
        serve->exit_code = SERVE_FAILED;
    return open;
}

static void start_ingress(struct serve *serve) {
    serve->store = store_create(&(struct store_needs){.loop = serve->loop,
                                                      .ledger = serve->ledger,
                                                      .spools = serve->spools},
                                serve->config);
    serve->pulse = pulse_start(&(struct pulse_needs){.loop = serve->loop,
                                                     .ledger = serve->ledger,
                                                     .metrics = serve->metrics,
                                                     .config = serve->config});
    serve->ingress = ingress_create(&(struct ingress_needs){
        .loop = serve->loop,
        .pulse = serve->pulse,
        .config = serve->config,
        .metrics = serve->metrics,
        .store = serve->store,
        .endpoints = serve->first->endpoints,
    });
}

static bool start_admin(struct serve *serve, struct string *why) {
    struct string sentence = {0};
    if (!serve->config->serve_admin)
        return true;
    serve->admin = admin_start(serve->loop,
                               &(struct admin_options){
                                   .address = serve->config->serve_admin,
                                   .beside = true,
                                   .metrics = serve->metrics,
                                   .on_scrape = on_scrape,
                                   .on_ready = on_ready,
                                   .on_health = on_health,
                                   .arg = serve,
                               },
                               &sentence);
    if (!serve->admin) {
        config_tell(serve->config, "serve.admin", why, "%s", sentence.data);
        serve->exit_code = SERVE_FAILED;
    }
    string_finish(&sentence);
    return serve->admin;
}

static void take_signals(struct serve *serve) {
    loop_on_signal(serve->loop, SIGTERM, on_stop_signal, serve);
    loop_on_signal(serve->loop, SIGINT, on_stop_signal, serve);
}

static bool start(struct serve *serve, struct string *why) {
    if (serve->config->spool_directory) /* the sandbox hides where it stands */
        spool_make_directory(serve->config->spool_directory);
    /* Before the spool has a thread. */
    confine(serve->config, CONFIG_FOR_SERVE, serve->metrics);
    if (!start_ledger(serve, why) || !start_spools(serve, why))
        return false;
    start_ingress(serve);
    serve->releases = releases_create(&(struct releases_needs){.loop = serve->loop,
                                                               .ledger = serve->ledger,
                                                               .metrics = serve->metrics},
                                      serve->config);
    serve->reload = reload_start(&(struct reload_needs){.loop = serve->loop,
                                                        .metrics = serve->metrics,
                                                        .supervisor = serve->supervisor,
                                                        .ingress = serve->ingress,
                                                        .store = serve->store,
                                                        .pulse = serve->pulse,
                                                        .releases = serve->releases,
                                                        .first = serve->first});
    take_signals(serve);
    /* The door last: beside another serve, what comes in now would be lost to a start that fails.
     */
    if (!start_admin(serve, why) || !open_listeners(serve, why))
        return false;
    supervisor_ready(serve->supervisor, status(serve));
    return true;
}

static void init(struct serve *serve, struct edition *first) {
    /* Until somebody listens to it: its default would end us. */
    signal(SIGHUP, SIG_IGN);
    admission_raise_limit();
    *serve = (struct serve){.config = first->config,
                            .first = first,
                            .loop = loop_create(),
                            .metrics = metrics_create()};
    serve->supervisor = supervisor_create(serve->loop);
    serve->drain_deadline = loop_timer_create(serve->loop, on_drain_deadline, serve);
    serve->quiet = loop_timer_create(serve->loop, on_drained, serve);
}

static void finish(struct serve *serve) {
    admin_stop(serve->admin);
    ingress_destroy(serve->ingress);
    ledger_destroy(serve->ledger);
    presence_destroy(serve->presence);
    persistence_destroy(serve->persistence);
    spools_destroy(serve->spools);
    store_destroy(serve->store);
    releases_destroy(serve->releases);
    reload_stop(serve->reload);
    pulse_stop(serve->pulse);
    loop_timer_destroy(serve->drain_deadline);
    loop_timer_destroy(serve->quiet);
    supervisor_destroy(serve->supervisor);
    metrics_destroy(serve->metrics);
    loop_destroy(serve->loop);
}

int serve_run(struct edition *first) {
    struct serve serve;
    struct string why = {0};
    init(&serve, first);
    if (start(&serve, &why)) {
        loop_run(serve.loop);
    } else {
        struct text rest = string_text(&why), line = text_cut(&rest, '\n');
        log_error("cannot start reason=%.*s", TEXT_ARG(line));
    }
    string_finish(&why);
    finish(&serve);
    return serve.exit_code;
}
