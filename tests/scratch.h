/* Files on a real disk, for one test: written, and removed with all that came beside them. */
#pragma once
#include <stdbool.h>

void scratch_write(const char *path, const char *content);
/* A folder with whatever is in it, or a file. False, with errno: some of it is there yet. */
bool scratch_remove(const char *path);
