/* How the services stand, on the screen and in JSON lines. */
#pragma once
#include "cli/cli.h"

/* One row or line for each service that the ledger knows, or for one; waits for them. False: said.
 * `part`: each line says that it is one of status. `owned`: a forward delivers it in order now. */
bool service_view_all(struct cli *, bool part);
bool service_view_one(struct cli *, const char *name, bool *owned);

/* The names, sorted; service_view_free takes them back. NULL: said. */
char **service_view_names(struct cli *, size_t *count);
void service_view_free(char **names, size_t count);

/* Whether the configuration names services at all, as forward's does: one that names none knows
 * nothing of what forward has. */
bool service_view_can_tell(const struct cli *);
bool service_view_is_configured(const struct cli *, const char *name);
