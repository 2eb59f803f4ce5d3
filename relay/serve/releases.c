#include "serve/releases.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "net/loop.h"
#include "pen/release.h"

/* What is penned after a walk, with a secret that came meanwhile, waits for so long. */
enum { LOOK_EVERY_MS = 2000 };

struct releases {
    struct releases_needs needs;
    struct release *release;
    struct loop_timer *look;
    struct metric *checked;
    size_t released; /* in this walk */
};

static const struct metric_family released_total = {
    .name = "kula_relay_pen_released_total",
    .kind = METRIC_COUNTER,
    .help = "Penned deliveries that became events, because a later secret or configuration "
            "proves them.",
    .labels = {"endpoint"},
};
static const struct metric_family checked = {
    .name = "kula_relay_pen_checked",
    .kind = METRIC_GAUGE,
    .help = "1 when the pen was looked through with the secrets in force, 0 until then.",
};

static void on_ruled(void *arg, const struct release_ruled *ruled) {
    struct releases *releases = arg;
    if (ruled->stays)
        return;
    char *endpoint = text_copy(ruled->entry->endpoint);
    releases->released++;
    metric_add(metrics_series(releases->needs.metrics, &released_total, endpoint, NULL), 1);
    log_info("penned delivery released outcome=%s event=%.*s endpoint=%s reason=%.*s pen=%.*s",
             ruled->duplicate ? "duplicate" : "accepted", TEXT_ARG(ruled->event_id), endpoint,
             TEXT_ARG(ruled->entry->reason), TEXT_ARG(ruled->entry->pen_id));
    free(endpoint);
}

static void on_end(void *arg, enum ledger_outcome outcome) {
    struct releases *releases = arg;
    if (releases->released)
        log_info("pen looked through released=%zu", releases->released);
    releases->released = 0;
    if (outcome == LEDGER_DONE)
        metric_set(releases->checked, 1);
    loop_timer_set(releases->look, LOOK_EVERY_MS);
}

static void on_look_due(void *arg) {
    struct releases *releases = arg;
    release_go_on(releases->release);
}

struct releases *releases_create(const struct releases_needs *needs, const struct config *config) {
    struct releases *releases = memory_new(sizeof *releases);
    releases->needs = *needs;
    releases->look = loop_timer_create(needs->loop, on_look_due, releases);
    releases->checked = metrics_series(needs->metrics, &checked, NULL, NULL);
    releases->release = release_create(&(struct release_options){.loop = needs->loop,
                                                                 .ledger = needs->ledger,
                                                                 .on_ruled = on_ruled,
                                                                 .on_end = on_end,
                                                                 .arg = releases});
    releases_take(releases, config);
    return releases;
}

void releases_destroy(struct releases *releases) {
    if (!releases)
        return;
    release_destroy(releases->release);
    loop_timer_destroy(releases->look);
    free(releases);
}

void releases_take(struct releases *releases, const struct config *config) {
    struct judge *judge = judge_create(config);
    metric_set(releases->checked, 0);
    release_begin(releases->release, &judge);
}

/* Redis may have come back as it was before: from a backup, or as a replica that lagged. */
void releases_on_ledger(struct releases *releases) {
    metric_set(releases->checked, 0);
    release_begin_again(releases->release);
}
