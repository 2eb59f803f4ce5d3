/* A number as JavaScript writes it: the fewest digits that read back as the same
 * double, in the form of ECMAScript's Number::toString. */
#pragma once
#include "base/text.h"

/* A number as JSON has it, added; what no double can hold is "null", as JSON.stringify has it.
 * `tries` is how often digits may still be tried, which is what costs time: hardly any number
 * needs that, one of 16 digits and more two or three times, one near zero up to 17 times.
 * False where they are used up. */
bool ecma_number_add(struct string *, struct text number, unsigned *tries);
