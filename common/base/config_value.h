/* One value from its text into its place, by its row. Private to config*.c. */
#pragma once
#include "base/config_table.h"

/* For rows of one value. False with what is wrong; the old value then stays. */
bool config_value_set(const struct config_row *, void *base, struct text, struct string *why);
