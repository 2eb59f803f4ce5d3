#include "base/config_value.h"

#include <stdlib.h>
#include <string.h>

#include "base/config_check.h"

static bool set_text(const struct config_row *row, char **place, struct text text,
                     struct string *why) {
    if (row->check && !row->check(text, why))
        return false;
    free(*place);
    *place = text_copy(text);
    return true;
}

static const char *form_of(enum config_type type) {
    if (type == CONFIG_SIZE)
        return "a size: write a whole number with its unit, as in 512B, 64KiB, 8MiB or 1GiB";
    if (type == CONFIG_COUNT)
        return "a whole number";
    return "a duration: write a whole number with its unit, as in 250ms, 15s, 5m, 72h or 7d";
}

static bool set_number(const struct config_row *row, int64_t *place, struct text text,
                       struct string *why) {
    int64_t number, least, most;
    struct text quoted = config_check_quoted(text);
    config_table_number(row->type, text_of(row->least), &least);
    config_table_number(row->type, text_of(row->most), &most);
    if (!config_table_number(row->type, text, &number)) {
        string_addf(why, "\"%.*s\" is not %s", TEXT_ARG(quoted), form_of(row->type));
        return false;
    }
    if (number < least || number > most) {
        string_addf(why, "%.*s is out of range: %s to %s", TEXT_ARG(quoted), row->least, row->most);
        return false;
    }
    *place = number;
    return true;
}

static bool find_word(const struct config_row *row, struct text text, unsigned *position) {
    for (unsigned i = 0; row->words[i]; i++)
        if (text_is(text, row->words[i])) {
            *position = i;
            return true;
        }
    return false;
}

static bool set_word(const struct config_row *row, char *place, struct text text,
                     struct string *why) {
    unsigned position;
    if (find_word(row, text, &position)) {
        _Static_assert(sizeof(enum config_stale) == sizeof position, "an enum is an unsigned int");
        memcpy(place, &position, sizeof position);
        return true;
    }
    string_addf(why, "\"%.*s\" is not known: write ", TEXT_ARG(config_check_quoted(text)));
    for (unsigned i = 0; row->words[i]; i++)
        string_addf(why, "%s%s", i == 0 ? "" : row->words[i + 1] ? ", " : " or ", row->words[i]);
    return false;
}

static bool set_when(const struct config_row *row, char *base, struct text text,
                     struct string *why) {
    enum config_start *start = (void *)(base + row->place);
    if (text.size && text.data[0] >= '0' && text.data[0] <= '9') {
        bool fine = set_number(row, (void *)(base + row->beside), text, why);
        *start = fine ? CONFIG_START_AGO : *start;
        return fine;
    }
    bool fine = set_word(row, base + row->place, text, why);
    if (!fine)
        string_add_of(why, ", or a duration to look back, as in 24h");
    return fine;
}

bool config_value_set(const struct config_row *row, void *base, struct text text,
                      struct string *why) {
    char *place = (char *)base + row->place;
    switch (row->type) {
    case CONFIG_TEXT:
    case CONFIG_FILE:
    case CONFIG_FOLDER:
        return set_text(row, (void *)place, text, why);
    case CONFIG_DURATION:
    case CONFIG_SIZE:
    case CONFIG_COUNT:
        return set_number(row, (void *)place, text, why);
    case CONFIG_WORD:
        return set_word(row, place, text, why);
    case CONFIG_WHEN:
        return set_when(row, base, text, why);
    default:
        return false;
    }
}
