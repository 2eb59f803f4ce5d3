/* A file's content, read whole and without waiting for long: a pipe that nobody
 * fills must not hold up a program that reads its configuration again. And written
 * so that it is there after a power loss, too. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/text.h"

/* How many bytes, of `room` at most, were read; -1 with errno, which is ETIMEDOUT for a
 * pipe that has not come to its end within 2 s. */
ssize_t file_read(const char *path, void *buffer, size_t room);

/* All of it, and to the disk. False with errno. */
bool file_write(int file, struct text content);
/* The names in it, to the disk: a file that was made or renamed has no other. False with errno. */
bool file_sync_folder(const char *folder);

/* Why not, by errno, and where it is a permission that lacks, whose: in a container nobody thinks
 * of the user, and in a running process nobody of its sandbox. `what` is to be allowed: "read it".
 */
void file_add_reason(int error, const char *path, const char *what, struct string *why);
