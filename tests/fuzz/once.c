/* Runs a fuzz target on each file named, and on those in each folder named, once: what
 * was ever found stays found, with any compiler and without libFuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MOST = 1 << 20 };

static int run_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return 1;
    }
    char *data = memory_new(INPUT_MOST);
    size_t size = fread(data, 1, INPUT_MOST, file);
    fclose(file);
    char *exact = memory_copy(data, size); /* so that a sanitizer sees a step too far */
    free(data);
    LLVMFuzzerTestOneInput((const uint8_t *)exact, size);
    free(exact);
    return 0;
}

static int run(const char *path) {
    DIR *folder = opendir(path);
    int bad = 0;
    if (!folder)
        return run_file(path);
    for (struct dirent *entry; (entry = readdir(folder));) {
        struct string inside = {0};
        if (entry->d_name[0] == '.')
            continue;
        string_addf(&inside, "%s/%s", path, entry->d_name);
        bad += run_file(inside.data);
        string_finish(&inside);
    }
    closedir(folder);
    return bad;
}

int main(int count, char **arguments) {
    int bad = count < 2;
    for (int i = 1; i < count; i++)
        bad += run(arguments[i]);
    return bad ? 1 : 0;
}
