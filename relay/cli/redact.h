/* A redacted body shows its shape and not its content: every key, and "…" for
 * every string, number and truth value. They are people's applications for work;
 * whoever looks after the plumbing need not read them.
 *
 * The envelope's own fields stay as they are: event, event_id, created_at,
 * account_id. Nothing else does, so a field that Kula adds one day is hidden too. */
#pragma once
#include "base/text.h"

/* Adds it, on one line; false, with nothing added, where the body is not JSON. */
bool redact_body(struct text body, struct string *);
