/* What every connection to Redis begins with, before any call is sent: AUTH,
 * SELECT, CLIENT SETNAME, ECHO, SCRIPT LOAD of all scripts, and a look at the mark, in one go. */
#pragma once
#include "net/redis.h"

struct evbuffer;
struct redis_greeting;

/* Borrows password and scripts, and fills in the scripts' digests. */
struct redis_greeting *redis_greeting_create(const struct redis_options *, unsigned database);
void redis_greeting_destroy(struct redis_greeting *);

/* From now on it also asks whether writes are taken. Not from the first, because much can be read
 * of a Redis that takes none; but to whoever wants to write, one that refused to is not there. */
void redis_greeting_ask_for_writes(struct redis_greeting *);
void redis_greeting_add(const struct redis_greeting *, struct evbuffer *);
size_t redis_greeting_count(const struct redis_greeting *); /* of the replies to come */
/* False where reply i is not as it has to be, with half a sentence that goes on
 * "Redis at 127.0.0.1:6379 ". */
bool redis_greeting_check(const struct redis_greeting *, size_t i, const struct redis_value *,
                          struct string *why);
