/* Base64 as RFC 4648 has it in section 4: with padding, in one line. */
#pragma once
#include "base/text.h"

void base64_encode(const unsigned char *bytes, size_t size, struct string *);

/* At most so many bytes come of a text. */
#define BASE64_ROOM(text_size) ((text_size) / 4 * 3)

/* False where anything in the text does not belong there. */
bool base64_decode(struct text, unsigned char *bytes, size_t *size);
