/* A body that is given to a command, in a file or on standard input. */
#pragma once
#include "cli/cli.h"

/* "-" is standard input. False: said, and remembered as the exit code. */
bool body_read(struct cli *, const char *file, struct string *body);
