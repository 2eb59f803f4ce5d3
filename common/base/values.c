#include "base/values.h"

#include <assert.h>

struct unit {
    const char *name;
    int64_t factor;
};

/* Smallest first. */
static const struct unit durations[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 60 * 60 * 1000}, {"d", 24 * 60 * 60 * 1000},
    {0},
};
static const struct unit sizes[] = {
    {"B", 1}, {"KiB", INT64_C(1) << 10}, {"MiB", INT64_C(1) << 20}, {"GiB", INT64_C(1) << 30}, {0},
};

static bool parse(struct text t, const struct unit *units, int64_t *value) {
    size_t digits = 0;
    if (t.size == 0)
        return false;
    while (digits < t.size && t.data[digits] >= '0' && t.data[digits] <= '9')
        digits++;
    struct text name = text_slice(t.data + digits, t.size - digits);
    for (const struct unit *unit = units; unit->name; unit++) {
        if (!text_is(name, unit->name))
            continue;
        uint64_t count;
        if (!text_to_uint(text_slice(t.data, digits), (uint64_t)(INT64_MAX / unit->factor), &count))
            return false;
        *value = (int64_t)count * unit->factor;
        return true;
    }
    return false;
}

/* The largest unit that leaves no rest has the shortest number. */
static void format(int64_t value, const struct unit *units, struct string *s) {
    const struct unit *best = units;
    assert(value >= 0);
    for (const struct unit *unit = units; unit->name; unit++)
        if (value && value % unit->factor == 0)
            best = unit;
    string_addf(s, "%lld%s", (long long)(value / best->factor), best->name);
}

bool values_parse_duration(struct text t, int64_t *ms) {
    return parse(t, durations, ms);
}

bool values_parse_size(struct text t, int64_t *bytes) {
    return parse(t, sizes, bytes);
}

void values_format_duration(int64_t ms, struct string *s) {
    if (ms == 0)
        string_add_of(s, "0s");
    else
        format(ms, durations, s);
}

void values_format_size(int64_t bytes, struct string *s) {
    format(bytes, sizes, s);
}
