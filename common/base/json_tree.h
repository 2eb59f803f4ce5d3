/* JSON as a tree, for what is small and whose shape is not known beforehand: an
 * answer is asked for what it may have. What is large or on a hot path is read by
 * callbacks instead (json.h). Every question may be asked of NULL and of a node of
 * any kind, so that they can be chained; there is nothing, then. */
#pragma once
#include "base/json.h"

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_LIST, JSON_OBJECT };

struct json_tree;

/* NULL where it is malformed, as json_read has it. Destroy the root only. */
struct json_tree *json_tree_read(struct text);
void json_tree_destroy(struct json_tree *);

enum json_kind json_tree_kind(const struct json_tree *); /* of NULL: JSON_NULL */
size_t json_tree_count(const struct json_tree *);        /* of a list or an object */
const struct json_tree *json_tree_at(const struct json_tree *, size_t i);
struct text json_tree_key(const struct json_tree *, size_t i); /* of an object's i-th value */
/* The last one where a key is there twice, as everybody else has it; NULL where it is not. */
const struct json_tree *json_tree_get(const struct json_tree *, const char *key);

/* What a string says, a number as it was written, true and false; else empty. They live
 * as long as the tree. */
struct text json_tree_text(const struct json_tree *);
bool json_tree_number(const struct json_tree *, int64_t *); /* whole, and not negative */
bool json_tree_true(const struct json_tree *);

void json_tree_write(const struct json_tree *, struct json_writer *);
