/* UTF-8 as RFC 3629 has it: nothing overlong, no surrogates, nothing above
 * U+10FFFF. What comes from outside is looked at with this before it is shown. */
#pragma once
#include "base/text.h"

/* The size of the character that the text begins with, and the character; 0
 * where its first byte begins none. */
size_t utf8_read(struct text, uint32_t *character);
bool utf8_valid(struct text);

/* Whether printing the character does anything but show it: controls (of both
 * sets), line separators, and those that turn the direction of writing. */
bool utf8_steers(uint32_t character);
