#include "forward/forward.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/config.h"
#include "base/log.h"
#include "base/log_sink.h"
#include "base/options.h"
#include "forward/edition.h"
#include "forward/janitor.h"
#include "forward/services.h"
#include "ledger/bell.h"
#include "ledger/presence.h"
#include "net/admin.h"
#include "net/confine.h"
#include "net/editions.h"
#include "net/supervisor.h"

enum {
    DRAIN_SPARE_MS = 5000, /* beyond the longest time-out: to settle the last attempts */
};

struct forwarder {
    struct edition *first;
    const struct config *config; /* of the first edition: connections hold to it to the end */
    struct loop *loop;
    struct supervisor *supervisor;
    struct presence *presence;
    struct ledger *ledger;
    struct http_client *client;
    struct metrics *metrics;
    struct admin *admin;
    struct bell *bell;
    struct janitor *janitor;
    struct services *services;
    struct editions *editions;
    struct loop_timer *deadline;
    int64_t longest_timeout_ms; /* of all editions so far */
    bool opened, stopping;
    int exit_code;
};

static void on_open(void *arg) {
    struct forwarder *forwarder = arg;
    if (!forwarder->opened)
        log_info("forwarding services=%zu", services_count(forwarder->services));
    forwarder->opened = true;
    janitor_start(forwarder->janitor);
    if (!forwarder->stopping)
        supervisor_status(forwarder->supervisor, "delivering");
}

/* Redis comes and goes */

static const char away[] = "Redis is away; what it has is delivered when it is back";

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

static const char *meanwhile(void *arg) {
    (void)arg;
    return "what Redis has is delivered when it is back";
}

static void on_news(void *arg, enum presence_news news) {
    struct forwarder *forwarder = arg;
    if (news == PRESENCE_AWAY) {
        if (!forwarder->stopping)
            supervisor_status(forwarder->supervisor, away);
        return;
    }
    if (news == PRESENCE_BACK)
        renew_bell(forwarder);
    /* Whatever Redis forgot meanwhile, groups or all of it, is put right before the next take. */
    services_open(forwarder->services);
}

/* Rest: the bell, or the end */

static void leave_when_done(struct forwarder *forwarder) {
    if (!services_done(forwarder->services))
        return;
    log_info("stopped");
    loop_stop(forwarder->loop);
}

static void on_rest(void *arg) {
    struct forwarder *forwarder = arg;
    struct text after = services_wait_at(forwarder->services);
    if (forwarder->stopping)
        leave_when_done(forwarder);
    else if (after.size)
        bell_arm(forwarder->bell, after);
}

static void on_ring(void *arg) {
    struct forwarder *forwarder = arg;
    services_wake(forwarder->services);
}

/* Stop */

static void on_drain_deadline(void *arg) {
    struct forwarder *forwarder = arg;
    log_warning("stopped with attempts in flight: their leases run out and they are made again");
    loop_stop(forwarder->loop);
}

static void on_terminate(void *arg) {
    struct forwarder *forwarder = arg;
    if (forwarder->stopping) {
        loop_stop(forwarder->loop);
        return;
    }
    log_info("stopping: attempts in flight are finished");
    forwarder->stopping = true;
    supervisor_stopping(forwarder->supervisor, "finishing what is under way");
    loop_timer_set(forwarder->deadline, forwarder->longest_timeout_ms + DRAIN_SPARE_MS);
    services_stop(forwarder->services);
    leave_when_done(forwarder);
}

/* Editions of the configuration */

static void note_timeouts(struct forwarder *forwarder, const struct config *config) {
    for (size_t i = 0; i < config->service_count; i++)
        if (config->services[i].timeout_ms > forwarder->longest_timeout_ms)
            forwarder->longest_timeout_ms = config->services[i].timeout_ms;
}

static void on_taken(void *arg, struct edition *was, struct edition *is) {
    struct forwarder *forwarder = arg;
    (void)was;
    note_timeouts(forwarder, is->config);
    services_change(forwarder->services, is->config);
    janitor_change(forwarder->janitor, is->config);
}

static bool is_held(void *arg, const struct edition *edition) {
    const struct forwarder *forwarder = arg;
    return services_hold(forwarder->services, edition->config);
}

static const struct editions_ways ways = {
    .load = edition_load,
    .again = edition_again,
    .destroy = edition_destroy,
    .config = edition_config,
    .compare = edition_compare,
    .add_files = edition_add_files,
    .on_taken = on_taken,
    .is_held = is_held,
};

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
    struct string sentence = {0};
    forwarder->admin = admin_start(forwarder->loop, &options, &sentence);
    if (!forwarder->admin)
        config_tell(forwarder->config, "forward.admin", why, "%s", sentence.data);
    string_finish(&sentence);
    return forwarder->admin;
}

static void start_services(struct forwarder *forwarder) {
    note_timeouts(forwarder, forwarder->config);
    forwarder->services = services_create(&(struct services_needs){.loop = forwarder->loop,
                                                                   .ledger = forwarder->ledger,
                                                                   .client = forwarder->client,
                                                                   .metrics = forwarder->metrics,
                                                                   .on_open = on_open,
                                                                   .on_rest = on_rest,
                                                                   .arg = forwarder},
                                          forwarder->config);
    forwarder->editions =
        editions_start(&(struct editions_needs){.loop = forwarder->loop,
                                                .metrics = forwarder->metrics,
                                                .supervisor = forwarder->supervisor,
                                                .first = forwarder->first,
                                                .ways = &ways,
                                                .arg = forwarder});
    services_open(forwarder->services);
}

static bool start(struct forwarder *forwarder, struct string *why) {
    /* Until somebody listens to it: its default would end us. */
    signal(SIGHUP, SIG_IGN);
    struct loop *loop = forwarder->loop = loop_create();
    forwarder->supervisor = supervisor_create(loop);
    forwarder->metrics = metrics_create();
    forwarder->deadline = loop_timer_create(loop, on_drain_deadline, forwarder);
    forwarder->client = http_client_create(loop);
    /* After libcurl and OpenSSL have read what they want to know for good. */
    confine(forwarder->config, CONFIG_FOR_FORWARD, forwarder->metrics);
    forwarder->presence = presence_create(&(struct presence_needs){.loop = loop,
                                                                   .metrics = forwarder->metrics,
                                                                   .meanwhile = meanwhile,
                                                                   .on_news = on_news,
                                                                   .arg = forwarder});
    forwarder->ledger =
        presence_open(forwarder->presence, forwarder->config, "kula-relay-forward", why);
    if (!forwarder->ledger) {
        forwarder->exit_code = CLI_BAD_CONFIG;
        return false;
    }
    forwarder->bell = bell_create(loop, forwarder->config, on_ring, forwarder, why);
    if (!forwarder->bell || !start_admin(forwarder, why))
        return false;
    forwarder->janitor =
        janitor_create(loop, forwarder->ledger, forwarder->metrics, forwarder->config);
    start_services(forwarder);
    loop_on_signal(loop, SIGTERM, on_terminate, forwarder);
    loop_on_signal(loop, SIGINT, on_terminate, forwarder);
    supervisor_ready(forwarder->supervisor, "waiting for Redis");
    return true;
}

static void finish(struct forwarder *forwarder) {
    http_client_destroy(forwarder->client);
    bell_destroy(forwarder->bell);
    ledger_destroy(forwarder->ledger);
    presence_destroy(forwarder->presence);
    janitor_destroy(forwarder->janitor);
    services_destroy(forwarder->services);
    editions_stop(forwarder->editions);
    admin_stop(forwarder->admin);
    loop_timer_destroy(forwarder->deadline);
    supervisor_destroy(forwarder->supervisor);
    metrics_destroy(forwarder->metrics);
    loop_destroy(forwarder->loop);
    edition_destroy(forwarder->first);
}

static int run(const char *config_file) {
    struct forwarder forwarder = {.exit_code = CLI_FAILED};
    struct string problems = {0};
    forwarder.first = edition_load(config_file, &problems);
    if (!forwarder.first) {
        fputs(problems.data, stderr);
        string_finish(&problems);
        return CLI_BAD_CONFIG;
    }
    forwarder.config = forwarder.first->config;
    log_start("forward", forwarder.config->log_level, forwarder.config->log_format);
    log_sink_never_wait();
    if (start(&forwarder, &problems)) {
        loop_run(forwarder.loop);
        forwarder.exit_code = CLI_DONE;
    } else {
        struct text rest = string_text(&problems), line = text_cut(&rest, '\n');
        log_error("cannot start reason=%.*s", TEXT_ARG(line));
    }
    finish(&forwarder);
    string_finish(&problems);
    return forwarder.exit_code;
}

static const char about[] =
    "Delivers the events that stand in Redis to the configured services: one\n"
    "courier a service, each with retries of its own. As many of these processes\n"
    "as one likes may run on one ledger; what one of them held when it was killed\n"
    "is taken over when its lease ends (the service's timeout and 5 s).";

static const char notes[] =
    "SIGTERM and SIGINT finish the attempts in flight, then stop; a second one\n"
    "stops at once. SIGHUP reads the configuration again and takes it whole or not\n"
    "at all: services, forward.retention and log.level; the log names what needs a\n"
    "restart. Header files, signing secrets and certificates are also taken within\n"
    "seconds when they change. Attempts in flight are finished as they began.\n"
    "\n"
    "/healthz, /readyz and /metrics are served on forward.admin.\n"
    "Exit codes: 0 stopped, 1 could not start, 2 usage, 78 configuration invalid.\n";

int forward_main(int argc, char **argv) {
    const struct cli_manual manual = {.about = about, .takes = CLI_TAKES_CONFIG, .notes = notes};
    struct options options = {0};
    if (!options_parse(&options, &manual, argc, argv))
        return options.exit;
    if (options.operand_count) {
        options_wrong(&options, "what is \"%s\"? It takes no operands", options.operands[0]);
        return options.exit;
    }
    return run(options.config_file);
}
