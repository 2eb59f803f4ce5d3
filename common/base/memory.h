/* Memory that is there or the process is not.
 *
 * Out of memory is the end of the process: a supervisor starts it again and
 * the ledger remembers, so no caller handles a NULL that never comes in tests. */
#pragma once
#include <stddef.h>

void *memory_new(size_t bytes); /* zeroed; free with free() */
void *memory_resize(void *old, size_t bytes);
char *memory_copy(const void *data, size_t bytes); /* with a NUL behind it */
void memory_give_back(void);                       /* what was freed, to the system */
