#include "platter.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { SECTOR = 512 };

/* ---------------------------------------------------------------- bytes */

static void image_resize(struct image *image, size_t size) {
    image->data = memory_resize(image->data, size ? size : 1);
    if (size > image->size)
        memset(image->data + image->size, 0, size - image->size);
    image->size = size;
}

static void image_write(struct image *image, size_t at, const char *data, size_t size) {
    if (at + size > image->size)
        image_resize(image, at + size);
    memcpy(image->data + at, data, size);
}

static void image_set(struct image *image, struct text content) {
    image_resize(image, content.size);
    if (content.size)
        memcpy(image->data, content.data, content.size);
}

static struct text image_text(const struct image *image) {
    return text_slice(image->data, image->size);
}

static uint64_t chance(uint64_t *seed) { /* splitmix64 */
    uint64_t bits = *seed += 0x9e3779b97f4a7c15u;
    bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ bits >> 27) * 0x94d049bb133111ebu;
    return bits ^ bits >> 31;
}

/* ---------------------------------------------------------------- names */

size_t platter_parent_size(const char *path) {
    return (size_t)(strrchr(path, '/') - path);
}

bool platter_is_in(const char *path, const char *folder) {
    size_t size = strcmp(folder, "/") == 0 ? 0 : strlen(folder);
    return strcmp(path, "/") != 0 && platter_parent_size(path) == size &&
           strncmp(path, folder, size) == 0;
}

static struct name *name_find(const struct names *names, const char *path) {
    struct name *name;
    TAILQ_FOREACH (name, names, next)
        if (strcmp(name->path, path) == 0)
            return name;
    return NULL;
}

static struct node *node_find(const struct names *names, const char *path) {
    struct name *name = name_find(names, path);
    return name ? name->node : NULL;
}

static void name_remove(struct names *names, const char *path) {
    struct name *name = name_find(names, path);
    if (!name)
        return;
    TAILQ_REMOVE(names, name, next);
    free(name->path);
    free(name);
}

static void name_add(struct names *names, const char *path, struct node *node) {
    name_remove(names, path);
    struct name *name = memory_new(sizeof *name);
    name->path = text_copy(text_of(path));
    name->node = node;
    TAILQ_INSERT_TAIL(names, name, next);
}

void platter_names_clear(struct names *names) {
    while (!TAILQ_EMPTY(names))
        name_remove(names, TAILQ_FIRST(names)->path);
}

static void names_apply(struct names *names, const struct move *move) {
    struct node *node = move->from ? node_find(names, move->from) : move->node;
    if (move->from)
        name_remove(names, move->from);
    if (move->to && node)
        name_add(names, move->to, node);
}

static void move_free(struct platter *platter, struct move *move) {
    TAILQ_REMOVE(&platter->moves, move, next);
    free(move->from);
    free(move->to);
    free(move);
}

/* ---------------------------------------------------------------- nodes */

void platter_forget(struct node *node) {
    while (!STAILQ_EMPTY(&node->dirty)) {
        struct dirty *dirty = STAILQ_FIRST(&node->dirty);
        STAILQ_REMOVE_HEAD(&node->dirty, next);
        free(dirty->image.data);
        free(dirty);
    }
}

void platter_write(struct node *node, size_t at, const char *data, size_t size) {
    struct dirty *dirty = memory_new(sizeof *dirty);
    dirty->at = at;
    image_set(&dirty->image, text_slice(data, size));
    STAILQ_INSERT_TAIL(&node->dirty, dirty, next);
    image_write(&node->seen, at, data, size);
}

/* Once in a file's life, which is not written again. */
void platter_punch(struct node *node, size_t from, size_t up_to) {
    char *zeros = memory_new(up_to - from);
    platter_write(node, from, zeros, up_to - from);
    free(zeros);
    node->hole = up_to - from;
}

void platter_sync(struct node *node) {
    struct dirty *dirty;
    STAILQ_FOREACH (dirty, &node->dirty, next) {
        image_write(&node->safe, dirty->at, dirty->image.data, dirty->image.size);
    }
    platter_forget(node);
}

/* Of each write, some of its sectors have reached the disk. */
static void node_sync_partly(struct node *node, uint64_t *seed) {
    struct dirty *dirty;
    STAILQ_FOREACH (dirty, &node->dirty, next) {
        size_t end = dirty->at + dirty->image.size;
        for (size_t at = dirty->at, next; at < end; at = next) {
            next = at / SECTOR * SECTOR + SECTOR;
            if (next > end)
                next = end;
            if (chance(seed) & 1)
                image_write(&node->safe, at, dirty->image.data + (at - dirty->at), next - at);
        }
    }
    platter_forget(node);
}

static void node_free(struct node *node) {
    platter_forget(node);
    free(node->seen.data);
    free(node->safe.data);
    free(node);
}

/* ---------------------------------------------------------------- the whole */

int64_t platter_used(const struct platter *platter) {
    int64_t bytes = 0;
    struct name *name;
    TAILQ_FOREACH (name, &platter->seen, next)
        bytes += (int64_t)(name->node->seen.size - name->node->hole);
    return bytes;
}

int platter_parent_fault(const struct platter *platter, const char *path) {
    assert(path[0] == '/' && path[1]);
    char *parent = text_copy(text_slice(path, platter_parent_size(path)));
    struct node *node = node_find(&platter->seen, *parent ? parent : "/");
    free(parent);
    return !node ? ENOENT : node->folder ? 0 : ENOTDIR;
}

/* A journal keeps the order of changes to folders: what is left is their beginning. */
static void keep_some_moves(struct platter *platter, uint64_t *seed) {
    size_t count = 0;
    struct move *move;
    TAILQ_FOREACH (move, &platter->moves, next)
        count++;
    for (size_t kept = (size_t)(chance(seed) % (count + 1)); kept > 0; kept--) {
        names_apply(&platter->safe, TAILQ_FIRST(&platter->moves));
        move_free(platter, TAILQ_FIRST(&platter->moves));
    }
}

/* From the top: without its folder, nothing is found. */
static void see_what_is_safe(struct platter *platter) {
    platter_names_clear(&platter->seen);
    for (bool more = true; more;) {
        struct name *name;
        more = false;
        TAILQ_FOREACH (name, &platter->safe, next) {
            if (node_find(&platter->seen, name->path))
                continue;
            if (strcmp(name->path, "/") != 0 && platter_parent_fault(platter, name->path))
                continue;
            name_add(&platter->seen, name->path, name->node);
            more = true;
        }
    }
    platter_names_clear(&platter->safe);
}

void platter_keep(struct platter *platter) {
    struct name *name;
    platter_names_clear(&platter->safe);
    while (!TAILQ_EMPTY(&platter->moves))
        move_free(platter, TAILQ_FIRST(&platter->moves));
    TAILQ_FOREACH (name, &platter->seen, next) {
        name_add(&platter->safe, name->path, name->node);
        image_set(&name->node->safe, image_text(&name->node->seen));
    }
}

void platter_lose(struct platter *platter, bool torn, uint64_t seed) {
    struct node *node;
    if (torn)
        keep_some_moves(platter, &seed);
    SLIST_FOREACH (node, &platter->nodes, next) {
        if (torn)
            node_sync_partly(node, &seed);
        platter_forget(node);
        if (!node->folder)
            image_set(&node->seen, image_text(&node->safe));
    }
    see_what_is_safe(platter);
    platter_keep(platter);
}

struct node *platter_find(const struct platter *platter, const char *path) {
    return node_find(&platter->seen, path);
}

void platter_names_in(const struct platter *platter, const char *folder, struct names *copy) {
    struct name *name;
    TAILQ_INIT(copy);
    TAILQ_FOREACH (name, &platter->seen, next)
        if (platter_is_in(name->path, folder))
            name_add(copy, name->path, name->node);
}

struct node *platter_node(struct platter *platter, bool folder) {
    struct node *node = memory_new(sizeof *node);
    node->folder = folder;
    STAILQ_INIT(&node->dirty);
    SLIST_INSERT_HEAD(&platter->nodes, node, next);
    return node;
}

void platter_move(struct platter *platter, const char *from, const char *to, struct node *node) {
    struct move *move = memory_new(sizeof *move);
    *move = (struct move){.from = from ? text_copy(text_of(from)) : NULL,
                          .to = to ? text_copy(text_of(to)) : NULL,
                          .node = node};
    TAILQ_INSERT_TAIL(&platter->moves, move, next);
    names_apply(&platter->seen, move);
}

void platter_sync_folder(struct platter *platter, const char *path) {
    for (struct move *move = TAILQ_FIRST(&platter->moves), *next; move; move = next) {
        next = TAILQ_NEXT(move, next);
        if (!platter_is_in(move->to ? move->to : move->from, path))
            continue;
        names_apply(&platter->safe, move);
        move_free(platter, move);
    }
}

static void add_safe(struct platter *platter, const char *path, struct node *node) {
    name_add(&platter->seen, path, node);
    name_add(&platter->safe, path, node);
}

void platter_put(struct platter *platter, const char *path, struct text content) {
    struct node *node = platter_find(platter, path);
    assert(node || !platter_parent_fault(platter, path));
    if (!node)
        add_safe(platter, path, node = platter_node(platter, false));
    char *copy = memory_copy(content.data, content.size); /* it may be the file's own */
    image_set(&node->seen, text_slice(copy, content.size));
    image_set(&node->safe, text_slice(copy, content.size));
    free(copy);
}

void platter_init(struct platter *platter) {
    SLIST_INIT(&platter->nodes);
    TAILQ_INIT(&platter->seen);
    TAILQ_INIT(&platter->safe);
    TAILQ_INIT(&platter->moves);
    add_safe(platter, "/", platter_node(platter, true));
}

void platter_copy(struct platter *platter, const struct platter *from) {
    struct name *name;
    TAILQ_FOREACH (name, &from->seen, next) {
        struct node *node = platter_node(platter, name->node->folder);
        image_set(&node->seen, image_text(&name->node->seen));
        node->hole = name->node->hole;
        add_safe(platter, name->path, node);
    }
    platter_keep(platter);
}

void platter_finish(struct platter *platter) {
    while (!TAILQ_EMPTY(&platter->moves))
        move_free(platter, TAILQ_FIRST(&platter->moves));
    platter_names_clear(&platter->seen);
    platter_names_clear(&platter->safe);
    while (!SLIST_EMPTY(&platter->nodes)) {
        struct node *node = SLIST_FIRST(&platter->nodes);
        SLIST_REMOVE_HEAD(&platter->nodes, next);
        node_free(node);
    }
}
