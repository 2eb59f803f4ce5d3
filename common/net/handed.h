/* Listening sockets that whoever started us has opened already, as systemd's sockets are
 * (sd_listen_fds(3)). They outlive us: who connects while no process accepts waits for the next. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

struct handed {
    size_t count;
    bool *taken;
};

/* What the environment says, which it then no longer does. None is fine, and most usual. False
 * with a sentence where one is nothing to accept connections from, or there are too many. */
bool handed_init(struct handed *, struct string *why);
/* The descriptor of the one that is bound to just this address, which is now the caller's; -1
 * with a sentence where there is none. */
int handed_take(struct handed *, struct text address, struct string *why);
/* False with a sentence where one has not been taken. */
bool handed_is_taken(const struct handed *, struct string *why);
void handed_finish(struct handed *); /* closes what has not been taken */
