#include "serve/reload.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "net/certificates.h"
#include "net/file_watch.h"
#include "net/tls.h"
#include "serve/edition.h"
#include "serve/endpoints.h"
#include "serve/ingress.h"

enum {
    LOOK_AT_FILES_MS = 1000,
    LOOK_AT_RETIRED_MS = 1000,
    ALARMS_AGAIN_MS = 24 * 3600 * 1000,
};

struct reload {
    struct reload_needs needs;
    struct edition *current;
    LIST_HEAD(retired_list, edition) retired; /* deliveries may still hold them */
    struct ssl_ctx_st **shown;                /* by each listener of the first edition; shared */
    struct file_watch *watch;
    struct loop_timer *look_at_retired;
    struct loop_timer *tickets_old;
    struct loop_timer *alarms_again;
};

static const struct metric_family reloads_total = {
    .name = "kula_relay_reloads_total",
    .kind = METRIC_COUNTER,
    .help = "Times that the configuration was read again: taken, refused or unchanged.",
    .labels = {"outcome"},
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

static void count(struct reload *reload, const char *outcome) {
    metric_add(metrics_series(reload->needs.metrics, &reloads_total, outcome, NULL), 1);
}

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

/* The edition's certificate for a listener that runs. NULL: it has none, or stands elsewhere
 * now: listeners move at a restart, and until then keep what they show. */
static struct ssl_ctx_st *certificate_for(const struct reload *reload, size_t i,
                                          const struct edition *edition) {
    const struct config_listener *runs = &reload->needs.first->config->listeners[i];
    if (!runs->certificate || i >= edition->config->listener_count ||
        strcmp(runs->address, edition->config->listeners[i].address) != 0)
        return NULL;
    return certificates_of(edition->certificates, i);
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

/* ---- Which files are looked at ---- */

/* Not the configuration itself: a person may save it half done, and says when it is ready. */
static void watch_files(struct reload *reload) {
    const struct config *config = reload->current->config;
    file_watch_restart(reload->watch);
    for (size_t i = 0; i < config->listener_count; i++) {
        file_watch_add(reload->watch, config->listeners[i].certificate);
        file_watch_add(reload->watch, config->listeners[i].private_key);
    }
    for (size_t i = 0; i < config->endpoint_count; i++) {
        file_watch_add(reload->watch, config->endpoints[i].secret_dir); /* for files that come */
        for (size_t k = 0; k < config->endpoints[i].secret_file_count; k++)
            file_watch_add(reload->watch, config->endpoints[i].secret_files[k]);
    }
}

/* ---- The old edition goes, the new one comes ---- */

static void on_look_at_retired(void *arg) {
    struct reload *reload = arg;
    struct edition *edition, *next;
    for (edition = LIST_FIRST(&reload->retired); edition; edition = next) {
        next = LIST_NEXT(edition, entry);
        if (ingress_holds(reload->needs.ingress, edition->endpoints))
            continue;
        LIST_REMOVE(edition, entry);
        edition_destroy(edition);
        log_debug("old edition is gone");
    }
    if (!LIST_EMPTY(&reload->retired))
        loop_timer_set(reload->look_at_retired, LOOK_AT_RETIRED_MS);
}

/* Ledger and spools have borrowed from the first one, so that it stays. */
static void retire(struct reload *reload, struct edition *edition) {
    endpoints_leave(edition->endpoints);
    if (edition == reload->needs.first)
        return;
    LIST_INSERT_HEAD(&reload->retired, edition, entry);
    /* Setting it again would move it, and reloads close together put it off for ever. */
    if (!loop_timer_is_set(reload->look_at_retired))
        loop_timer_set(reload->look_at_retired, LOOK_AT_RETIRED_MS);
}

static void take(struct reload *reload, struct edition *edition) {
    retire(reload, reload->current);
    reload->current = edition;
    endpoints_enter(edition->endpoints, reload->needs.metrics);
    ingress_set_endpoints(reload->needs.ingress, edition->endpoints);
    show(reload, edition);
    log_start("serve", edition->config->log_level, reload->needs.first->config->log_format);
    watch_files(reload);
    tell_alarms(reload);
}

/* ---- Reading it again ---- */

static void refuse(struct reload *reload, const char *cause, const struct string *problems) {
    struct text rest = string_text(problems);
    count(reload, "refused");
    log_error("reload refused, everything stays as it was cause=%s", cause);
    while (rest.size) {
        struct text line = text_cut(&rest, '\n');
        log_error("configuration mistake problem=%.*s", TEXT_ARG(line));
    }
}

static void tell_restart(const struct reload *reload, const struct edition *edition) {
    struct string names = {0};
    edition_compare_restart(reload->needs.first, edition, &names);
    if (names.size)
        log_warning("settings changed that need a restart settings=%s", names.data);
    string_finish(&names);
}

static void consider(struct reload *reload, const char *cause, struct edition *edition,
                     int64_t began_ms) {
    struct string changed = {0};
    edition_compare(reload->current, edition, &changed);
    tell_restart(reload, edition);
    count(reload, changed.size ? "taken" : "unchanged");
    if (changed.size) {
        take(reload, edition);
        log_info("reload taken cause=%s changed=%s ms=%" PRId64, cause, changed.data,
                 clock_steady_ms() - began_ms);
    } else {
        edition_destroy(edition);
        log_debug("reload found nothing to take cause=%s", cause);
    }
    string_finish(&changed);
}

static void read_again(struct reload *reload, const char *cause) {
    int64_t began_ms = clock_steady_ms();
    struct string problems = {0};
    struct edition *edition = edition_load(reload->needs.first->config->file, &problems);
    if (edition)
        consider(reload, cause, edition, began_ms);
    else
        refuse(reload, cause, &problems);
    string_finish(&problems);
}

static void on_hangup(void *arg) {
    read_again(arg, "SIGHUP");
}

static void on_file_changed(void *arg) {
    read_again(arg, "file");
}

struct reload *reload_start(const struct reload_needs *needs) {
    struct reload *reload = memory_new(sizeof *reload);
    size_t listeners = needs->first->config->listener_count;
    reload->needs = *needs;
    reload->current = needs->first;
    LIST_INIT(&reload->retired);
    reload->shown = memory_new(listeners * sizeof *reload->shown);
    for (size_t i = 0; i < listeners; i++)
        if (certificates_of(needs->first->certificates, i))
            set_shown(reload, i, certificates_of(needs->first->certificates, i));
    reload->look_at_retired = loop_timer_create(needs->loop, on_look_at_retired, reload);
    reload->tickets_old = loop_timer_create(needs->loop, on_tickets_old, reload);
    loop_timer_set(reload->tickets_old, TLS_TICKETS_MS);
    reload->alarms_again = loop_timer_create(needs->loop, on_alarms_again, reload);
    reload->watch = file_watch_create(needs->loop, LOOK_AT_FILES_MS, on_file_changed, reload);
    endpoints_enter(needs->first->endpoints, needs->metrics);
    watch_files(reload);
    on_alarms_again(reload);
    loop_on_signal(needs->loop, SIGHUP, on_hangup, reload);
    return reload;
}

void reload_stop(struct reload *reload) {
    if (!reload)
        return;
    while (!LIST_EMPTY(&reload->retired)) {
        struct edition *edition = LIST_FIRST(&reload->retired);
        LIST_REMOVE(edition, entry);
        edition_destroy(edition);
    }
    if (reload->current != reload->needs.first)
        edition_destroy(reload->current);
    for (size_t i = 0; i < reload->needs.first->config->listener_count; i++)
        tls_destroy(reload->shown[i]);
    free(reload->shown);
    file_watch_destroy(reload->watch);
    loop_timer_destroy(reload->look_at_retired);
    loop_timer_destroy(reload->tickets_old);
    loop_timer_destroy(reload->alarms_again);
    free(reload);
}
