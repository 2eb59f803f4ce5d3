#include "serve/reload.h"

#include <stdlib.h>

#include "base/config_watch.h"
#include "base/log.h"
#include "base/memory.h"
#include "net/certificates.h"
#include "net/editions.h"
#include "net/file_watch.h"
#include "net/tls.h"
#include "serve/edition.h"
#include "serve/endpoints.h"
#include "serve/ingress.h"
#include "serve/pulse.h"
#include "serve/releases.h"
#include "serve/store.h"

enum { ALARMS_AGAIN_MS = 24 * 3600 * 1000 };

struct reload {
    struct reload_needs needs;
    struct edition *current;
    struct editions *editions;
    struct ssl_ctx_st **shown; /* by each listener of the first edition; shared */
    struct loop_timer *tickets_old;
    struct loop_timer *alarms_again;
};

static const struct metric_family not_after = {
    .name = "kula_relay_certificate_not_after_timestamp_seconds",
    .kind = METRIC_GAUGE,
    .help = "When the certificate that a listener shows, or one of its chain, ends.",
    .labels = {"listener"},
};
static const struct metric_family alarms = {
    .name = "kula_relay_configuration_alarms",
    .kind = METRIC_GAUGE,
    .help = "What is bad about certificates and secrets in force; the log says what.",
};

/* ---- What is bad and works ---- */

static void tell_alarms(struct reload *reload) {
    struct string lines = {0};
    int64_t number = 0;
    edition_alarms(reload->current, &lines);
    for (struct text rest = string_text(&lines); rest.size; number++) {
        struct text line = text_cut(&rest, '\n');
        log_warning("configuration alarm problem=%.*s", TEXT_ARG(line));
    }
    metric_set(metrics_series(reload->needs.metrics, &alarms, NULL, NULL), number);
    string_finish(&lines);
}

static void on_alarms_again(void *arg) {
    struct reload *reload = arg;
    tell_alarms(reload);
    loop_timer_set(reload->alarms_again, ALARMS_AGAIN_MS);
}

/* ---- What is shown to senders ---- */

static void on_tickets_old(void *arg) {
    struct reload *reload = arg;
    for (size_t i = 0; i < reload->needs.first->config->listener_count; i++)
        if (reload->shown[i])
            tls_renew_tickets(reload->shown[i]);
    loop_timer_set(reload->tickets_old, TLS_TICKETS_MS);
}

static void set_shown(struct reload *reload, size_t i, struct ssl_ctx_st *tls) {
    const char *address = reload->needs.first->config->listeners[i].address;
    tls_destroy(reload->shown[i]);
    reload->shown[i] = tls_share(tls);
    metric_set(metrics_series(reload->needs.metrics, &not_after, address, NULL),
               tls_validity(tls).until_s);
}

/* The edition's certificate for a listener that runs. NULL: it is plain, or is not there any more:
 * listeners come and go at a restart, and until then keep what they show. */
static struct ssl_ctx_st *certificate_for(const struct reload *reload, size_t i,
                                          const struct edition *edition) {
    const struct config *runs = reload->needs.first->config;
    return runs->listeners[i].certificate ? edition_certificate(edition, runs, i) : NULL;
}

static void show(struct reload *reload, const struct edition *edition) {
    for (size_t i = 0; i < reload->needs.first->config->listener_count; i++) {
        struct ssl_ctx_st *tls = certificate_for(reload, i, edition);
        if (!tls)
            continue;
        http_server_set_tls(ingress_server(reload->needs.ingress), i, tls_share(tls));
        set_shown(reload, i, tls);
    }
}

/* ---- Editions ---- */

static const struct config *config_of(const struct edition *edition) {
    return edition->config;
}

static void add_file(void *watch, const char *path) {
    file_watch_add(watch, path);
}

static void add_files(const struct edition *edition, struct file_watch *watch) {
    config_each_watched(edition->config, CONFIG_FOR_SERVE, add_file, watch);
}

static void on_taken(void *arg, struct edition *was, struct edition *is) {
    struct reload *reload = arg;
    reload->current = is;
    endpoints_leave(was->endpoints);
    endpoints_enter(is->endpoints, reload->needs.metrics);
    pulse_set_endpoints(reload->needs.pulse, is->config);
    ingress_set_endpoints(reload->needs.ingress, is->endpoints);
    store_set_pen(reload->needs.store, is->config);
    releases_take(reload->needs.releases, is->config);
    show(reload, is);
    tell_alarms(reload);
}

static bool is_held(void *arg, const struct edition *edition) {
    const struct reload *reload = arg;
    return ingress_holds(reload->needs.ingress, edition->endpoints);
}

static const struct editions_ways ways = {
    .load = edition_load,
    .again = edition_again,
    .destroy = edition_destroy,
    .config = config_of,
    .compare = edition_compare,
    .add_files = add_files,
    .on_taken = on_taken,
    .is_held = is_held,
};

struct reload *reload_start(const struct reload_needs *needs) {
    struct reload *reload = memory_new(sizeof *reload);
    size_t listeners = needs->first->config->listener_count;
    reload->needs = *needs;
    reload->current = needs->first;
    reload->shown = memory_new(listeners * sizeof *reload->shown);
    for (size_t i = 0; i < listeners; i++)
        if (certificates_of(needs->first->certificates, i))
            set_shown(reload, i, certificates_of(needs->first->certificates, i));
    reload->tickets_old = loop_timer_create(needs->loop, on_tickets_old, reload);
    loop_timer_set(reload->tickets_old, TLS_TICKETS_MS);
    reload->alarms_again = loop_timer_create(needs->loop, on_alarms_again, reload);
    endpoints_enter(needs->first->endpoints, needs->metrics);
    on_alarms_again(reload);
    reload->editions = editions_start(&(struct editions_needs){
        .loop = needs->loop,
        .metrics = needs->metrics,
        .supervisor = needs->supervisor,
        .first = needs->first,
        .ways = &ways,
        .arg = reload,
    });
    return reload;
}

void reload_stop(struct reload *reload) {
    if (!reload)
        return;
    editions_stop(reload->editions);
    for (size_t i = 0; i < reload->needs.first->config->listener_count; i++)
        tls_destroy(reload->shown[i]);
    free(reload->shown);
    loop_timer_destroy(reload->tickets_old);
    loop_timer_destroy(reload->alarms_again);
    free(reload);
}
