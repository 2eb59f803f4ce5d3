/* Watches files for another content, by looking at them: at what a name leads to,
 * so that it also sees a symbolic link exchanged, which is how Kubernetes and
 * others bring a new secret. Needs nothing of a file system but stat(). */
#pragma once
#include "net/loop.h"

struct file_watch;

/* Looks as often as every_ms. on_change comes after a file was changed, made or removed, when all
 * of them have rested for one more look: a certificate and its key do not change at one instant. */
struct file_watch *file_watch_create(struct loop *, int64_t every_ms, loop_fn *on_change,
                                     void *arg);
void file_watch_destroy(struct file_watch *);

/* Starts a list anew, then names its files. One that stood on the last list too is the
 * same still; a new one counts as changed, because it may have been since it was read. */
void file_watch_restart(struct file_watch *);
void file_watch_add(struct file_watch *, const char *path); /* copied; NULL: none */
