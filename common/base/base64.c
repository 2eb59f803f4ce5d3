#include "base/base64.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const unsigned char *bytes, size_t size, struct string *s) {
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        unsigned bits = (unsigned)bytes[i] << 16;
        bits |= left > 1 ? (unsigned)bytes[i + 1] << 8 : 0;
        bits |= left > 2 ? bytes[i + 2] : 0;
        string_add_char(s, alphabet[bits >> 18]);
        string_add_char(s, alphabet[bits >> 12 & 63]);
        string_add_char(s, left > 1 ? alphabet[bits >> 6 & 63] : '=');
        string_add_char(s, left > 2 ? alphabet[bits & 63] : '=');
    }
}

/* Four characters; a NUL is none of them, though strchr would find one. */
static bool read_four(const char *four, unsigned *bits) {
    *bits = 0;
    for (size_t i = 0; i < 4; i++) {
        const char *found = four[i] ? strchr(alphabet, four[i]) : NULL;
        if (!found)
            return false;
        *bits = *bits << 6 | (unsigned)(found - alphabet);
    }
    return true;
}

bool base64_decode(struct text text, unsigned char *bytes, size_t *size) {
    *size = 0;
    if (text.size % 4 != 0)
        return false;
    for (size_t i = 0; i < text.size; i += 4) {
        char four[4];
        unsigned bits, padding = 0;
        memcpy(four, text.data + i, sizeof four);
        while (i + 4 == text.size && padding < 2 && four[3 - padding] == '=')
            four[3 - padding++] = 'A';
        if (!read_four(four, &bits))
            return false;
        bytes[(*size)++] = (unsigned char)(bits >> 16);
        if (padding < 2)
            bytes[(*size)++] = (unsigned char)(bits >> 8);
        if (padding < 1)
            bytes[(*size)++] = (unsigned char)bits;
    }
    return true;
}
