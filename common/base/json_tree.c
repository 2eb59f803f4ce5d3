#include "base/json_tree.h"

#include <stdlib.h>

#include "base/memory.h"

struct json_tree {
    enum json_kind kind;
    char *key; /* NULL: it stands in a list, or is the root */
    size_t key_size;
    char *text; /* of a string, a number or a bool */
    size_t size;
    struct json_tree **items;
    size_t count, room;
    struct json_tree *parent;
};

/* Where the next value goes. */
struct growing {
    struct json_tree *root, *open;
    char *key;
    size_t key_size;
};

static void add_item(struct json_tree *parent, struct json_tree *node) {
    if (parent->count == parent->room) {
        parent->room = parent->room ? 2 * parent->room : 4;
        parent->items = memory_resize(parent->items, parent->room * sizeof(*parent->items));
    }
    parent->items[parent->count++] = node;
}

static bool add(struct growing *growing, enum json_kind kind, struct text text) {
    struct json_tree *node = memory_new(sizeof *node);
    *node = (struct json_tree){.kind = kind,
                               .key = growing->key,
                               .key_size = growing->key_size,
                               .text = text_copy(text),
                               .size = text.size,
                               .parent = growing->open};
    growing->key = NULL;
    if (growing->open)
        add_item(growing->open, node);
    else
        growing->root = node;
    if (kind == JSON_LIST || kind == JSON_OBJECT)
        growing->open = node;
    return true;
}

static bool on_null(void *arg) {
    return add(arg, JSON_NULL, text_of(""));
}

static bool on_bool(void *arg, bool value) {
    return add(arg, JSON_BOOL, text_of(value ? "true" : "false"));
}

static bool on_number(void *arg, struct text digits) {
    return add(arg, JSON_NUMBER, digits);
}

static bool on_string(void *arg, struct text decoded) {
    return add(arg, JSON_STRING, decoded);
}

static bool on_key(void *arg, struct text decoded) {
    struct growing *growing = arg;
    growing->key = text_copy(decoded);
    growing->key_size = decoded.size;
    return true;
}

static bool on_open(void *arg, char bracket) {
    return add(arg, bracket == '{' ? JSON_OBJECT : JSON_LIST, text_of(""));
}

static bool on_close(void *arg, char bracket) {
    struct growing *growing = arg;
    (void)bracket;
    growing->open = growing->open->parent;
    return true;
}

struct json_tree *json_tree_read(struct text json) {
    static const struct json_reader reader = {on_null, on_bool, on_number, on_string,
                                              on_key,  on_open, on_close};
    struct growing growing = {0};
    bool whole = json_read(json, &reader, &growing) == JSON_WHOLE;
    free(growing.key);
    if (whole)
        return growing.root;
    json_tree_destroy(growing.root);
    return NULL;
}

void json_tree_destroy(struct json_tree *tree) {
    if (!tree)
        return;
    for (size_t i = 0; i < tree->count; i++)
        json_tree_destroy(tree->items[i]);
    free(tree->items);
    free(tree->key);
    free(tree->text);
    free(tree);
}

enum json_kind json_tree_kind(const struct json_tree *tree) {
    return tree ? tree->kind : JSON_NULL;
}

size_t json_tree_count(const struct json_tree *tree) {
    return tree ? tree->count : 0;
}

const struct json_tree *json_tree_at(const struct json_tree *tree, size_t i) {
    return i < json_tree_count(tree) ? tree->items[i] : NULL;
}

struct text json_tree_key(const struct json_tree *tree, size_t i) {
    const struct json_tree *item = json_tree_at(tree, i);
    return item && item->key ? text_slice(item->key, item->key_size) : text_of(NULL);
}

const struct json_tree *json_tree_get(const struct json_tree *tree, const char *key) {
    for (size_t i = json_tree_count(tree); i-- > 0;)
        if (tree->items[i]->key && text_is(json_tree_key(tree, i), key))
            return tree->items[i];
    return NULL;
}

struct text json_tree_text(const struct json_tree *tree) {
    return tree ? text_slice(tree->text, tree->size) : text_of(NULL);
}

bool json_tree_number(const struct json_tree *tree, int64_t *number) {
    uint64_t value;
    if (json_tree_kind(tree) != JSON_NUMBER ||
        !text_to_uint(json_tree_text(tree), INT64_MAX, &value))
        return false;
    *number = (int64_t)value;
    return true;
}

bool json_tree_true(const struct json_tree *tree) {
    return json_tree_kind(tree) == JSON_BOOL && text_is(json_tree_text(tree), "true");
}

static void write_items(const struct json_tree *tree, struct json_writer *writer) {
    json_open(writer, tree->kind == JSON_OBJECT ? '{' : '[');
    for (size_t i = 0; i < tree->count; i++) {
        if (tree->kind == JSON_OBJECT)
            json_key_text(writer, json_tree_key(tree, i));
        json_tree_write(tree->items[i], writer);
    }
    json_close(writer, tree->kind == JSON_OBJECT ? '}' : ']');
}

void json_tree_write(const struct json_tree *tree, struct json_writer *writer) {
    switch (json_tree_kind(tree)) {
    case JSON_NULL:
        json_null(writer);
        return;
    case JSON_BOOL:
        json_bool(writer, json_tree_true(tree));
        return;
    case JSON_NUMBER:
        json_digits(writer, json_tree_text(tree));
        return;
    case JSON_STRING:
        json_string(writer, json_tree_text(tree));
        return;
    case JSON_LIST:
    case JSON_OBJECT:
        write_items(tree, writer);
        return;
    }
}
