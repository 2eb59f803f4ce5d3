#include "forward/forward.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/memory.h"
#include "forward/courier.h"
#include "forward/janitor.h"
#include "ledger/bell.h"
#include "ledger/moves.h"
#include "net/admin.h"

enum {
    OPEN_DEADLINE_MS = 30000,
    OPEN_AGAIN_MS = 1000,
    DRAIN_SPARE_MS = 5000, /* beyond the longest time-out: to settle the last attempts */
    EXIT_USAGE = 2,
    EXIT_CONFIG = 78,
};

struct forwarder {
    struct loop *loop;
    struct config *config;
    struct ledger *ledger;
    struct http_client *client;
    struct metrics *metrics;
    struct admin *admin;
    struct bell *bell;
    struct janitor *janitor;
    struct courier_house house;
    struct courier **couriers;
    struct loop_timer *open_again, *deadline;
    bool opening, opened, stopping;
    int64_t away_since_ms; /* steady; 0 while connected */
    struct metric *connected, *connects;
};

static const struct metric_family connected_family = {
    "kula_relay_redis_connected", METRIC_GAUGE, "Whether the connection to Redis stands.", {NULL}};
static const struct metric_family connects_family = {
    "kula_relay_redis_connects_total", METRIC_COUNTER, "Connections made to Redis.", {NULL}};

static size_t courier_count(const struct forwarder *forwarder) {
    return forwarder->config->service_count;
}

/* Open, heal, take */

static void open_services(struct forwarder *);

static void on_opened(void *arg, enum ledger_outcome outcome) {
    struct forwarder *forwarder = arg;
    forwarder->opening = false;
    if (forwarder->stopping)
        return;
    if (outcome != LEDGER_DONE) {
        loop_timer_set(forwarder->open_again, OPEN_AGAIN_MS);
        return;
    }
    if (!forwarder->opened)
        log_info("forwarding services=%zu", courier_count(forwarder));
    forwarder->opened = true;
    for (size_t i = 0; i < courier_count(forwarder); i++)
        courier_open(forwarder->couriers[i]);
    janitor_start(forwarder->janitor);
}

static void open_services(struct forwarder *forwarder) {
    if (forwarder->opening || forwarder->stopping)
        return;
    forwarder->opening = true;
    moves_open(forwarder->ledger, forwarder->config->services, courier_count(forwarder),
               OPEN_DEADLINE_MS, on_opened, forwarder);
}

static void on_open_again(void *arg) {
    open_services(arg);
}

static void on_lost(void *arg) {
    struct forwarder *forwarder = arg;
    /* After a pause: what made the ledger forget us may be going on. */
    if (!forwarder->opening && !forwarder->stopping)
        loop_timer_set(forwarder->open_again, OPEN_AGAIN_MS);
}

static void on_ring(void *);

/* The address may lead to another server now, and the old one live on as somebody's replica: there
 * nothing would ring, or late. */
static void renew_bell(struct forwarder *forwarder) {
    struct string why = {0};
    struct bell *bell = bell_create(forwarder->loop, forwarder->config, on_ring, forwarder, &why);
    if (bell) {
        bell_destroy(forwarder->bell);
        forwarder->bell = bell;
    } else {
        log_warning("the bell keeps its connection reason=%s", why.data);
    }
    string_finish(&why);
}

static void on_state(void *arg, bool connected) {
    struct forwarder *forwarder = arg;
    metric_set(forwarder->connected, connected);
    if (!connected) {
        struct text trouble = ledger_trouble(forwarder->ledger);
        forwarder->away_since_ms = clock_steady_ms();
        log_warning("redis lost reason=%.*s", TEXT_ARG(trouble));
        return;
    }
    metric_add(forwarder->connects, 1);
    if (forwarder->away_since_ms) {
        log_info("redis is back away_ms=%" PRId64, clock_steady_ms() - forwarder->away_since_ms);
        renew_bell(forwarder);
    }
    forwarder->away_since_ms = 0;
    /* Whatever Redis forgot meanwhile, groups or all of it, is put right before the next take. */
    open_services(forwarder);
}

/* Rest: the bell, or the end */

static int compare_ids(struct text a, struct text b) {
    uint64_t a_ms = 0, b_ms = 0, a_seq = 0, b_seq = 0;
    text_to_uint(text_cut(&a, '-'), UINT64_MAX, &a_ms);
    text_to_uint(text_cut(&b, '-'), UINT64_MAX, &b_ms);
    text_to_uint(a, UINT64_MAX, &a_seq);
    text_to_uint(b, UINT64_MAX, &b_seq);
    if (a_ms != b_ms)
        return a_ms < b_ms ? -1 : 1;
    return a_seq < b_seq ? -1 : a_seq > b_seq;
}

static void arm_bell(struct forwarder *forwarder) {
    struct text after = {0};
    for (size_t i = 0; i < courier_count(forwarder); i++) {
        struct text place = courier_waits_at(forwarder->couriers[i]);
        if (place.size && (!after.size || compare_ids(place, after) < 0))
            after = place;
    }
    if (after.size)
        bell_arm(forwarder->bell, after);
}

static void leave_when_done(struct forwarder *forwarder) {
    for (size_t i = 0; i < courier_count(forwarder); i++)
        if (!courier_done(forwarder->couriers[i]))
            return;
    log_info("stopped");
    loop_stop(forwarder->loop);
}

static void on_rest(void *arg) {
    struct forwarder *forwarder = arg;
    if (forwarder->stopping)
        leave_when_done(forwarder);
    else
        arm_bell(forwarder);
}

static void on_ring(void *arg) {
    struct forwarder *forwarder = arg;
    for (size_t i = 0; i < courier_count(forwarder); i++)
        courier_wake(forwarder->couriers[i]);
}

/* Stop */

static void on_drain_deadline(void *arg) {
    struct forwarder *forwarder = arg;
    log_warning("stopped with attempts in flight: their leases run out and they are made again");
    loop_stop(forwarder->loop);
}

static int64_t longest_timeout_ms(const struct config *config) {
    int64_t longest = 0;
    for (size_t i = 0; i < config->service_count; i++)
        if (config->services[i].timeout_ms > longest)
            longest = config->services[i].timeout_ms;
    return longest;
}

static void on_terminate(void *arg) {
    struct forwarder *forwarder = arg;
    if (forwarder->stopping) {
        loop_stop(forwarder->loop);
        return;
    }
    log_info("stopping: attempts in flight are finished");
    forwarder->stopping = true;
    loop_timer_set(forwarder->deadline, longest_timeout_ms(forwarder->config) + DRAIN_SPARE_MS);
    for (size_t i = 0; i < courier_count(forwarder); i++)
        courier_stop(forwarder->couriers[i]);
    leave_when_done(forwarder);
}

static void on_hangup(void *arg) {
    (void)arg;
    log_warning("SIGHUP is not acted upon: restart to read the configuration again");
}

/* Admin */

static bool on_health(void *arg, struct string *json) {
    const struct forwarder *forwarder = arg;
    string_addf(json, "{\"status\":\"%s\"}", forwarder->stopping ? "draining" : "ok");
    return !forwarder->stopping;
}

static bool on_ready(void *arg, struct string *json) {
    const struct forwarder *forwarder = arg;
    if (forwarder->stopping)
        return on_health(arg, json);
    bool ready = forwarder->opened && ledger_connected(forwarder->ledger);
    string_add_of(json, ready ? "{\"status\":\"ready\"}"
                              : "{\"status\":\"unavailable\",\"redis\":\"away\"}");
    return ready;
}

/* The whole */

static bool start_admin(struct forwarder *forwarder, struct string *why) {
    if (!forwarder->config->forward_admin)
        return true;
    struct admin_options options = {
        .address = forwarder->config->forward_admin,
        .metrics = forwarder->metrics,
        .on_ready = on_ready,
        .on_health = on_health,
        .arg = forwarder,
    };
    forwarder->admin = admin_start(forwarder->loop, &options, why);
    return forwarder->admin != NULL;
}

static bool start(struct forwarder *forwarder, struct string *why) {
    struct loop *loop = forwarder->loop = loop_create();
    forwarder->metrics = metrics_create();
    forwarder->connected = metrics_series(forwarder->metrics, &connected_family, NULL, NULL);
    forwarder->connects = metrics_series(forwarder->metrics, &connects_family, NULL, NULL);
    forwarder->open_again = loop_timer_create(loop, on_open_again, forwarder);
    forwarder->deadline = loop_timer_create(loop, on_drain_deadline, forwarder);
    forwarder->client = http_client_create(loop);
    forwarder->ledger =
        ledger_create(loop, forwarder->config, "kula-relay-forward", on_state, forwarder, why);
    if (!forwarder->ledger)
        return false;
    forwarder->bell = bell_create(loop, forwarder->config, on_ring, forwarder, why);
    if (!forwarder->bell || !start_admin(forwarder, why))
        return false;
    forwarder->janitor =
        janitor_create(loop, forwarder->ledger, forwarder->metrics, forwarder->config);
    forwarder->house =
        (struct courier_house){.loop = loop,
                               .ledger = forwarder->ledger,
                               .client = forwarder->client,
                               .metrics = forwarder->metrics,
                               .owed_most_ms = forwarder->config->retention.events_ms,
                               .on_rest = on_rest,
                               .on_lost = on_lost,
                               .arg = forwarder};
    forwarder->couriers = memory_new(courier_count(forwarder) * sizeof(struct courier *));
    for (size_t i = 0; i < courier_count(forwarder); i++)
        forwarder->couriers[i] = courier_create(&forwarder->house, &forwarder->config->services[i]);
    loop_on_signal(loop, SIGTERM, on_terminate, forwarder);
    loop_on_signal(loop, SIGINT, on_terminate, forwarder);
    loop_on_signal(loop, SIGHUP, on_hangup, forwarder);
    open_services(forwarder);
    return true;
}

static void finish(struct forwarder *forwarder) {
    http_client_destroy(forwarder->client);
    bell_destroy(forwarder->bell);
    ledger_destroy(forwarder->ledger);
    janitor_destroy(forwarder->janitor);
    for (size_t i = 0; forwarder->couriers && i < courier_count(forwarder); i++)
        courier_destroy(forwarder->couriers[i]);
    free(forwarder->couriers);
    admin_stop(forwarder->admin);
    loop_timer_destroy(forwarder->open_again);
    loop_timer_destroy(forwarder->deadline);
    loop_destroy(forwarder->loop);
    metrics_destroy(forwarder->metrics);
    config_destroy(forwarder->config);
}

static int run(const char *config_file) {
    struct forwarder forwarder = {0};
    struct string problems = {0};
    forwarder.config = config_load(config_file, CONFIG_FOR_FORWARD, &problems);
    if (!forwarder.config) {
        fputs(problems.data, stderr);
        string_finish(&problems);
        return EXIT_CONFIG;
    }
    log_start("forward", forwarder.config->log_level, forwarder.config->log_format);
    bool started = start(&forwarder, &problems);
    if (started)
        loop_run(forwarder.loop);
    else
        log_error("cannot start reason=%s", problems.data);
    finish(&forwarder);
    string_finish(&problems);
    return started ? EXIT_SUCCESS : EXIT_FAILURE;
}

static const char help[] =
    "usage: kula-relay forward [--config FILE]\n"
    "\n"
    "Delivers the events that stand in Redis to the configured services: one\n"
    "courier a service, each with retries of its own. As many of these processes\n"
    "as one likes may run on one ledger; what one of them held when it was killed\n"
    "is taken over when its lease ends (the service's timeout and 5 s).\n"
    "\n"
    "  --config FILE   the configuration; else $KULA_RELAY_CONFIG, else\n"
    "                  ./kula-relay.yaml, else /etc/kula-relay/kula-relay.yaml\n"
    "  --help          this text\n"
    "\n"
    "SIGTERM and SIGINT finish the attempts in flight, then stop; a second one\n"
    "stops at once. /healthz, /readyz and /metrics are served on forward.admin.\n"
    "Exit codes: 0 stopped, 1 could not start, 2 usage, 78 configuration invalid.\n";

int forward_main(int argc, char **argv) {
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    const char *config_file = NULL;
    int option;
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            return EXIT_SUCCESS;
        }
        if (option != 'c')
            return EXIT_USAGE;
        config_file = optarg;
    }
    if (optind < argc) {
        fprintf(stderr, "kula-relay forward: unexpected argument \"%s\"; see --help\n",
                argv[optind]);
        return EXIT_USAGE;
    }
    return run(config_file);
}
