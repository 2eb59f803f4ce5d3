/* What is on a simulated disk, twice: as processes see it now, and as it will be
 * found after the power was cut; with the writes and the changes to folders that
 * lie in between. No locks, no faults: those are disk_sim's. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/text.h"

/* Bytes that grow. */
struct image {
    char *data;
    size_t size;
};

/* A write that was not synced. */
struct dirty {
    STAILQ_ENTRY(dirty) next;
    size_t at;
    struct image image;
};
STAILQ_HEAD(dirties, dirty);

/* A file or a folder, whatever its name. */
struct node {
    SLIST_ENTRY(node) next; /* in platter->nodes: freed with it only */
    bool folder;
    struct image seen, safe;
    struct dirties dirty;
    size_t hole; /* bytes that were punched out; the power does not bring them back */
    int locker;  /* the descriptor that has the lock; 0: none */
};

struct name {
    TAILQ_ENTRY(name) next;
    char *path;
    struct node *node;
};
TAILQ_HEAD(names, name);

/* A change to a folder that was not synced. */
struct move {
    TAILQ_ENTRY(move) next;
    char *from, *to;   /* a create has no from, a remove no to */
    struct node *node; /* of a create */
};
TAILQ_HEAD(moves, move);

struct platter {
    SLIST_HEAD(, node) nodes;
    struct names seen, safe;
    struct moves moves;
};

void platter_init(struct platter *); /* with "/" on it */
void platter_finish(struct platter *);
void platter_copy(struct platter *, const struct platter *from); /* what is seen, all of it safe */

struct node *platter_find(const struct platter *, const char *path); /* NULL: not there */
int platter_parent_fault(const struct platter *, const char *path);  /* an errno; 0: it is there */
int64_t platter_used(const struct platter *);                        /* bytes in files */
bool platter_is_in(const char *path, const char *folder);            /* directly */
size_t platter_parent_size(const char *path);                        /* without its last slash */
void platter_names_in(const struct platter *, const char *folder, struct names *copy);
void platter_names_clear(struct names *);

struct node *platter_node(struct platter *, bool folder); /* without a name as yet */
/* Seen at once, safe with the folder's sync. No `from`: a new one; no `to`: it goes. */
void platter_move(struct platter *, const char *from, const char *to, struct node *);
void platter_sync_folder(struct platter *, const char *path);

void platter_write(struct node *, size_t at, const char *data, size_t size);
void platter_punch(struct node *, size_t from, size_t up_to);
void platter_sync(struct node *);
void platter_forget(struct node *); /* its writes since the last sync will not be safe */
void platter_put(struct platter *, const char *path, struct text content); /* safe at once */

/* What is safe, and by a chance made from the seed some of the rest, becomes what is seen. */
void platter_lose(struct platter *, bool torn, uint64_t seed);
void platter_keep(struct platter *); /* what is seen is safe */
