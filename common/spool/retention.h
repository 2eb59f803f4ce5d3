/* Which segments stay, and which may go: a question of what was drained, how old
 * it is, who holds it, and how full the spool is. */
#pragma once
#include "spool/room.h"

/* The ledger has more of it, or less. */
void retention_note_drained(struct spool *);
/* Hands to the writer what may go, the oldest first. */
void retention_sweep(struct spool *);
bool retention_keeps_any(const struct spool *);
int64_t retention_let_go(struct spool *, int64_t bytes, enum spool_goes);
int64_t retention_shortage(const struct spool *);
int64_t retention_bytes(const struct spool *); /* of all segment files that stay */
