#include "base/utf8.h"

#include <string.h>

/* By first byte: how many follow, and what the first of these must be between
 * (which is where overlong forms, surrogates and too large numbers end). */
struct form {
    unsigned char first, last;
    unsigned char following;
    unsigned char low, high;
};
static const struct form forms[] = {
    {0xc2, 0xdf, 1, 0x80, 0xbf}, {0xe0, 0xe0, 2, 0xa0, 0xbf}, {0xe1, 0xec, 2, 0x80, 0xbf},
    {0xed, 0xed, 2, 0x80, 0x9f}, {0xee, 0xef, 2, 0x80, 0xbf}, {0xf0, 0xf0, 3, 0x90, 0xbf},
    {0xf1, 0xf3, 3, 0x80, 0xbf}, {0xf4, 0xf4, 3, 0x80, 0x8f},
};

static const struct form *form_of(unsigned char first) {
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (first >= forms[i].first && first <= forms[i].last)
            return &forms[i];
    return NULL;
}

size_t utf8_read(struct text t, uint32_t *character) {
    const unsigned char *bytes = (const unsigned char *)t.data;
    if (t.size == 0)
        return 0;
    if (bytes[0] < 0x80) {
        *character = bytes[0];
        return 1;
    }
    const struct form *form = form_of(bytes[0]);
    if (!form || t.size <= form->following || bytes[1] < form->low || bytes[1] > form->high)
        return 0;
    /* The first byte keeps 5, 4 or 3 of its bits for the number. */
    uint32_t number = bytes[0] & (0x3fu >> form->following);
    for (size_t i = 1; i <= form->following; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        number = number << 6 | (bytes[i] & 0x3f);
    }
    *character = number;
    return form->following + 1u;
}

/* Eight bytes at a time, because bodies are long and nearly all ASCII. */
static size_t ascii_run(const char *data, size_t size) {
    size_t at = 0;
    for (uint64_t eight; at + sizeof eight <= size; at += sizeof eight) {
        memcpy(&eight, data + at, sizeof eight);
        if (eight & UINT64_C(0x8080808080808080))
            break;
    }
    while (at < size && (unsigned char)data[at] < 0x80)
        at++;
    return at;
}

bool utf8_valid(struct text t) {
    while (t.size) {
        uint32_t character;
        size_t size = ascii_run(t.data, t.size);
        if (size == 0)
            size = utf8_read(t, &character);
        if (size == 0)
            return false;
        t = text_slice(t.data + size, t.size - size);
    }
    return true;
}

bool utf8_steers(uint32_t c) {
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x61c || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}
