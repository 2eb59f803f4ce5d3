#include "base/pattern.h"

static bool excludes(struct text *pattern) {
    if (!text_starts(*pattern, "!"))
        return false;
    *pattern = text_slice(pattern->data + 1, pattern->size - 1);
    return true;
}

static bool segment_valid(struct text segment, struct text pattern, struct string *why) {
    if (segment.size == 0) {
        string_addf(why, "\"%.*s\" has an empty segment", TEXT_ARG(pattern));
        return false;
    }
    for (size_t i = 0; i < segment.size; i++) {
        char c = segment.data[i];
        if (c <= ' ' || c > '~' || c == '!') {
            string_addf(why, "a pattern is made of printable ASCII without blanks, dots between "
                             "its segments and at most one \"!\" in front");
            return false;
        }
        if (c == '*' && segment.size > 1) {
            string_addf(why, "\"*\" stands for whole segments only, so not in \"%.*s\"",
                        TEXT_ARG(segment));
            return false;
        }
    }
    return true;
}

bool pattern_valid(struct text pattern, struct string *why) {
    struct text whole = pattern, rest;
    excludes(&pattern);
    rest = pattern;
    do {
        bool last = rest.size == 0;
        struct text segment = text_cut(&rest, '.');
        /* A dot at the very end leaves an empty rest that is still a segment. */
        if (!segment_valid(segment, whole, why))
            return false;
        if (!last && rest.size == 0 && pattern.data[pattern.size - 1] == '.') {
            string_addf(why, "\"%.*s\" has an empty segment", TEXT_ARG(whole));
            return false;
        }
    } while (rest.size);
    return true;
}

static bool matches(struct text pattern, struct text type) {
    if (text_is(pattern, "*"))
        return true;
    for (;;) {
        struct text wanted = text_cut(&pattern, '.');
        bool any = text_is(wanted, "*");
        if (any && pattern.size == 0)
            return type.size > 0;
        size_t before = type.size;
        struct text found = text_cut(&type, '.');
        bool dotted = found.size < before; /* a segment follows, be it an empty one */
        if (any ? found.size == 0 : !text_equal(wanted, found))
            return false;
        if (pattern.size == 0 || !dotted)
            return pattern.size == 0 && !dotted;
    }
}

bool pattern_list_matches(const char *const *patterns, size_t count, struct text type) {
    bool included = false, only_excludes = true;
    for (size_t i = 0; i < count; i++) {
        struct text pattern = text_of(patterns[i]);
        if (excludes(&pattern)) {
            if (matches(pattern, type))
                return false;
        } else {
            only_excludes = false;
            included = included || matches(pattern, type);
        }
    }
    return included || only_excludes;
}

bool pattern_covers(struct text wide, struct text narrow) {
    if (text_is(wide, "*"))
        return true;
    for (;;) {
        struct text wanted = text_cut(&wide, '.'), given = text_cut(&narrow, '.');
        bool any = text_is(wanted, "*");
        if (any && wide.size == 0)
            return true;
        /* A last star goes on for as many segments as it likes. */
        if (text_is(given, "*") && (!any || narrow.size == 0))
            return false;
        if (!any && !text_equal(wanted, given))
            return false;
        if (wide.size == 0 || narrow.size == 0)
            return wide.size == narrow.size;
    }
}
