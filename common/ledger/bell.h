/* The door bell: one blocked read on a connection of its own, so that an idle
 * forwarder costs Redis about a command a minute and still hears at once. */
#pragma once
#include "net/loop.h"

struct bell;
struct config;
struct string;
struct text;

/* NULL with a sentence where no retry could mend it. */
struct bell *bell_create(struct loop *, const struct config *, loop_fn *on_ring, void *arg,
                         struct string *why);
/* Rings once when the stream has grown beyond `after`, or after a minute, or
 * when Redis was lost meanwhile; then it has to be armed again. Armed already:
 * nothing. */
void bell_arm(struct bell *, struct text after);
void bell_destroy(struct bell *);
