/* RESP2: a command is an array of bulk strings, written here by hand, for then
 * it is copied once; a reply is read by hiredis from bytes as they come. The one
 * file that names hiredis. */
#pragma once
#include "net/redis.h"

struct redis_reader;

enum redis_read { REDIS_READ_REPLY, REDIS_READ_MORE, REDIS_READ_BROKEN };

struct redis_reader *redis_reader_create(void);
void redis_reader_destroy(struct redis_reader *);

/* Small pieces, and every whole reply taken out before the next: hiredis moves
 * what it has not read yet down after each. */
enum { REDIS_READ_PIECE = 16 * 1024 };
void redis_reader_feed(struct redis_reader *, struct text);

/* A whole reply, which is then the caller's; more bytes are needed; or what came is not RESP. */
enum redis_read redis_reader_next(struct redis_reader *, struct redis_value **);
void redis_value_destroy(struct redis_value *);

/* A command in one piece of memory: begin it with the number of all its words,
 * add them in any portions. Both return where the next goes. */
size_t redis_command_bytes(const struct text *words,
                           size_t count); /* at most, beginning included */
char *redis_command_begin(char *to, size_t count);
char *redis_command_add(char *to, const struct text *words, size_t count);
