#include "watch/watch.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/log_sink.h"
#include "base/memory.h"
#include "base/options.h"
#include "ledger/presence.h"
#include "net/address.h"
#include "net/certificates.h"
#include "net/editions.h"
#include "net/supervisor.h"
#include "watch/guard.h"

enum { API_TIMEOUT_MS = 10000 };

struct watch_options {
    const char *config_file, *serve;
    int64_t every_s;
};

struct watch {
    struct watch_options options;
    struct loop *loop;
    struct supervisor *supervisor;
    struct config *config;
    struct presence *presence;
    struct string ready_url;
    struct guard_house house;
    struct guard **guards;
};

/* Guards of a configuration -------------------------------------------------- */

static void look(void *arg, struct config *config) {
    const struct watch *watch = arg;
    if (!config->kula.webhook_count)
        config_mistake(config, "kula.webhooks", "is missing: name what should be watched");
    if (!watch->options.serve && !config->serve_admin)
        config_mistake(config, "serve.admin",
                       "is missing: without it nobody knows whether serve can take deliveries "
                       "(--serve may name it too)");
    else if (!watch->options.serve && address_is_anywhere(text_of(config->serve_admin)))
        config_mistake(config, "serve.admin",
                       "has port 0, which is another one at each start of serve: name the port, "
                       "since watch asks there whether serve can take deliveries (--serve may name "
                       "it too)");
    certificates_check_redis(config);
}

/* What an edition of the configuration comes to before anything of it is done. */
struct edition {
    struct config *config;
    struct presence *presence;
    struct ledger *ledger;
};

static const char *meanwhile(void *arg) {
    (void)arg;
    return "webhooks are enabled all the same, but what Kula gave up on is not looked for";
}

static void on_news(void *arg, enum presence_news news) {
    const struct watch *watch = arg;
    supervisor_status(watch->supervisor,
                      news == PRESENCE_AWAY ? "watching; Redis is away" : "watching");
}

static void drop(struct edition *edition) {
    ledger_destroy(edition->ledger);
    presence_destroy(edition->presence);
    config_destroy(edition->config);
}

static bool connect_ledger(struct watch *watch, struct edition *edition, struct string *problems) {
    const struct presence_needs needs = {
        .loop = watch->loop, .meanwhile = meanwhile, .on_news = on_news, .arg = watch};
    edition->presence = presence_create(&needs);
    edition->ledger =
        presence_open(edition->presence, edition->config, "kula-relay-watch", problems);
    return edition->ledger;
}

/* False: what is wrong with it is told, and nothing is left of it. */
static bool prepare(struct watch *watch, struct edition *edition, struct string *problems) {
    *edition =
        (struct edition){.config = config_load_with(watch->options.config_file, CONFIG_FOR_WATCH,
                                                    look, watch, problems)};
    if (edition->config && connect_ledger(watch, edition, problems))
        return true;
    drop(edition);
    return false;
}

static void begin(struct watch *watch, const struct edition *edition) {
    struct config *config = edition->config;
    const struct kula_api_settings settings = {
        .url = config->kula.api, .token = &config->kula.token, .timeout_ms = API_TIMEOUT_MS};
    watch->config = config;
    watch->presence = edition->presence;
    string_clear(&watch->ready_url);
    string_addf(&watch->ready_url, "http://%s/readyz",
                watch->options.serve ? watch->options.serve : config->serve_admin);
    watch->house = (struct guard_house){.loop = watch->loop,
                                        .api = kula_api_create(watch->loop, &settings),
                                        .client = http_client_create(watch->loop),
                                        .ledger = edition->ledger,
                                        .ready_url = watch->ready_url.data,
                                        .every_ms = watch->options.every_s * 1000,
                                        .dedup_window_ms = config->dedup_window_ms,
                                        .guards = config->kula.webhook_count};
    share_init(&watch->house.share);
    watch->guards = memory_new(config->kula.webhook_count * sizeof(*watch->guards));
    for (size_t i = 0; i < config->kula.webhook_count; i++)
        watch->guards[i] = guard_create(&watch->house, &config->kula.webhooks[i]);
    log_info("watching webhooks=%zu api=%s serve=%s", config->kula.webhook_count, config->kula.api,
             watch->ready_url.data);
}

static void end(struct watch *watch) {
    kula_api_destroy(watch->house.api);
    http_client_destroy(watch->house.client);
    ledger_destroy(watch->house.ledger);
    presence_destroy(watch->presence);
    for (size_t i = 0; i < watch->config->kula.webhook_count; i++)
        guard_destroy(watch->guards[i]);
    free(watch->guards);
    config_destroy(watch->config);
}

/* Signals -------------------------------------------------------------------- */

static void on_terminate(void *arg) {
    struct watch *watch = arg;
    supervisor_stopping(watch->supervisor, NULL);
    loop_stop(watch->loop);
}

/* Whole or not at all. The new guards hear from Redis what the old ones did. */
static void on_hangup(void *arg) {
    struct watch *watch = arg;
    struct string problems = {0};
    struct edition edition;
    supervisor_reloading(watch->supervisor);
    if (prepare(watch, &edition, &problems)) {
        end(watch);
        log_set_level(edition.config->log_level);
        log_info("reload taken cause=SIGHUP");
        begin(watch, &edition);
    } else {
        editions_tell_refusal("SIGHUP", string_text(&problems));
    }
    supervisor_ready(watch->supervisor, NULL);
    string_finish(&problems);
}

/* Start and command line ------------------------------------------------------ */

static void take_signals(struct watch *watch) {
    loop_on_signal(watch->loop, SIGTERM, on_terminate, watch);
    loop_on_signal(watch->loop, SIGINT, on_terminate, watch);
    loop_on_signal(watch->loop, SIGHUP, on_hangup, watch);
}

static int run(const struct watch_options *options) {
    struct watch watch = {.options = *options};
    struct string problems = {0};
    struct edition first;
    /* Until somebody listens to it: its default would end us. */
    signal(SIGHUP, SIG_IGN);
    watch.loop = loop_create();
    if (!prepare(&watch, &first, &problems)) {
        fputs(problems.data, stderr);
        loop_destroy(watch.loop);
        string_finish(&problems);
        return CLI_BAD_CONFIG;
    }
    log_start("watch", first.config->log_level, first.config->log_format);
    log_sink_never_wait();
    watch.supervisor = supervisor_create(watch.loop);
    begin(&watch, &first);
    take_signals(&watch);
    supervisor_ready(watch.supervisor, "watching");
    loop_run(watch.loop);
    end(&watch);
    supervisor_destroy(watch.supervisor);
    string_finish(&watch.ready_url);
    string_finish(&problems);
    loop_destroy(watch.loop);
    return EXIT_SUCCESS;
}

static const char about[] =
    "Looks after the webhooks of kula.webhooks. Kula disables one after 25 failed\n"
    "deliveries in 24 hours, and what happens from then on it never sends. When\n"
    "serve's /readyz says 200, watch has it enabled, and proved by Kula's own test: at\n"
    "once for the first time, then with waits from a minute to an hour between, and\n"
    "ten times a day at most. What it does stands in Redis: another start knows it.\n"
    "Then, at its start and once a day it tells each event that Kula gave up on by its\n"
    "own log and Redis does not have: `kula-relay webhook missed` lists them all.\n"
    "It looks less often the nearer the account is to its limit of requests, and more\n"
    "often once serve has counted 18 failures.";

static const char notes[] = "SIGHUP reads the configuration again; SIGTERM and SIGINT stop it.\n"
                            "Exit codes: 0 stopped, 2 usage, 78 configuration invalid.\n";

int watch_main(int argc, char **argv) {
    struct watch_options wanted = {.every_s = 30};
    struct options options = {0};
    const struct cli_option rows[] = {
        {"serve", 0, "ADDRESS", "serve's admin listener; else serve.admin", .text = &wanted.serve},
        {"every", 0, "SECONDS", "between two looks at Kula, 1 to 3600 (30)",
         .count = &wanted.every_s, .least = 1, .most = 3600},
        {0},
    };
    const struct cli_manual manual = {
        .about = about, .options = rows, .takes = CLI_TAKES_CONFIG, .notes = notes};
    if (!options_parse(&options, &manual, argc, argv))
        return options.exit;
    if (options.operand_count) {
        options_wrong(&options, "what is \"%s\"? It takes no operands", options.operands[0]);
        return options.exit;
    }
    wanted.config_file = options.config_file;
    return run(&wanted);
}
