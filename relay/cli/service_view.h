/* How the services stand, on the screen and in JSON lines. */
#pragma once
#include "cli/cli.h"

/* One row or line for each service that the ledger knows, or for one; waits for them. False: said.
 */
bool service_view_all(struct cli *,
                      bool part); /* `part`: each line says that it is one of status */
bool service_view_one(struct cli *, const char *name);

/* The names, sorted; service_view_free takes them back. NULL: said. */
char **service_view_names(struct cli *, size_t *count);
void service_view_free(char **names, size_t count);

bool service_view_is_configured(const struct cli *, const char *name);
