#include "base/config_compare.h"

#include <string.h>

#include "base/config_draft.h"
#include "base/config_table.h"

enum { NAMES_MOST = 20 }; /* in a log line */

struct comparison {
    const struct config_draft *was, *is;
    enum config_for whose;
    enum config_change wanted;
    struct text last; /* of the names; borrowed from a note */
    size_t count;
    struct string *names;
};

static bool is_section(struct text path, const char *section) {
    size_t size = strlen(section);
    return text_starts(path, section) && (path.size == size || strchr(".[", path.data[size]));
}

static bool concerns(enum config_for whose, struct text path) {
    bool both = is_section(path, "redis") || is_section(path, "log");
    bool serves = is_section(path, "serve");
    bool forwards = is_section(path, "forward") || is_section(path, "services");
    switch (whose) {
    case CONFIG_FOR_SERVE:
        return both || serves;
    case CONFIG_FOR_FORWARD:
        return both || forwards;
    default:
        return true;
    }
}

/* As the table writes it: "services[3].url" is "services[].url". */
static void add_general(struct text path, struct string *general) {
    bool inside = false;
    for (size_t i = 0; i < path.size; i++) {
        inside = path.data[i] == ']' ? false : inside;
        if (!inside)
            string_add_char(general, path.data[i]);
        inside = path.data[i] == '[' ? true : inside;
    }
}

/* Looked for from `near` on: what has changed little has it at about the same place. */
static const struct config_note *find_near(const struct config_draft *draft, struct text path,
                                           size_t near) {
    for (size_t i = 0; i < draft->note_count; i++) {
        const struct config_note *note = &draft->notes[(near + i) % draft->note_count];
        if (text_is(path, note->path))
            return note;
    }
    return NULL;
}

static const struct config_note *find(const struct config_draft *draft, struct text path) {
    return find_near(draft, path, 0);
}

static bool is_none(const struct config_draft *draft, struct text path) {
    const struct config_note *note = find(draft, path);
    return note && note->value && strcmp(note->value, "(none)") == 0;
}

/* A row is live by itself or by the list of maps that it stands in. */
static const struct config_row *find_live_row(struct text path) {
    const struct config_row *row = NULL;
    struct string general = {0};
    add_general(path, &general);
    for (size_t i = 0; i < config_table_rows && !row; i++)
        if (config_table[i].live && is_section(string_text(&general), config_table[i].path))
            row = &config_table[i];
    string_finish(&general);
    return row;
}

static enum config_change kind_of(const struct comparison *c, struct text path) {
    const struct config_row *row = find_live_row(path);
    if (!row)
        return CONFIG_CHANGE_RESTART;
    if (row->live == CONFIG_LIVE_IF_KEPT && (is_none(c->was, path) || is_none(c->is, path)))
        return CONFIG_CHANGE_RESTART;
    return CONFIG_CHANGE_LIVE;
}

/* Of an item of a list that the other one lacks, the item's name says all. */
static struct text name_of(const struct config_note *note, const struct config_draft *other) {
    struct text path = text_of(note->path);
    for (size_t i = 0; i < path.size; i++) {
        struct text item = text_slice(path.data, i + 1);
        if (path.data[i] == ']' && !find(other, item))
            return item;
    }
    return path;
}

static void add_name(struct comparison *c, struct text name) {
    if (!concerns(c->whose, name) || kind_of(c, name) != c->wanted || text_equal(name, c->last))
        return;
    c->last = name;
    c->count++;
    if (c->count == NAMES_MOST + 1)
        string_add_of(c->names, ", and more");
    if (c->count <= NAMES_MOST)
        string_addf(c->names, "%s%.*s", c->count > 1 ? ", " : "", TEXT_ARG(name));
}

/* Of both, what was written; maps and items have no value. */
static void compare_values(struct comparison *c) {
    for (size_t i = 0; i < c->is->note_count; i++) {
        const struct config_note *note = &c->is->notes[i];
        const struct config_note *old =
            note->value ? find_near(c->was, text_of(note->path), i) : NULL;
        if (note->value && !(old && old->value && strcmp(old->value, note->value) == 0))
            add_name(c, name_of(note, c->was));
    }
    for (size_t i = 0; i < c->was->note_count; i++) {
        const struct config_note *note = &c->was->notes[i];
        const struct config_note *now =
            note->value ? find_near(c->is, text_of(note->path), i) : NULL;
        if (note->value && !(now && now->value))
            add_name(c, name_of(note, c->is));
    }
}

static bool same_secret(const struct secret *a, const struct secret *b) {
    return text_equal(secret_text(a), secret_text(b));
}

struct secrets {
    const struct secret *items;
    size_t count;
};

static bool same_secrets(struct secrets a, struct secrets b) {
    if (a.count != b.count)
        return false;
    for (size_t i = 0; i < a.count; i++)
        if (!same_secret(&a.items[i], &b.items[i]))
            return false;
    return true;
}

/* Where the values differ too, that has been told. */
static void add_content(struct comparison *c, const char *path) {
    const struct config_note *old = find(c->was, text_of(path));
    const struct config_note *now = find(c->is, text_of(path));
    if (old && now && old->value && now->value && strcmp(old->value, now->value) == 0)
        add_name(c, text_of(now->path));
}

/* At "LIST[i].KEY". */
static void compare_at(struct comparison *c, const char *list, size_t i, const char *key,
                       struct secrets was, struct secrets is) {
    struct string path = {0};
    if (same_secrets(was, is))
        return;
    string_addf(&path, "%s[%zu].%s", list, i, key);
    add_content(c, path.data);
    string_finish(&path);
}

static void compare_header(struct comparison *c, size_t service, const struct config_header *was,
                           const struct config_header *is) {
    struct string path = {0};
    if (!was->value || !is->value || strcmp(was->value, is->value) == 0)
        return;
    string_addf(&path, "services[%zu].header_files.%s", service, is->name);
    add_content(c, path.data);
    string_finish(&path);
}

static void compare_service(struct comparison *c, size_t i) {
    const struct config_service *was = &c->was->config.services[i],
                                *is = &c->is->config.services[i];
    const struct {
        const char *key;
        struct secrets was, is;
    } rows[] = {
        {"sign.secret_files",
         {was->sign_keys, was->sign_secret_file_count},
         {is->sign_keys, is->sign_secret_file_count}},
        {"ca_file", {&was->ca, 1}, {&is->ca, 1}},
        {"client_certificate", {&was->certificate, 1}, {&is->certificate, 1}},
        {"client_key", {&was->key, 1}, {&is->key, 1}},
    };
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++)
        compare_at(c, "services", i, rows[k].key, rows[k].was, rows[k].is);
    for (size_t k = 0; k < was->header_count && k < is->header_count; k++)
        compare_header(c, i, &was->headers[k], &is->headers[k]);
}

/* What is in the files, where their names are the same. */
static void compare_contents(struct comparison *c) {
    const struct config *was = &c->was->config, *is = &c->is->config;
    if (!same_secret(&was->redis_password, &is->redis_password))
        add_content(c, "redis.password_file");
    for (size_t i = 0; i < was->endpoint_count && i < is->endpoint_count; i++) {
        const struct config_endpoint *old = &was->endpoints[i], *now = &is->endpoints[i];
        compare_at(c, "serve.endpoints", i, "secret_files",
                   (struct secrets){old->secrets, old->secret_file_count},
                   (struct secrets){now->secrets, now->secret_file_count});
    }
    for (size_t i = 0; i < was->service_count && i < is->service_count; i++)
        compare_service(c, i);
}

void config_compare(const struct config *was, const struct config *is, enum config_for whose,
                    enum config_change wanted, struct string *names) {
    /* Every configuration that is handed out is the first thing in its draft. */
    struct comparison comparison = {.was = (const void *)was,
                                    .is = (const void *)is,
                                    .whose = whose,
                                    .wanted = wanted,
                                    .names = names};
    compare_values(&comparison);
    compare_contents(&comparison);
}
