/* Counters, gauges and histograms, and their Prometheus text exposition.
 *
 * A room declares its families as a table; a series is a family with label
 * values, made on first use and then only counted. Label values come from
 * enumerations and from the configuration, never from a request: a stranger
 * cannot make series. */
#pragma once
#include "base/text.h"

enum metric_kind {
    METRIC_COUNTER,
    METRIC_COUNTER_MS, /* counts milliseconds; exposed in seconds */
    METRIC_GAUGE,
    METRIC_HISTOGRAM,
};

enum { METRIC_LABELS = 2 };

struct metric_family {
    const char *name; /* kula_relay_..., with its unit: _total, _seconds, _bytes */
    enum metric_kind kind;
    const char *help;
    const char *labels[METRIC_LABELS]; /* names; NULL where there are fewer */
};

struct metrics;
struct metric; /* one series; lives as long as its metrics, or until it is forgotten */

struct metrics *metrics_create(void);
void metrics_destroy(struct metrics *);

/* The family is borrowed and must outlive the metrics. Same values, same series. */
struct metric *metrics_series(struct metrics *, const struct metric_family *, const char *value1,
                              const char *value2);
void metric_add(struct metric *, int64_t);
void metric_set(struct metric *, int64_t);
void metric_observe_ms(struct metric *, int64_t ms); /* histograms; exposed in seconds */
/* All series in which this label has this value are gone; nobody may count them any more. */
void metrics_forget(struct metrics *, const char *label, const char *value);
int64_t metric_value(const struct metric *); /* a histogram's count */

void metrics_format(const struct metrics *, struct string *); /* text format 0.0.4 */
