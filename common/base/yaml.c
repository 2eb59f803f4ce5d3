#include "base/yaml.h"

#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "base/memory.h"

struct reading {
    yaml_parser_t parser;
    struct text text;
    yaml_refuse_fn *refuse;
    void *arg;
};

static struct yaml_place place_of(yaml_mark_t mark) {
    return (struct yaml_place){mark.line + 1, mark.column + 1};
}

/* libyaml tells where the bytes went wrong as an offset, without a line. */
static struct yaml_place place_of_byte(struct text text, size_t offset) {
    struct yaml_place place = {1, 1};
    for (size_t i = 0; i < offset && i < text.size; i++) {
        place.column++;
        if (text.data[i] == '\n')
            place = (struct yaml_place){place.line + 1, 1};
    }
    return place;
}

static bool stands_at(struct text text, struct yaml_place place, char c) {
    for (size_t line = 1; line < place.line; line++)
        text_cut(&text, '\n');
    return text.size >= place.column && text.data[place.column - 1] == c;
}

/* What people run into most: a tab as indentation, and a pattern that begins
 * with "*" or "!", which YAML takes for an alias or a tag. */
static const char *hint(const struct reading *r, struct yaml_place at) {
    if (stands_at(r->text, at, '\t'))
        return "; indent with blanks, not with tabs";
    const char *context = r->parser.context;
    if (context && strstr(context, "scanning an alias"))
        return "; put quotes around a value that begins with \"*\"";
    if (context && strstr(context, "scanning a tag"))
        return "; put quotes around a value that begins with \"!\"";
    return "";
}

static bool tell_broken(struct reading *r) {
    const yaml_parser_t *parser = &r->parser;
    bool of_bytes = parser->error == YAML_READER_ERROR;
    struct yaml_place at =
        of_bytes ? place_of_byte(r->text, parser->problem_offset) : place_of(parser->problem_mark);
    struct string sentence = {0};
    string_addf(&sentence, "this is not YAML: %s",
                parser->problem ? parser->problem : "unreadable");
    if (parser->context)
        string_addf(&sentence, " %s", parser->context);
    if (parser->context && parser->context_mark.line + 1 != at.line)
        string_addf(&sentence, " that begins in line %zu", parser->context_mark.line + 1);
    string_add_of(&sentence, hint(r, at));
    r->refuse(r->arg, at, sentence.data);
    string_finish(&sentence);
    return false;
}

static bool next(struct reading *r, yaml_event_t *event) {
    return yaml_parser_parse(&r->parser, event) || tell_broken(r);
}

static void refuse_marks(struct reading *r, struct yaml_place at, const yaml_char_t *anchor,
                         const yaml_char_t *tag) {
    if (anchor)
        r->refuse(r->arg, at, "anchors (&) are not used here: write the value itself");
    if (tag)
        r->refuse(r->arg, at,
                  "tags (!) are not used here: put quotes around a value that begins with \"!\"");
}

static bool is_nothing(const yaml_event_t *event) {
    const char *text = (const char *)event->data.scalar.value;
    static const char *const spellings[] = {"", "~", "null", "Null", "NULL"};
    if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++)
        if (strcmp(text, spellings[i]) == 0)
            return true;
    return false;
}

static void read_scalar(struct reading *r, const yaml_event_t *event, struct yaml_node *node) {
    struct text text = {(const char *)event->data.scalar.value, event->data.scalar.length};
    refuse_marks(r, node->at, event->data.scalar.anchor, event->data.scalar.tag);
    if (event->data.scalar.anchor || event->data.scalar.tag)
        return;
    if (is_nothing(event)) {
        node->kind = YAML_NOTHING;
        return;
    }
    if (text.size && memchr(text.data, '\0', text.size)) {
        r->refuse(r->arg, node->at, "a value cannot hold a NUL byte");
        return;
    }
    node->kind = YAML_SCALAR;
    node->text = text_copy(text);
}

static struct yaml_node *add_item(struct yaml_node *parent) {
    /* Room doubles whenever the count is a power of two. */
    if ((parent->count & (parent->count - 1)) == 0)
        parent->items = memory_resize(parent->items, (parent->count ? parent->count * 2 : 1) *
                                                         sizeof(*parent->items));
    struct yaml_node *item = &parent->items[parent->count++];
    *item = (struct yaml_node){0};
    return item;
}

static void finish(struct yaml_node *node) {
    for (size_t i = 0; i < node->count; i++)
        finish(&node->items[i]);
    free(node->items);
    free(node->text);
}

static bool read_node(struct reading *, yaml_event_t *, unsigned depth, struct yaml_node *);

/* A key is one word. Where it is not, the pair is told and left out. */
static void drop_odd_key(struct reading *r, struct yaml_node *map) {
    struct yaml_node *key = &map->items[map->count - 2];
    if (key->kind == YAML_SCALAR)
        return;
    if (key->kind != YAML_REFUSED)
        r->refuse(r->arg, key->at, "a key must be a word");
    finish(key);
    finish(key + 1);
    map->count -= 2;
}

static bool read_items(struct reading *r, yaml_event_type_t end, unsigned depth,
                       struct yaml_node *node) {
    size_t most = node->kind == YAML_MAP ? 2 * YAML_MOST_ITEMS : YAML_MOST_ITEMS;
    for (size_t given = 1;; given++) {
        yaml_event_t event;
        if (!next(r, &event))
            return false;
        if (event.type == end) {
            yaml_event_delete(&event);
            return true;
        }
        if (node->count >= most) {
            r->refuse(r->arg, node->at, "this is too long: a list or map has 1000 items at most");
            yaml_event_delete(&event);
            return false;
        }
        if (!read_node(r, &event, depth + 1, add_item(node)))
            return false;
        if (node->kind == YAML_MAP && given % 2 == 0)
            drop_odd_key(r, node);
    }
}

/* Takes the event, with which the node begins. */
static bool read_node(struct reading *r, yaml_event_t *event, unsigned depth,
                      struct yaml_node *node) {
    yaml_event_type_t type = event->type;
    *node = (struct yaml_node){.kind = YAML_REFUSED, .at = place_of(event->start_mark)};
    if (type == YAML_SCALAR_EVENT) {
        read_scalar(r, event, node);
    } else if (type == YAML_SEQUENCE_START_EVENT) {
        refuse_marks(r, node->at, event->data.sequence_start.anchor,
                     event->data.sequence_start.tag);
        node->kind = YAML_LIST;
    } else if (type == YAML_MAPPING_START_EVENT) {
        refuse_marks(r, node->at, event->data.mapping_start.anchor, event->data.mapping_start.tag);
        node->kind = YAML_MAP;
    } else {
        r->refuse(r->arg, node->at,
                  "aliases (*) are not used here: write the value itself, and put quotes around "
                  "a value that begins with \"*\"");
    }
    yaml_event_delete(event);
    if (node->kind != YAML_LIST && node->kind != YAML_MAP)
        return true;
    if (depth >= YAML_MOST_DEPTH) {
        r->refuse(r->arg, node->at, "this is nested too deeply");
        return false;
    }
    yaml_event_type_t end =
        node->kind == YAML_LIST ? YAML_SEQUENCE_END_EVENT : YAML_MAPPING_END_EVENT;
    return read_items(r, end, depth, node);
}

static bool read_end(struct reading *r) {
    yaml_event_t event;
    if (!next(r, &event)) /* the end of the first document */
        return false;
    yaml_event_delete(&event);
    if (!next(r, &event))
        return false;
    if (event.type != YAML_STREAM_END_EVENT)
        r->refuse(r->arg, place_of(event.start_mark),
                  "a second document begins here: one is read, no more");
    yaml_event_delete(&event);
    return true;
}

static bool read_document(struct reading *r, struct yaml_node *root) {
    yaml_event_t event;
    if (!next(r, &event)) /* the start of the stream */
        return false;
    yaml_event_delete(&event);
    if (!next(r, &event))
        return false;
    bool empty = event.type == YAML_STREAM_END_EVENT;
    yaml_event_delete(&event);
    if (empty)
        return true;
    return next(r, &event) && read_node(r, &event, 1, root) && read_end(r);
}

struct yaml_node *yaml_read(struct text text, yaml_refuse_fn *refuse, void *arg) {
    struct reading r = {.text = text, .refuse = refuse, .arg = arg};
    struct yaml_node *root = memory_new(sizeof(*root));
    root->at = (struct yaml_place){1, 1};
    if (text.size > YAML_MOST_BYTES) {
        refuse(arg, root->at, "this is too large: a file has 256 KiB at most");
        yaml_destroy(root);
        return NULL;
    }
    if (!yaml_parser_initialize(&r.parser))
        abort(); /* it fails for want of memory only */
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.size ? text.data : ""),
                                 text.size);
    bool whole = read_document(&r, root);
    yaml_parser_delete(&r.parser);
    if (whole)
        return root;
    yaml_destroy(root);
    return NULL;
}

void yaml_destroy(struct yaml_node *root) {
    if (!root)
        return;
    finish(root);
    free(root);
}
