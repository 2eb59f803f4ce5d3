#include "base/nearest.h"

#include <string.h>

enum {
    LONGEST = 32, /* two longer words are as far apart as that */
    BEGINNING = 4,
};

static size_t least_of(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Row by row through the well-known table: each row stands for one more letter of `a`, each
 * column for one more of `b`, and a field for what it takes to make the one of the other. */
static size_t distance_of(struct text a, struct text b) {
    size_t rows[3][LONGEST + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    if (a.size > LONGEST || b.size > LONGEST)
        return LONGEST;
    for (size_t k = 0; k <= b.size; k++)
        row[k] = k;
    for (size_t i = 0; i < a.size; i++) {
        size_t *oldest = before;
        before = last;
        last = row;
        row = oldest;
        row[0] = i + 1;
        for (size_t k = 0; k < b.size; k++) {
            size_t changed = last[k] + (a.data[i] != b.data[k]);
            row[k + 1] = least_of(changed, least_of(last[k + 1], row[k]) + 1);
            if (i && k && a.data[i] == b.data[k - 1] && a.data[i - 1] == b.data[k])
                row[k + 1] = least_of(row[k + 1], before[k - 1] + 1);
        }
    }
    return row[b.size];
}

static bool begins_alike(struct text a, struct text b) {
    size_t size = least_of(a.size, b.size);
    return size >= BEGINNING && memcmp(a.data, b.data, size) == 0;
}

void nearest_offer(struct nearest *nearest, struct text name) {
    size_t distance = begins_alike(nearest->word, name) ? 1 : distance_of(nearest->word, name);
    if (distance > 1 + name.size / 4 || (nearest->name.size && distance >= nearest->distance))
        return;
    nearest->name = name;
    nearest->distance = distance;
}

void nearest_add(const struct nearest *nearest, struct string *sentence) {
    if (nearest->name.size)
        string_addf(sentence, "; did you mean \"%.*s\"?", TEXT_ARG(nearest->name));
}
