/* Confine: from the start on, serve and forward may open what their configuration names, and what
 * it takes to find a host and to trust its certificate; serve writes into its spool, and of TCP
 * knows its own ports and Redis'. A configuration that is read again may bring other content, and
 * names in the same folders. */
#pragma once
#include "base/config.h"
#include "base/metrics.h"

/* Before there are other threads, and when the spool's directory is there: a rule is for what is.
 * Logs what is in force, and shows it in kula_relay_sandbox; a kernel without any of it is no
 * error. */
void confine(const struct config *, enum config_for, struct metrics *);
