/* What did somebody mean who wrote a word that we do not know? */
#pragma once
#include <stddef.h>

/* How many letters were added, left out, changed, or swapped with their neighbour. Words of
 * more than 32 letters are as far away as that. */
size_t nearest_distance(const char *a, const char *b);
