/* One event's way: when it was accepted, every attempt at every service, and
 * where it stands. */
#pragma once
#include "cli/cli.h"

/* Prints it. False, said and remembered as the exit code, where the ledger does
 * not know the event or Redis is away. */
bool way_print(struct cli *, struct text event_id);
