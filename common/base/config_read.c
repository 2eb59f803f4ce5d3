#include "base/config_read.h"

#include <string.h>

#include "base/config_check.h"
#include "base/config_files.h"
#include "base/config_table.h"
#include "base/config_value.h"
#include "base/memory.h"

/* One key at one place: what is known about it while it is read. */
struct slot {
    const struct config_row *row;
    const char *path;
    struct yaml_place at; /* of the key */
    char *base;           /* the struct that its value goes into */
};

static void read_section(struct config_draft *, const char *section, const struct slot *in,
                         const struct yaml_node *map);

static void *place_of(const struct slot *slot) {
    return slot->base + slot->row->place;
}

static size_t *count_of(const struct slot *slot) {
    return (void *)(slot->base + slot->row->beside);
}

/* Single values ------------------------------------------------------------ */

/* What is true of every value, before its own rules. */
static bool is_plain(struct text text, struct string *why) {
    if (text.size == 0)
        string_add_of(why, "is empty");
    for (size_t i = 0; i < text.size && why->size == 0; i++)
        if ((unsigned char)text.data[i] < ' ' || text.data[i] == 0x7f)
            string_add_of(why, "holds a line break or another control character");
    return why->size == 0;
}

static const char *kind_name(enum yaml_kind kind) {
    return kind == YAML_LIST ? "a list" : kind == YAML_MAP ? "a map" : "a single value";
}

/* Is the node what is wanted? If not, that is told. */
static bool is_kind(struct config_draft *draft, const char *path, struct yaml_place at,
                    const struct yaml_node *node, enum yaml_kind wanted) {
    if (node->kind == wanted)
        return true;
    if (node->kind == YAML_NOTHING)
        config_draft_problem(draft, at, "%s: is empty: write %s, or leave it out", path,
                             kind_name(wanted));
    else if (node->kind != YAML_REFUSED)
        config_draft_problem(draft, node->at, "%s: should be %s, and is %s", path,
                             kind_name(wanted), kind_name(node->kind));
    return false;
}

static bool opens(const struct config_draft *draft, const struct config_row *row) {
    return draft->needs == CONFIG_FOR_ALL || (row->read_for & 1U << draft->needs);
}

/* Secrets are read later, all of them in one go. */
static bool is_usable(const struct config_draft *draft, const struct config_row *row,
                      const char *name, struct string *why) {
    if (!opens(draft, row) || row->secret)
        return true;
    if (row->type == CONFIG_FOLDER)
        return config_files_writable(name, why);
    return row->type != CONFIG_FILE || config_files_readable(name, why);
}

static void read_single(struct config_draft *draft, const struct slot *slot,
                        const struct yaml_node *node) {
    struct string why = {0};
    config_draft_note(draft, slot->path, node->text, slot->at);
    if (!is_kind(draft, slot->path, slot->at, node, YAML_SCALAR))
        return;
    struct text text = text_of(node->text);
    if (!is_plain(text, &why) || !config_value_set(slot->row, slot->base, text, &why))
        config_draft_problem(draft, node->at, "%s: %s", slot->path, why.data);
    else if (!is_usable(draft, slot->row, node->text, &why))
        config_draft_problem(draft, slot->at, "%s: %s", slot->path, why.data);
    string_finish(&why);
}

/* Lists of values ---------------------------------------------------------- */

static bool is_item(struct config_draft *draft, const struct slot *slot, const char *path,
                    const struct yaml_node *item) {
    struct string why = {0};
    if (!is_kind(draft, path, item->at, item, YAML_SCALAR))
        return false;
    struct text text = text_of(item->text);
    bool fine = is_plain(text, &why) && (!slot->row->check || slot->row->check(text, &why));
    if (!fine)
        config_draft_problem(draft, item->at, "%s: %s", path, why.data);
    string_finish(&why);
    return fine;
}

static void tell_repeated(struct config_draft *draft, const char *path,
                          const struct yaml_node *list, size_t i) {
    for (size_t k = 0; k < i; k++) {
        const struct yaml_node *item = &list->items[k];
        if (item->kind != YAML_SCALAR || strcmp(item->text, list->items[i].text) != 0)
            continue;
        config_draft_problem(draft, list->items[i].at,
                             "%s: \"%.*s\" is given twice, first in line %zu, column %zu", path,
                             TEXT_ARG(config_check_quoted(text_of(item->text))), item->at.line,
                             item->at.column);
        return;
    }
}

/* A wrong item stays as an empty text, so that positions are those of the file. */
static void read_texts(struct config_draft *draft, const struct slot *slot,
                       const struct yaml_node *list) {
    char **texts = memory_new(list->count * sizeof(*texts));
    struct string path = {0}, shown = {0};
    *(char ***)place_of(slot) = texts;
    *count_of(slot) = list->count;
    string_add_of(&shown, "[");
    for (size_t i = 0; i < list->count; i++) {
        const struct yaml_node *item = &list->items[i];
        string_clear(&path);
        string_addf(&path, "%s[%zu]", slot->path, i);
        config_draft_note(draft, path.data, NULL, item->at);
        bool fine = is_item(draft, slot, path.data, item);
        if (fine)
            tell_repeated(draft, path.data, list, i);
        texts[i] = text_copy(text_of(fine ? item->text : NULL));
        string_addf(&shown, "%s%s", i ? ", " : "", texts[i]);
    }
    string_add_of(&shown, "]");
    config_draft_note(draft, slot->path, shown.data, slot->at);
    string_finish(&shown);
    string_finish(&path);
}

/* Headers ------------------------------------------------------------------ */

static bool is_header_new(struct config_draft *draft, const struct slot *slot,
                          const struct yaml_node *key) {
    const struct config_header *headers = *(struct config_header **)place_of(slot);
    for (size_t i = 0; i < *count_of(slot); i++)
        if (text_is_nocase(text_of(key->text), headers[i].name)) {
            config_draft_problem(draft, key->at, "%s: the header \"%s\" is given twice", slot->path,
                                 headers[i].name);
            return false;
        }
    return true;
}

static void add_header(const struct slot *slot, const char *name, const char *value) {
    struct config_header **headers = place_of(slot);
    size_t *count = count_of(slot);
    *headers = memory_resize(*headers, (*count + 1) * sizeof(**headers));
    struct config_header *header = &(*headers)[(*count)++];
    *header = (struct config_header){.name = text_copy(text_of(name))};
    if (slot->row->type == CONFIG_HEADERS)
        header->value = text_copy(text_of(value));
    else
        header->file = text_copy(text_of(value));
}

static void read_header(struct config_draft *draft, const struct slot *slot,
                        const struct yaml_node *key, const struct yaml_node *value) {
    struct string path = {0}, why = {0};
    string_addf(&path, "%s.%s", slot->path, key->text);
    if (!config_check_header_name(text_of(key->text), &why)) {
        config_draft_problem(draft, key->at, "%s: %s", slot->path, why.data);
    } else if (is_header_new(draft, slot, key) &&
               is_kind(draft, path.data, key->at, value, YAML_SCALAR)) {
        if (!is_plain(text_of(value->text), &why)) {
            config_draft_problem(draft, value->at, "%s: %s", path.data, why.data);
        } else {
            config_draft_note(draft, path.data, value->text, key->at);
            add_header(slot, key->text, value->text);
        }
    }
    string_finish(&path);
    string_finish(&why);
}

static void read_headers(struct config_draft *draft, const struct slot *slot,
                         const struct yaml_node *map) {
    config_draft_note(draft, slot->path, map->count ? NULL : "{}", slot->at);
    for (size_t i = 0; i < map->count; i += 2)
        read_header(draft, slot, &map->items[i], &map->items[i + 1]);
}

/* Lists of maps ------------------------------------------------------------ */

static void read_maps(struct config_draft *draft, const struct slot *slot,
                      const struct yaml_node *list) {
    char *items = memory_new(list->count * slot->row->item_bytes);
    struct string section = {0}, path = {0};
    *(char **)place_of(slot) = items;
    *count_of(slot) = list->count;
    config_draft_note(draft, slot->path, list->count ? NULL : "[]", slot->at);
    string_addf(&section, "%s[]", slot->row->path);
    for (size_t i = 0; i < list->count; i++) {
        const struct yaml_node *item = &list->items[i];
        string_clear(&path);
        string_addf(&path, "%s[%zu]", slot->path, i);
        config_draft_note(draft, path.data, NULL, item->at);
        struct slot inside = {
            .path = path.data, .at = item->at, .base = items + i * slot->row->item_bytes};
        if (is_kind(draft, path.data, item->at, item, YAML_MAP))
            read_section(draft, section.data, &inside, item);
    }
    string_finish(&section);
    string_finish(&path);
}

/* Maps of keys ------------------------------------------------------------- */

static void set_usual(const struct slot *slot) {
    struct string why = {0};
    if (slot->row->usual)
        config_value_set(slot->row, slot->base, text_of(slot->row->usual), &why);
    string_finish(&why);
}

static enum yaml_kind kind_of(enum config_type type) {
    switch (type) {
    case CONFIG_TEXTS:
    case CONFIG_FILES:
    case CONFIG_MAPS:
        return YAML_LIST;
    case CONFIG_HEADERS:
    case CONFIG_HEADER_FILES:
    case CONFIG_MAP:
        return YAML_MAP;
    default:
        return YAML_SCALAR;
    }
}

static void read_many(struct config_draft *draft, const struct slot *slot,
                      const struct yaml_node *node) {
    switch (slot->row->type) {
    case CONFIG_TEXTS:
    case CONFIG_FILES:
        read_texts(draft, slot, node);
        break;
    case CONFIG_HEADERS:
    case CONFIG_HEADER_FILES:
        read_headers(draft, slot, node);
        break;
    case CONFIG_MAPS:
        read_maps(draft, slot, node);
        break;
    default:
        config_draft_note(draft, slot->path, NULL, slot->at);
        read_section(draft, slot->row->path, slot, node);
    }
}

static void read_given(struct config_draft *draft, const struct slot *slot,
                       const struct yaml_node *node) {
    enum yaml_kind kind = kind_of(slot->row->type);
    set_usual(slot); /* so that a wrong value does not make the next rule look broken too */
    if (kind == YAML_SCALAR) {
        read_single(draft, slot, node);
        return;
    }
    if (!is_kind(draft, slot->path, slot->at, node, kind)) {
        config_draft_note(draft, slot->path, NULL, slot->at);
        if (slot->row->type == CONFIG_MAP)
            read_section(draft, slot->row->path, slot, NULL);
        return;
    }
    if (node->count == 0 && kind == YAML_LIST && !slot->row->may_be_empty)
        config_draft_problem(draft, node->at,
                             "%s: is an empty list: put something into it, or leave it out",
                             slot->path);
    read_many(draft, slot, node);
}

static void leave_out(struct config_draft *draft, const struct slot *slot,
                      struct yaml_place section_at) {
    struct yaml_place nowhere = {0};
    if (slot->row->type == CONFIG_MAP) {
        read_section(draft, slot->row->path, slot, NULL);
        return;
    }
    if (slot->row->needed)
        config_draft_problem(draft, section_at, "%s: is missing", slot->path);
    set_usual(slot);
    config_draft_note(draft, slot->path, slot->row->usual ? slot->row->usual : "(none)", nowhere);
}

static void tell_unknown(struct config_draft *draft, const char *section, const struct slot *in,
                         const struct yaml_node *key) {
    struct text quoted = config_check_quoted(text_of(key->text));
    struct nearest nearest = config_table_nearest(section, key->text);
    struct string sentence = {0};
    string_addf(&sentence, "%s%sunknown key \"%.*s\"", in->path, *in->path ? ": " : "",
                TEXT_ARG(quoted));
    if (nearest.name.size) {
        nearest_add(&nearest, &sentence);
    } else {
        const char *between = "; known here: ";
        for (size_t i = 0; i < config_table_rows; i++) {
            const char *known = config_table_key(&config_table[i], section);
            if (!known)
                continue;
            string_addf(&sentence, "%s%s", between, known);
            between = ", ";
        }
    }
    config_draft_problem(draft, key->at, "%s", sentence.data);
    string_finish(&sentence);
}

static const struct yaml_node *find_key(const struct yaml_node *map, const char *name) {
    for (size_t i = 0; i < map->count; i += 2)
        if (strcmp(map->items[i].text, name) == 0)
            return &map->items[i];
    return NULL;
}

static void tell_odd_keys(struct config_draft *draft, const char *section, const struct slot *in,
                          const struct yaml_node *map) {
    for (size_t i = 0; i < map->count; i += 2) {
        const struct yaml_node *key = &map->items[i], *first = map->items;
        while (strcmp(first->text, key->text) != 0)
            first += 2;
        if (first != key)
            config_draft_problem(
                draft, key->at, "%s%s\"%.*s\" is given twice, first in line %zu, column %zu",
                in->path, *in->path ? ": " : "", TEXT_ARG(config_check_quoted(text_of(key->text))),
                first->at.line, first->at.column);
        else if (!config_table_find(section, key->text))
            tell_unknown(draft, section, in, key);
    }
}

/* `map` NULL: nothing of it is given. */
static void read_section(struct config_draft *draft, const char *section, const struct slot *in,
                         const struct yaml_node *map) {
    struct string path = {0};
    if (map)
        tell_odd_keys(draft, section, in, map);
    for (size_t i = 0; i < config_table_rows; i++) {
        const char *name = config_table_key(&config_table[i], section);
        if (!name)
            continue;
        const struct yaml_node *key = map ? find_key(map, name) : NULL;
        string_clear(&path);
        string_addf(&path, "%s%s%s", in->path, *in->path ? "." : "", name);
        struct slot slot = {.row = &config_table[i], .path = path.data, .base = in->base};
        if (key) {
            slot.at = key->at;
            read_given(draft, &slot, key + 1);
        } else {
            leave_out(draft, &slot, in->at);
        }
    }
    string_finish(&path);
}

void config_read(struct config_draft *draft, const struct yaml_node *root) {
    struct slot whole = {.path = "", .at = {1, 1}, .base = (char *)&draft->config};
    if (root->kind == YAML_NOTHING || (root->kind == YAML_MAP && root->count == 0))
        config_draft_problem(draft, whole.at,
                             "the file is empty: it needs an endpoint under serve.endpoints, or a "
                             "service under services");
    else if (root->kind == YAML_MAP)
        read_section(draft, "", &whole, root);
    else if (root->kind != YAML_REFUSED)
        config_draft_problem(draft, root->at, "the file should be a map of keys, and is %s",
                             kind_name(root->kind));
}
