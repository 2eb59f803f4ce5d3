/* What the supervisor that started us is told, in systemd's words (sd_notify(3)): that we are
 * ready, how things stand, that we stop; and, from the loop, that it still turns (WatchdogSec=).
 * Where nobody wants to know, as $NOTIFY_SOCKET says, all of it does nothing. */
#pragma once
#include "net/loop.h"

struct supervisor;

/* Takes the variables out of the environment: no child of ours shall speak for us. */
struct supervisor *supervisor_create(struct loop *);
void supervisor_destroy(struct supervisor *);

/* Statuses are one line for people, without a body or a secret; NULL: it stays. */
void supervisor_ready(struct supervisor *, const char *status);
void supervisor_status(struct supervisor *, const char *status);
void supervisor_reloading(struct supervisor *); /* until it is ready again */
void supervisor_stopping(struct supervisor *, const char *status);
