/* From the YAML tree to the values, by the table: what is given is checked and
 * taken, what is left out gets its default, and what is wrong is told. Private to config*.c. */
#pragma once
#include "base/config_draft.h"

void config_read(struct config_draft *, const struct yaml_node *root);
