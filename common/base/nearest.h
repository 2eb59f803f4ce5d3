/* What did somebody mean who wrote a word that we do not know? Each known name is offered, and the
 * nearest stays. */
#pragma once
#include "base/text.h"

struct nearest {
    struct text word;
    struct text name; /* borrowed from who offered it; empty: none is near */
    size_t distance;
};

/* As far away as it has letters added, left out, changed, or swapped with their neighbour; near is
 * one, and one more for each four letters of the name. Where one begins the other that is as near:
 * "password" means password_file. Of two as near the first stays. */
void nearest_offer(struct nearest *, struct text name);

/* Adds `; did you mean "NAME"?`, or nothing. */
void nearest_add(const struct nearest *, struct string *);
