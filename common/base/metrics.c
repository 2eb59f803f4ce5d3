#include "base/metrics.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* The upper bounds of a histogram's buckets, as compared and as spelled. */
struct bound {
    int64_t ms;
    const char *seconds;
};
static const struct bound bounds[] = {
    {1, "0.001"},  {2, "0.002"}, {5, "0.005"},  {10, "0.01"},  {25, "0.025"},
    {50, "0.05"},  {100, "0.1"}, {250, "0.25"}, {500, "0.5"},  {1000, "1"},
    {2500, "2.5"}, {5000, "5"},  {10000, "10"}, {30000, "30"},
};
enum { BOUNDS = sizeof bounds / sizeof bounds[0] };

struct metric {
    const struct metric_family *family;
    char *values[METRIC_LABELS]; /* of its labels */
    int64_t value;               /* a histogram's count */
    int64_t sum_ms;
    int64_t buckets[BOUNDS]; /* those that fell into just this one */
    struct metric *next;
};

/* One family's series, in the order in which they were first used. */
struct group {
    const struct metric_family *family;
    struct metric *series;
    struct group *next;
};

struct metrics {
    struct group *groups;
};

struct metrics *metrics_create(void) {
    return memory_new(sizeof(struct metrics));
}

static void metric_destroy(struct metric *metric) {
    for (size_t i = 0; i < METRIC_LABELS; i++)
        free(metric->values[i]);
    free(metric);
}

void metrics_destroy(struct metrics *metrics) {
    if (!metrics)
        return;
    for (struct group *group = metrics->groups, *next; group; group = next) {
        next = group->next;
        for (struct metric *metric = group->series, *after; metric; metric = after) {
            after = metric->next;
            metric_destroy(metric);
        }
        free(group);
    }
    free(metrics);
}

static struct group *group_of(struct metrics *metrics, const struct metric_family *family) {
    struct group **at = &metrics->groups;
    while (*at && strcmp((*at)->family->name, family->name) != 0)
        at = &(*at)->next;
    if (!*at) {
        *at = memory_new(sizeof **at);
        (*at)->family = family;
    }
    return *at;
}

static bool has_values(const struct metric *metric, const char *const values[METRIC_LABELS]) {
    for (size_t i = 0; i < METRIC_LABELS; i++)
        if (metric->values[i] && strcmp(metric->values[i], values[i]) != 0)
            return false;
    return true;
}

static struct metric *metric_create(const struct metric_family *family,
                                    const char *const values[METRIC_LABELS]) {
    struct metric *metric = memory_new(sizeof *metric);
    metric->family = family;
    for (size_t i = 0; i < METRIC_LABELS; i++)
        metric->values[i] = values[i] ? text_copy(text_of(values[i])) : NULL;
    return metric;
}

struct metric *metrics_series(struct metrics *metrics, const struct metric_family *family,
                              const char *value1, const char *value2) {
    const char *const values[METRIC_LABELS] = {value1, value2};
    struct metric **at = &group_of(metrics, family)->series;
    for (size_t i = 0; i < METRIC_LABELS; i++)
        assert(!family->labels[i] == !values[i]); /* a value for each label, and no other */
    while (*at && !has_values(*at, values))
        at = &(*at)->next;
    if (!*at)
        *at = metric_create(family, values);
    return *at;
}

void metric_add(struct metric *metric, int64_t more) {
    enum metric_kind kind = metric->family->kind;
    assert(kind == METRIC_GAUGE ||
           ((kind == METRIC_COUNTER || kind == METRIC_COUNTER_MS) && more >= 0));
    metric->value += more;
}

void metric_set(struct metric *metric, int64_t value) {
    assert(metric->family->kind == METRIC_GAUGE);
    metric->value = value;
}

void metric_observe_ms(struct metric *metric, int64_t ms) {
    assert(metric->family->kind == METRIC_HISTOGRAM);
    /* A difference of two clocks may be below zero; the sum may not go back. */
    ms = ms < 0 ? 0 : ms;
    metric->value++;
    metric->sum_ms += ms;
    for (size_t i = 0; i < BOUNDS; i++) {
        if (ms <= bounds[i].ms) {
            metric->buckets[i]++;
            return;
        }
    }
}

static bool has_label(const struct metric *metric, const char *label, const char *value) {
    for (size_t i = 0; i < METRIC_LABELS && metric->values[i]; i++)
        if (strcmp(metric->family->labels[i], label) == 0)
            return strcmp(metric->values[i], value) == 0;
    return false;
}

void metrics_forget(struct metrics *metrics, const char *label, const char *value) {
    for (struct group *group = metrics->groups; group; group = group->next) {
        struct metric **at = &group->series;
        while (*at) {
            struct metric *metric = *at;
            if (!has_label(metric, label, value)) {
                at = &metric->next;
                continue;
            }
            *at = metric->next;
            metric_destroy(metric);
        }
    }
}

int64_t metric_value(const struct metric *metric) {
    return metric->value;
}

static void add_escaped(struct string *s, const char *text, bool quotes_too) {
    for (; *text; text++) {
        if (*text == '\\' || (*text == '"' && quotes_too))
            string_add_char(s, '\\');
        if (*text == '\n')
            string_add_of(s, "\\n");
        else
            string_add_char(s, *text);
    }
}

/* Name and labels; `le` is a bucket's bound, else NULL. */
static void add_name(const struct metric *metric, const char *suffix, const char *le,
                     struct string *s) {
    const char *before = "{";
    string_addf(s, "%s%s", metric->family->name, suffix);
    for (size_t i = 0; i < METRIC_LABELS && metric->values[i]; i++) {
        string_addf(s, "%s%s=\"", before, metric->family->labels[i]);
        add_escaped(s, metric->values[i], true);
        string_add_char(s, '"');
        before = ",";
    }
    if (le)
        string_addf(s, "%sle=\"%s\"", before, le);
    string_add_of(s, le || metric->values[0] ? "} " : " ");
}

static void add_seconds(int64_t ms, struct string *s) {
    string_addf(s, "%lld.%03lld\n", (long long)ms / 1000, (long long)ms % 1000);
}

static void add_histogram(const struct metric *metric, struct string *s) {
    int64_t so_far = 0;
    for (size_t i = 0; i < BOUNDS; i++) {
        so_far += metric->buckets[i];
        add_name(metric, "_bucket", bounds[i].seconds, s);
        string_addf(s, "%lld\n", (long long)so_far);
    }
    add_name(metric, "_bucket", "+Inf", s);
    string_addf(s, "%lld\n", (long long)metric->value);
    add_name(metric, "_sum", NULL, s);
    add_seconds(metric->sum_ms, s);
    add_name(metric, "_count", NULL, s);
    string_addf(s, "%lld\n", (long long)metric->value);
}

static void add_series(const struct metric *metric, struct string *s) {
    if (metric->family->kind == METRIC_HISTOGRAM) {
        add_histogram(metric, s);
        return;
    }
    add_name(metric, "", NULL, s);
    if (metric->family->kind == METRIC_COUNTER_MS)
        add_seconds(metric->value, s);
    else
        string_addf(s, "%lld\n", (long long)metric->value);
}

void metrics_format(const struct metrics *metrics, struct string *s) {
    static const char *const kinds[] = {[METRIC_COUNTER] = "counter",
                                        [METRIC_COUNTER_MS] = "counter",
                                        [METRIC_GAUGE] = "gauge",
                                        [METRIC_HISTOGRAM] = "histogram"};
    for (const struct group *group = metrics->groups; group; group = group->next) {
        const struct metric_family *family = group->family;
        string_addf(s, "# HELP %s ", family->name);
        add_escaped(s, family->help, false);
        string_addf(s, "\n# TYPE %s %s\n", family->name, kinds[family->kind]);
        for (const struct metric *metric = group->series; metric; metric = metric->next)
            add_series(metric, s);
    }
}
