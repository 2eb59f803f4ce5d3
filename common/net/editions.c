#include "net/editions.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/memory.h"
#include "net/file_watch.h"
#include "net/supervisor.h"

enum { LOOK_AT_FILES_MS = 1000, LOOK_AT_RETIRED_MS = 1000, TRY_AGAIN_MS = 5000 };

struct retired { /* something under way may still hold it */
    LIST_ENTRY(retired) entry;
    struct edition *edition;
};

struct editions {
    struct editions_needs needs;
    const struct editions_ways *ways;
    struct edition *current;
    LIST_HEAD(retired_list, retired) retired;
    struct file_watch *watch;
    struct loop_timer *look_at_retired;
    struct loop_timer *try_again; /* set: what is in the files was refused */
    struct string told;           /* and why, as the log has it; empty: it was not */
};

static const struct metric_family reloads_total = {
    .name = "kula_relay_reloads_total",
    .kind = METRIC_COUNTER,
    .help = "Times that the configuration was read again: taken, refused or unchanged.",
    .labels = {"outcome"},
};

static void count(struct editions *editions, const char *outcome) {
    metric_add(metrics_series(editions->needs.metrics, &reloads_total, outcome, NULL), 1);
}

/* Not the configuration itself: a person may save it half done, and says when it is ready. */
static void watch_files(struct editions *editions) {
    file_watch_restart(editions->watch);
    editions->ways->add_files(editions->current, editions->watch);
}

/* ---- The old edition goes, the new one comes ---- */

static void drop(struct editions *editions, struct retired *retired) {
    LIST_REMOVE(retired, entry);
    editions->ways->destroy(retired->edition);
    free(retired);
}

static void on_look_at_retired(void *arg) {
    struct editions *editions = arg;
    struct retired *retired, *next;
    for (retired = LIST_FIRST(&editions->retired); retired; retired = next) {
        next = LIST_NEXT(retired, entry);
        if (editions->ways->is_held(editions->needs.arg, retired->edition))
            continue;
        drop(editions, retired);
        log_debug("old edition is gone");
    }
    if (!LIST_EMPTY(&editions->retired))
        loop_timer_set(editions->look_at_retired, LOOK_AT_RETIRED_MS);
}

static void retire(struct editions *editions, struct edition *edition) {
    if (edition == editions->needs.first)
        return;
    struct retired *retired = memory_new(sizeof *retired);
    retired->edition = edition;
    LIST_INSERT_HEAD(&editions->retired, retired, entry);
    /* Setting it again would move it, and reloads close together put it off for ever. */
    if (!loop_timer_is_set(editions->look_at_retired))
        loop_timer_set(editions->look_at_retired, LOOK_AT_RETIRED_MS);
}

static void take(struct editions *editions, struct edition *is) {
    struct edition *was = editions->current;
    const struct editions_ways *ways = editions->ways;
    editions->current = is;
    ways->on_taken(editions->needs.arg, was, is);
    retire(editions, was);
    log_set_level(ways->config(is)->log_level);
    watch_files(editions);
}

/* ---- Reading it again ---- */

void editions_tell_refusal(const char *cause, struct text problems) {
    log_error("reload refused, everything stays as it was cause=%s", cause);
    while (problems.size) {
        struct text line = text_cut(&problems, '\n');
        log_error("configuration mistake problem=%.*s", TEXT_ARG(line));
    }
}

static void refuse(struct editions *editions, const char *cause, struct text problems) {
    count(editions, "refused");
    editions_tell_refusal(cause, problems);
}

/* Not each mistake is mended by a change of a file that is looked at, and nobody is there to say
 * when it is. */
static void refuse_files(struct editions *editions, struct text problems) {
    if (text_equal(problems, string_text(&editions->told)))
        log_debug("reload is still refused cause=file");
    else
        refuse(editions, "file", problems);
    string_clear(&editions->told);
    string_add(&editions->told, problems);
    loop_timer_set(editions->try_again, TRY_AGAIN_MS);
}

static void tell_restart(const struct editions *editions, const struct edition *edition) {
    struct string names = {0};
    editions->ways->compare(editions->needs.first, edition, CONFIG_CHANGE_RESTART, &names);
    if (names.size)
        log_warning("settings changed that need a restart settings=%s", names.data);
    string_finish(&names);
}

static void consider(struct editions *editions, const char *cause, struct edition *edition,
                     int64_t began_ms) {
    struct string changed = {0};
    string_clear(&editions->told);
    loop_timer_cancel(editions->try_again);
    editions->ways->compare(editions->current, edition, CONFIG_CHANGE_LIVE, &changed);
    tell_restart(editions, edition);
    count(editions, changed.size ? "taken" : "unchanged");
    if (changed.size) {
        take(editions, edition);
        log_info("reload taken cause=%s changed=%s ms=%" PRId64, cause, changed.data,
                 clock_steady_ms() - began_ms);
    } else {
        editions->ways->destroy(edition);
        log_debug("reload found nothing to take cause=%s", cause);
    }
    string_finish(&changed);
}

static void read_configuration(struct editions *editions) {
    int64_t began_ms = clock_steady_ms();
    struct string problems = {0};
    const char *file = editions->ways->config(editions->needs.first)->file;
    struct edition *edition = editions->ways->load(file, &problems);
    if (edition)
        consider(editions, "SIGHUP", edition, began_ms);
    else
        refuse(editions, "SIGHUP", string_text(&problems));
    string_finish(&problems);
}

static void on_hangup(void *arg) {
    struct editions *editions = arg;
    supervisor_reloading(editions->needs.supervisor);
    read_configuration(editions);
    supervisor_ready(editions->needs.supervisor, NULL);
}

static void read_files(void *arg) {
    struct editions *editions = arg;
    int64_t began_ms = clock_steady_ms();
    struct string problems = {0};
    struct edition *edition = editions->ways->again(editions->current, &problems);
    if (edition)
        consider(editions, "file", edition, began_ms);
    else
        refuse_files(editions, string_text(&problems));
    string_finish(&problems);
}

struct editions *editions_start(const struct editions_needs *needs) {
    struct editions *editions = memory_new(sizeof *editions);
    editions->needs = *needs;
    editions->ways = needs->ways;
    editions->current = needs->first;
    LIST_INIT(&editions->retired);
    editions->look_at_retired = loop_timer_create(needs->loop, on_look_at_retired, editions);
    editions->try_again = loop_timer_create(needs->loop, read_files, editions);
    editions->watch = file_watch_create(needs->loop, LOOK_AT_FILES_MS, read_files, editions);
    watch_files(editions);
    loop_on_signal(needs->loop, SIGHUP, on_hangup, editions);
    return editions;
}

void editions_stop(struct editions *editions) {
    if (!editions)
        return;
    while (!LIST_EMPTY(&editions->retired))
        drop(editions, LIST_FIRST(&editions->retired));
    if (editions->current != editions->needs.first)
        editions->ways->destroy(editions->current);
    file_watch_destroy(editions->watch);
    loop_timer_destroy(editions->look_at_retired);
    loop_timer_destroy(editions->try_again);
    string_finish(&editions->told);
    free(editions);
}
