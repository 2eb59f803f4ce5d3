#include "forward/services.h"

#include <stdlib.h>
#include <string.h>

#include "base/config.h"
#include "base/log.h"
#include "base/memory.h"
#include "forward/courier.h"
#include "ledger/moves.h"

enum {
    OPEN_DEADLINE_MS = 30000,
    OPEN_AGAIN_MS = 1000,
    /* Keys of the ledger may be lost in a way that no take notices. */
    HEAL_ROUND_MS = 15000,
};

struct services {
    struct services_needs needs;
    struct courier_house house;
    const struct config *config; /* in force */
    struct courier **couriers;   /* those of `config`, and stopped ones that are not done yet */
    size_t count;
    struct loop_timer *open_again, *heal_round, *sweep;
    bool opening, opened, stopped;
    bool stale; /* what is being opened is not what is in force */
};

/* Open: the ledger makes their groups, then each heals and takes */

static void on_opened(void *arg, enum ledger_outcome outcome) {
    struct services *services = arg;
    services->opening = false;
    if (services->stopped)
        return;
    if (outcome != LEDGER_DONE) {
        loop_timer_set(services->open_again, OPEN_AGAIN_MS);
        return;
    }
    if (services->stale) {
        services_open(services);
        return;
    }
    services->opened = true;
    services->needs.on_open(services->needs.arg);
    for (size_t i = 0; i < services->count; i++)
        courier_open(services->couriers[i]);
}

static struct courier *find_courier(const struct services *services, const char *name) {
    for (size_t i = 0; i < services->count; i++)
        if (strcmp(courier_name(services->couriers[i]), name) == 0)
            return services->couriers[i];
    return NULL;
}

void services_open(struct services *services) {
    const struct config *config = services->config;
    if (services->opening || services->stopped)
        return;
    services->opening = true;
    services->stale = false;
    struct moves_start *starts = memory_new(config->service_count * sizeof *starts);
    for (size_t i = 0; i < config->service_count; i++) {
        const struct config_service *service = &config->services[i];
        starts[i] = (struct moves_start){
            .service = service, .place = courier_place(find_courier(services, service->name))};
    }
    moves_open(services->needs.ledger, starts, config->service_count, OPEN_DEADLINE_MS, on_opened,
               services);
    free(starts);
}

static void on_open_again(void *arg) {
    services_open(arg);
}

static void on_heal_round(void *arg) {
    struct services *services = arg;
    loop_timer_set(services->heal_round, HEAL_ROUND_MS);
    bool opens = services->opening || loop_timer_is_set(services->open_again);
    if (!services->opened || opens || !ledger_connected(services->needs.ledger))
        return;
    for (size_t i = 0; i < services->count; i++)
        courier_heal(services->couriers[i]);
}

/* What a courier says */

static bool any_stopped(const struct services *services) {
    return services->count > services->config->service_count;
}

static void on_rest(void *arg) {
    struct services *services = arg;
    /* Not at once: it is the courier that may be gone who is speaking. */
    if (any_stopped(services))
        loop_timer_set(services->sweep, 0);
    services->needs.on_rest(services->needs.arg);
}

static void on_lost(void *arg) {
    struct services *services = arg;
    if (services->stopped || any_stopped(services))
        on_rest(services);
    /* After a pause: what made the ledger forget us may be going on. */
    if (!services->opening && !services->stopped)
        loop_timer_set(services->open_again, OPEN_AGAIN_MS);
}

/* Those that have gone, and have nothing in flight any more. */
static void on_sweep(void *arg) {
    struct services *services = arg;
    size_t kept = 0;
    if (services->stopped) /* none of them has gone: the whole program leaves */
        return;
    for (size_t i = 0; i < services->count; i++) {
        struct courier *courier = services->couriers[i];
        if (!courier_idle(courier)) {
            services->couriers[kept++] = courier;
            continue;
        }
        log_info("service is gone, its attempts are settled service=%s", courier_name(courier));
        metrics_forget(services->needs.metrics, "service", courier_name(courier));
        courier_destroy(courier);
    }
    services->count = kept;
}

/* Editions */

static bool is_wanted(const struct config *config, const char *name) {
    for (size_t i = 0; i < config->service_count; i++)
        if (strcmp(config->services[i].name, name) == 0)
            return true;
    return false;
}

static void add(struct services *services, const struct config_service *service) {
    services->couriers =
        memory_resize(services->couriers, (services->count + 1) * sizeof(struct courier *));
    services->couriers[services->count++] = courier_create(&services->house, service);
}

static void stop_removed(struct services *services, const struct config *was) {
    for (size_t i = 0; i < services->count; i++) {
        const char *name = courier_name(services->couriers[i]);
        if (is_wanted(services->config, name) || !is_wanted(was, name))
            continue;
        courier_stop(services->couriers[i]);
        log_info("service removed, its events are kept for it until it is forgotten service=%s",
                 name);
    }
    loop_timer_set(services->sweep, 0);
}

static void enter(struct services *services, const struct config *config) {
    services->config = config;
    services->house.owed_most_ms = config->retention.events_ms;
    for (size_t i = 0; i < config->service_count; i++) {
        const struct config_service *service = &config->services[i];
        struct courier *courier = find_courier(services, service->name);
        if (courier)
            courier_change(courier, service);
        else
            add(services, service);
    }
}

void services_change(struct services *services, const struct config *config) {
    const struct config *was = services->config;
    enter(services, config);
    stop_removed(services, was);
    services->stale = true;
    if (services->stopped)
        services_stop(services);
    else
        services_open(services);
}

bool services_hold(const struct services *services, const struct config *config) {
    bool held = services->config == config;
    for (size_t i = 0; i < services->count && !held; i++)
        held = courier_holds(services->couriers[i], config);
    return held;
}

/* The rest */

struct services *services_create(const struct services_needs *needs, const struct config *config) {
    struct services *services = memory_new(sizeof *services);
    services->needs = *needs;
    services->house = (struct courier_house){
        .loop = needs->loop,
        .ledger = needs->ledger,
        .client = needs->client,
        .metrics = needs->metrics,
        .on_rest = on_rest,
        .on_lost = on_lost,
        .arg = services,
    };
    services->open_again = loop_timer_create(needs->loop, on_open_again, services);
    services->heal_round = loop_timer_create(needs->loop, on_heal_round, services);
    services->sweep = loop_timer_create(needs->loop, on_sweep, services);
    loop_timer_set(services->heal_round, HEAL_ROUND_MS);
    enter(services, config);
    return services;
}

void services_destroy(struct services *services) {
    if (!services)
        return;
    for (size_t i = 0; i < services->count; i++)
        courier_destroy(services->couriers[i]);
    free(services->couriers);
    loop_timer_destroy(services->open_again);
    loop_timer_destroy(services->heal_round);
    loop_timer_destroy(services->sweep);
    free(services);
}

void services_wake(struct services *services) {
    for (size_t i = 0; i < services->count; i++)
        courier_wake(services->couriers[i]);
}

void services_stop(struct services *services) {
    services->stopped = true;
    for (size_t i = 0; i < services->count; i++)
        courier_stop(services->couriers[i]);
}

bool services_done(const struct services *services) {
    for (size_t i = 0; i < services->count; i++)
        if (!courier_done(services->couriers[i]))
            return false;
    return services->stopped;
}

size_t services_count(const struct services *services) {
    return services->config->service_count;
}

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

struct text services_wait_at(const struct services *services) {
    struct text after = {0};
    for (size_t i = 0; i < services->count; i++) {
        struct text place = courier_waits_at(services->couriers[i]);
        if (place.size && (!after.size || compare_ids(place, after) < 0))
            after = place;
    }
    return after;
}
