#include "forward/tally.h"

#include <inttypes.h>

#include "base/log.h"

static const struct metric_family attempts_family = {"kula_relay_attempts_total",
                                                     METRIC_COUNTER,
                                                     "Attempts by what follows from them.",
                                                     {"service", "outcome"}};
static const struct metric_family untried_family = {
    "kula_relay_dead_untried_total",
    METRIC_COUNTER,
    "Events that became dead letters without another attempt: owed for too long, or handed out "
    "again and again and never settled.",
    {"service", "reason"}};
static const struct metric_family taken_family = {
    "kula_relay_taken_total", METRIC_COUNTER, "Events handed out by the ledger.", {"service"}};
static const struct metric_family filtered_family = {"kula_relay_filtered_total",
                                                     METRIC_COUNTER,
                                                     "Events that the service does not want.",
                                                     {"service"}};
static const struct metric_family dropped_family = {
    "kula_relay_dropped_total",
    METRIC_COUNTER,
    "Owed events whose entry was gone from the stream: lost to the service.",
    {"service"}};
static const struct metric_family healed_family = {
    "kula_relay_healed_total",
    METRIC_COUNTER,
    "Owed events and groups that were put back where they belong.",
    {"service"}};
static const struct metric_family settled_family = {"kula_relay_settled_total",
                                                    METRIC_COUNTER,
                                                    "Settled attempts by what the ledger said.",
                                                    {"service", "result"}};
static const struct metric_family in_flight_family = {
    "kula_relay_attempts_in_flight", METRIC_GAUGE, "Attempts sent and not settled.", {"service"}};
static const struct metric_family owed_family = {
    "kula_relay_owed", METRIC_GAUGE, "Events owed at the last look.", {"service"}};
static const struct metric_family unread_family = {
    "kula_relay_unread",
    METRIC_GAUGE,
    "Events in the stream that the service has not been given yet; -1: Redis cannot tell.",
    {"service"}};
static const struct metric_family seconds_family = {"kula_relay_attempt_seconds",
                                                    METRIC_HISTOGRAM,
                                                    "From sending to the service's answer.",
                                                    {"service"}};
static const struct metric_family breaker_family = {
    "kula_relay_breaker_open",
    METRIC_GAUGE,
    "Whether the service is left alone but for one probe at a time.",
    {"service"}};
static const struct metric_family window_family = {
    "kula_relay_window", METRIC_GAUGE, "How many attempts it may have at once now.", {"service"}};
static const struct metric_family paused_family = {
    "kula_relay_paused", METRIC_GAUGE, "Whether a person has paused it.", {"service"}};

void tally_init(struct tally *tally, struct metrics *metrics, const char *service) {
    *tally = (struct tally){
        .service = service,
        .delivered = metrics_series(metrics, &attempts_family, service, "delivered"),
        .again = metrics_series(metrics, &attempts_family, service, "again"),
        .never = metrics_series(metrics, &attempts_family, service, "never"),
        .expired = metrics_series(metrics, &untried_family, service, "expired"),
        .poisonous = metrics_series(metrics, &untried_family, service, "poisonous"),
        .taken = metrics_series(metrics, &taken_family, service, NULL),
        .filtered = metrics_series(metrics, &filtered_family, service, NULL),
        .dropped = metrics_series(metrics, &dropped_family, service, NULL),
        .healed = metrics_series(metrics, &healed_family, service, NULL),
        .settled = metrics_series(metrics, &settled_family, service, "settled"),
        .lease_lost = metrics_series(metrics, &settled_family, service, "lease_lost"),
        .unsettled = metrics_series(metrics, &settled_family, service, "unsettled"),
        .in_flight = metrics_series(metrics, &in_flight_family, service, NULL),
        .owed = metrics_series(metrics, &owed_family, service, NULL),
        .unread = metrics_series(metrics, &unread_family, service, NULL),
        .seconds = metrics_series(metrics, &seconds_family, service, NULL),
        .breaker_open = metrics_series(metrics, &breaker_family, service, NULL),
        .window = metrics_series(metrics, &window_family, service, NULL),
        .paused = metrics_series(metrics, &paused_family, service, NULL),
    };
}

void tally_verdict(struct tally *tally, const struct attempt *attempt,
                   const struct verdict *verdict, int status, int64_t took_ms) {
    const char *name = tally->service;
    struct text id = attempt->event.id, type = attempt->event.type;
    switch (verdict->move) {
    case MOVES_DONE:
        metric_add(tally->delivered, 1);
        log_info("delivered service=%s event=%.*s type=%.*s attempt=%u status=%d ms=%" PRId64, name,
                 TEXT_ARG(id), TEXT_ARG(type), attempt->failed + 1, status, took_ms);
        return;
    case MOVES_DEFER:
        metric_add(tally->again, 1);
        log_warning("attempt failed service=%s event=%.*s type=%.*s attempt=%u status=%d reason=%s "
                    "next_ms=%" PRId64,
                    name, TEXT_ARG(id), TEXT_ARG(type), attempt->failed + 1, status,
                    verdict->reason, verdict->delay_ms);
        return;
    case MOVES_BURY:
        metric_add(tally->never, 1);
        log_error("dead letter service=%s event=%.*s type=%.*s attempt=%u status=%d reason=%s",
                  name, TEXT_ARG(id), TEXT_ARG(type), attempt->failed + 1, status, verdict->reason);
        return;
    }
}

void tally_settled(struct tally *tally, const struct attempt *attempt, enum moves_settled settled) {
    switch (settled) {
    case MOVES_SETTLED:
        metric_add(tally->settled, 1);
        return;
    case MOVES_LEASE_LOST:
        metric_add(tally->lease_lost, 1);
        return;
    case MOVES_UNSETTLED:
        metric_add(tally->unsettled, 1);
        log_warning("attempt not settled, will be made again service=%s event=%.*s", tally->service,
                    TEXT_ARG(attempt->event.id));
        return;
    }
}

static void tally_pause(struct tally *tally, bool paused) {
    if (paused == (metric_value(tally->paused) != 0))
        return;
    metric_set(tally->paused, paused);
    if (paused)
        log_info("paused service=%s", tally->service);
    else
        log_info("resumed service=%s", tally->service);
}

void tally_haul(struct tally *tally, const struct moves_haul *haul) {
    metric_add(tally->taken, (int64_t)haul->count);
    metric_add(tally->filtered, haul->filtered);
    metric_add(tally->dropped, haul->dropped);
    metric_add(tally->expired, haul->expired);
    metric_add(tally->poisonous, haul->poisonous);
    metric_set(tally->owed, haul->owed);
    tally_pause(tally, haul->paused);
    if (haul->dropped)
        log_error("owed events are gone from the stream service=%s dropped=%" PRId64,
                  tally->service, haul->dropped);
    if (haul->expired || haul->poisonous)
        log_error("dead letters untried service=%s expired=%" PRId64 " poisonous=%" PRId64,
                  tally->service, haul->expired, haul->poisonous);
}

void tally_healed(struct tally *tally, const struct moves_healed *healed) {
    int64_t mended = healed->group_made + healed->put_back + healed->made_due;
    metric_add(tally->healed, mended);
    metric_add(tally->dropped, healed->dropped);
    if (healed->outcome == LEDGER_DONE) /* else nobody has said */
        metric_set(tally->unread, healed->unread);
    if (mended || healed->dropped)
        log_warning("healed service=%s group_made=%s put_back=%" PRId64 " made_due=%" PRId64
                    " dropped=%" PRId64,
                    tally->service, healed->group_made ? "yes" : "no", healed->put_back,
                    healed->made_due, healed->dropped);
}

void tally_breaker(struct tally *tally, enum moves_breaker breaker, const char *reason,
                   int64_t probe_in_ms) {
    switch (breaker) {
    case MOVES_BREAKER_OPENS:
        log_error(
            "breaker opened, the service is only probed service=%s reason=%s next_ms=%" PRId64,
            tally->service, reason, probe_in_ms);
        return;
    case MOVES_BREAKER_STAYS:
        log_warning("probe failed service=%s reason=%s next_ms=%" PRId64, tally->service, reason,
                    probe_in_ms);
        return;
    case MOVES_BREAKER_CLOSES:
        log_info("breaker closed, the service answers again service=%s", tally->service);
        return;
    case MOVES_BREAKER_AS_IS:
        return;
    }
}

void tally_pace(struct tally *tally, const struct pace *pace) {
    metric_set(tally->breaker_open, pace->open);
    metric_set(tally->window, (int64_t)pace->window);
}
