/* What two values have to do with each other, and what a command needs.
 * Private to config*.c. */
#pragma once
#include "base/config_draft.h"

void config_cross_check(struct config_draft *);
