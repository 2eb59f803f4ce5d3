/* One spool is one folder, named by its id, in a directory that holds many.
 * Whoever has the lock on the file `lock` in it owns it. */
#pragma once
#include "base/text.h"
#include "spool/disk.h"

enum { FOLDER_ID = 16 };

struct folder {
    char id[FOLDER_ID + 1];
    uint64_t spool; /* the same as a number */
    char *path;
    int lock; /* -1: not locked */
};

/* Where it is missing; its name is synced then. False with errno. */
bool folder_make_directory(const struct disk *, const char *directory);

/* A new one with a random id, locked, its name synced. The directory is made where it is missing.
 */
bool folder_create(struct folder *, const struct disk *, const char *directory, struct string *why);
/* False: `name` is no spool's. */
bool folder_named(struct folder *, const char *directory, const char *name);

enum folder_locked {
    FOLDER_LOCKED,
    FOLDER_HELD,   /* by somebody else */
    FOLDER_GONE,   /* its owner has just removed it */
    FOLDER_FAILED, /* errno */
};
enum folder_locked folder_lock(struct folder *, const struct disk *);

/* With all that is in it but copies of damage: where there are any, it stays. False with errno. */
bool folder_remove(const char *folder, const struct disk *, const char *directory);
void folder_finish(struct folder *, const struct disk *); /* the lock goes with it */
