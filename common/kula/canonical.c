/* Strings and numbers are written as they are read, one behind another; what goes around them
 * is a list of values, which an object puts into JavaScript's order when it is closed. So
 * nothing is copied twice, and all of it costs n log n, whatever the document. */
#include "kula/canonical.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "kula/ecma_number.h"

/* Of the digits of numbers, in a document: enough for 5,000 numbers of 17 digits, and some 15 ms
 * when all are used. */
enum { TRIES_MOST = 10000 };

enum { INDEX_DIGITS_MOST = 10 };
static const uint64_t index_most = UINT32_MAX - 1;

/* By positions, since both lists move when they grow. 0 is the root, so nobody's next. */
struct value {
    uint32_t key_at, key_size;   /* in `texts`, with its quotes; of an object's values */
    uint32_t text_at, text_size; /* of what has no values */
    uint32_t parent, first, last, next;
    char bracket; /* '{', '[' or '\0' */
};

/* One of an object's values, while they are put into order. */
struct member {
    struct text key;
    uint64_t head;  /* its first bytes, as a number: what is compared most */
    uint64_t index; /* of a key that is none: beyond all */
    uint32_t place; /* where the key stood first */
    uint32_t value;
};

struct canonical {
    struct string texts;
    struct value *values;
    size_t count, room;
    uint32_t open; /* whose values come now */
    uint32_t key_at, key_size;
    struct member *members;
    size_t member_room;
    unsigned tries;
};

/* ---- Reading ---- */

static struct value *add_value(struct canonical *canonical, char bracket) {
    uint32_t at = (uint32_t)canonical->count;
    if (canonical->count == canonical->room) {
        canonical->room = canonical->room ? 2 * canonical->room : 64;
        canonical->values =
            memory_resize(canonical->values, canonical->room * sizeof *canonical->values);
    }
    struct value *value = &canonical->values[canonical->count++];
    *value = (struct value){.key_at = canonical->key_at,
                            .key_size = canonical->key_size,
                            .text_at = (uint32_t)canonical->texts.size,
                            .parent = canonical->open,
                            .bracket = bracket};
    canonical->key_size = 0;
    if (at == 0)
        return value;
    struct value *parent = &canonical->values[canonical->open];
    if (parent->last)
        canonical->values[parent->last].next = at;
    else
        parent->first = at;
    parent->last = at;
    return value;
}

static void end_text(struct canonical *canonical, struct value *value) {
    value->text_size = (uint32_t)canonical->texts.size - value->text_at;
}

static bool add_word(struct canonical *canonical, const char *word) {
    struct value *value = add_value(canonical, '\0');
    string_add_of(&canonical->texts, word);
    end_text(canonical, value);
    return true;
}

static bool on_null(void *arg) {
    return add_word(arg, "null");
}

static bool on_bool(void *arg, bool is_true) {
    return add_word(arg, is_true ? "true" : "false");
}

static bool on_number(void *arg, struct text digits) {
    struct canonical *canonical = arg;
    struct value *value = add_value(canonical, '\0');
    bool read = ecma_number_add(&canonical->texts, digits, &canonical->tries);
    end_text(canonical, value);
    return read;
}

/* JSON.stringify lets everything stand but quotes, backslashes, controls and, for they are no
 * Unicode, halves of surrogate pairs: ED A0 80 and beyond. */
static size_t plain_run(struct text t) {
    size_t size = 0;
    while (size < t.size) {
        unsigned char c = (unsigned char)t.data[size];
        if (c < ' ' || c == '"' || c == '\\')
            break;
        if (c == 0xed && (unsigned char)t.data[size + 1] >= 0xa0)
            break;
        size++;
    }
    return size;
}

/* How many bytes of the text it stands for. */
static size_t add_escaped(struct string *s, const char *at) {
    static const char letters[] = "\bb\tt\nn\ff\rr\"\"\\\\";
    unsigned unit = (unsigned char)at[0];
    if (unit == 0xed) {
        unit = 0xd000 | ((unsigned)at[1] & 0x3f) << 6 | ((unsigned)at[2] & 0x3f);
        string_addf(s, "\\u%04x", unit);
        return 3;
    }
    const char *letter = letters;
    while (*letter && *letter != at[0])
        letter += 2;
    if (*letter)
        string_add(s, text_slice((char[]){'\\', letter[1]}, 2));
    else
        string_addf(s, "\\u%04x", unit);
    return 1;
}

static void add_quoted(struct string *s, struct text t) {
    string_add_char(s, '"');
    while (t.size) {
        size_t size = plain_run(t);
        string_add(s, text_slice(t.data, size));
        if (size < t.size)
            size += add_escaped(s, t.data + size);
        t = text_slice(t.data + size, t.size - size);
    }
    string_add_char(s, '"');
}

static bool on_string(void *arg, struct text decoded) {
    struct canonical *canonical = arg;
    struct value *value = add_value(canonical, '\0');
    add_quoted(&canonical->texts, decoded);
    end_text(canonical, value);
    return true;
}

static bool on_key(void *arg, struct text decoded) {
    struct canonical *canonical = arg;
    canonical->key_at = (uint32_t)canonical->texts.size;
    add_quoted(&canonical->texts, decoded);
    canonical->key_size = (uint32_t)canonical->texts.size - canonical->key_at;
    return true;
}

static bool on_open(void *arg, char bracket) {
    struct canonical *canonical = arg;
    add_value(canonical, bracket);
    canonical->open = (uint32_t)canonical->count - 1;
    return true;
}

/* ---- An object's order ---- */

/* "0" to "4294967294", as a number would be written; what is none comes behind them all. */
static uint64_t index_of(struct text quoted) {
    struct text key = text_slice(quoted.data + 1, quoted.size - 2);
    uint64_t index;
    bool is_index = key.size <= INDEX_DIGITS_MOST && text_to_uint(key, index_most, &index) &&
                    (key.data[0] != '0' || key.size == 1);
    return is_index ? index : UINT64_MAX;
}

/* Any order does that puts the same keys side by side. */
static uint64_t head_of(struct text key) {
    uint64_t head = 0;
    memcpy(&head, key.data, key.size < sizeof head ? key.size : sizeof head);
    return head;
}

static int compare_keys(const void *one, const void *other) {
    const struct member *a = one, *b = other;
    if (a->head != b->head)
        return a->head > b->head ? 1 : -1;
    size_t size = a->key.size < b->key.size ? a->key.size : b->key.size;
    int order = memcmp(a->key.data, b->key.data, size);
    if (order == 0)
        order = (a->key.size > b->key.size) - (a->key.size < b->key.size);
    return order ? order : (a->place > b->place) - (a->place < b->place);
}

static int compare_places(const void *one, const void *other) {
    const struct member *a = one, *b = other;
    if (a->index != b->index)
        return a->index > b->index ? 1 : -1;
    return (a->place > b->place) - (a->place < b->place);
}

static size_t collect_members(struct canonical *canonical, const struct value *object) {
    size_t count = 0;
    for (uint32_t at = object->first; at; at = canonical->values[at].next) {
        const struct value *value = &canonical->values[at];
        struct text key = text_slice(canonical->texts.data + value->key_at, value->key_size);
        if (count == canonical->member_room) {
            canonical->member_room = canonical->member_room ? 2 * canonical->member_room : 64;
            canonical->members = memory_resize(canonical->members,
                                               canonical->member_room * sizeof *canonical->members);
        }
        canonical->members[count++] = (struct member){key, head_of(key), index_of(key), at, at};
    }
    return count;
}

/* Sorted by key: of those that have the same one, the last's value stands in the first's place. */
static size_t drop_repeated(struct member *members, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept && text_equal(members[kept - 1].key, members[i].key))
            members[kept - 1].value = members[i].value;
        else
            members[kept++] = members[i];
    }
    return kept;
}

static void put_into_order(struct canonical *canonical, struct value *object) {
    size_t count = collect_members(canonical, object);
    if (count < 2)
        return;
    qsort(canonical->members, count, sizeof *canonical->members, compare_keys);
    count = drop_repeated(canonical->members, count);
    qsort(canonical->members, count, sizeof *canonical->members, compare_places);
    uint32_t next = 0;
    for (size_t i = count; i-- > 0;) {
        canonical->values[canonical->members[i].value].next = next;
        next = canonical->members[i].value;
    }
    object->first = next;
}

static bool on_close(void *arg, char bracket) {
    struct canonical *canonical = arg;
    struct value *value = &canonical->values[canonical->open];
    if (bracket == '}')
        put_into_order(canonical, value);
    canonical->open = value->parent;
    return true;
}

/* ---- Writing ---- */

/* Calls itself, but no deeper than json_read goes. */
static void write_value(const struct canonical *canonical, const struct value *value,
                        struct string *out) {
    const char *texts = canonical->texts.data;
    if (!value->bracket) {
        string_add(out, text_slice(texts + value->text_at, value->text_size));
        return;
    }
    string_add_char(out, value->bracket);
    for (uint32_t at = value->first; at; at = canonical->values[at].next) {
        const struct value *item = &canonical->values[at];
        if (at != value->first)
            string_add_char(out, ',');
        if (value->bracket == '{') {
            string_add(out, text_slice(texts + item->key_at, item->key_size));
            string_add_char(out, ':');
        }
        write_value(canonical, item, out);
    }
    string_add_char(out, value->bracket == '{' ? '}' : ']');
}

bool canonical_format(struct text json, struct string *out) {
    static const struct json_reader reader = {.on_null = on_null,
                                              .on_bool = on_bool,
                                              .on_number = on_number,
                                              .on_string = on_string,
                                              .on_key = on_key,
                                              .on_open = on_open,
                                              .on_close = on_close,
                                              .keeps_halves = true};
    struct canonical canonical = {.tries = TRIES_MOST};
    if (json.size > CANONICAL_MOST)
        return false;
    bool read = json_read(json, &reader, &canonical) == JSON_WHOLE;
    if (read)
        write_value(&canonical, canonical.values, out);
    string_finish(&canonical.texts);
    free(canonical.values);
    free(canonical.members);
    return read;
}

enum signature_verdict canonical_check(const struct signature *signature, struct hmac *const *keys,
                                       size_t key_count, struct text body, int64_t now_s,
                                       int64_t tolerance_s, size_t *matched) {
    enum signature_verdict verdict = SIGNATURE_UNMATCHED;
    struct string text = {0};
    if (canonical_format(body, &text))
        verdict = signature_check(signature, keys, key_count, string_text(&text), now_s,
                                  tolerance_s, matched);
    string_finish(&text);
    return verdict;
}
