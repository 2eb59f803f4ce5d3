#include "ledger/presence.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/memory.h"

enum { FIRST_CONNECT_MS = 1000 };

struct presence {
    struct presence_needs needs;
    struct ledger *ledger;
    struct loop_timer *first_connect;
    int64_t away_since_ms; /* steady; 0: it is there, or nobody has been told */
};

static const struct metric_family connected_family = {
    "kula_relay_redis_connected",
    METRIC_GAUGE,
    "1 while the ledger's Redis can be reached, else 0.",
    {NULL}};
static const struct metric_family connects_family = {"kula_relay_redis_connects_total",
                                                     METRIC_COUNTER,
                                                     "Connections made to the ledger's Redis.",
                                                     {NULL}};

static void count(const struct presence *presence, bool connected) {
    if (!presence->needs.metrics)
        return;
    metric_set(metrics_series(presence->needs.metrics, &connected_family, NULL, NULL), connected);
    metric_add(metrics_series(presence->needs.metrics, &connects_family, NULL, NULL), connected);
}

static void tell_away(struct presence *presence) {
    struct text reason = ledger_trouble(presence->ledger);
    presence->away_since_ms = clock_steady_ms();
    log_warning("redis is away reason=%.*s meanwhile=%s", TEXT_ARG(reason),
                presence->needs.meanwhile(presence->needs.arg));
    presence->needs.on_news(presence->needs.arg, PRESENCE_AWAY);
}

static void tell_connected(struct presence *presence) {
    int64_t since_ms = presence->away_since_ms;
    presence->away_since_ms = 0;
    if (since_ms)
        log_info("redis is back away_ms=%" PRId64, clock_steady_ms() - since_ms);
    else
        log_info("redis connected");
    presence->needs.on_news(presence->needs.arg, since_ms ? PRESENCE_BACK : PRESENCE_CONNECTED);
}

static void on_state(void *arg, bool connected) {
    struct presence *presence = arg;
    count(presence, connected);
    if (connected)
        tell_connected(presence);
    else
        tell_away(presence);
}

static void on_first_connect_overdue(void *arg) {
    struct presence *presence = arg;
    if (!ledger_connected(presence->ledger) && !presence->away_since_ms)
        tell_away(presence);
}

struct presence *presence_create(const struct presence_needs *needs) {
    struct presence *presence = memory_new(sizeof *presence);
    presence->needs = *needs;
    presence->first_connect = loop_timer_create(needs->loop, on_first_connect_overdue, presence);
    count(presence, false);
    return presence;
}

struct ledger *presence_open(struct presence *presence, const struct config *config,
                             const char *name, struct string *problems) {
    struct string why = {0};
    presence->ledger = ledger_create(presence->needs.loop, config, name, on_state, presence, &why);
    if (presence->ledger)
        loop_timer_set(presence->first_connect, FIRST_CONNECT_MS);
    else
        config_tell(config, "redis.url", problems, "%s", why.data);
    string_finish(&why);
    return presence->ledger;
}

void presence_destroy(struct presence *presence) {
    if (!presence)
        return;
    loop_timer_destroy(presence->first_connect);
    free(presence);
}

bool presence_is_away(const struct presence *presence) {
    return presence->away_since_ms;
}
