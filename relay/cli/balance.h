/* The audit's report, as a table or as JSON lines. */
#pragma once
#include "cli/cli.h"

/* Audits and prints. False, with CLI_FAILED, where it does not balance. */
bool balance_print(struct cli *);
