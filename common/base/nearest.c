#include "base/nearest.h"

#include <string.h>

enum { MOST = 32 };

static size_t least_of(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Row by row through the well-known table: each row stands for one more letter of `a`, each
 * column for one more of `b`, and a field for what it takes to make the one of the other. */
size_t nearest_distance(const char *a, const char *b) {
    size_t rows[3][MOST + 1], width = strlen(b);
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    if (strlen(a) > MOST || width > MOST)
        return MOST;
    for (size_t k = 0; k <= width; k++)
        row[k] = k;
    for (size_t i = 0; a[i]; i++) {
        size_t *oldest = before;
        before = last;
        last = row;
        row = oldest;
        row[0] = i + 1;
        for (size_t k = 0; k < width; k++) {
            size_t changed = last[k] + (a[i] != b[k]);
            row[k + 1] = least_of(changed, least_of(last[k + 1], row[k]) + 1);
            if (i && k && a[i] == b[k - 1] && a[i - 1] == b[k])
                row[k + 1] = least_of(row[k + 1], before[k - 1] + 1);
        }
    }
    return row[width];
}
