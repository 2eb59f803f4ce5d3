/* A YAML document as a small tree that knows the place of everything in it.
 *
 * Only the part of YAML 1.1 that a configuration needs: anchors, aliases, tags
 * and several documents are refused, and depth and size are bounded, so a tree
 * is never larger than its text. The one file that names libyaml. */
#pragma once
#include "base/text.h"

enum {
    YAML_MOST_BYTES = 256 * 1024,
    YAML_MOST_DEPTH = 16,
    YAML_MOST_ITEMS = 1000, /* of one list or map */
};

struct yaml_place {
    size_t line, column; /* from 1 */
};

enum yaml_kind {
    YAML_NOTHING, /* `key:` with nothing behind it, ~ or null */
    YAML_SCALAR,
    YAML_LIST,
    YAML_MAP,
    YAML_REFUSED, /* something stood here, and what was wrong with it has been told */
};

struct yaml_node {
    enum yaml_kind kind;
    struct yaml_place at;
    char *text; /* SCALAR: NUL-terminated, and no NUL within */
    struct yaml_node
        *items;   /* LIST: its items; MAP: key, value, key, value, ...; keys are SCALAR */
    size_t count; /* of items: of a map, twice its pairs */
};

/* Told of each thing that is refused, with a sentence that lives for the call. */
typedef void yaml_refuse_fn(void *arg, struct yaml_place, const char *sentence);

/* NULL where the text is not YAML, which has then been told as well. The tree of
 * an empty text is YAML_NOTHING. */
struct yaml_node *yaml_read(struct text, yaml_refuse_fn *, void *arg);
void yaml_destroy(struct yaml_node *);
