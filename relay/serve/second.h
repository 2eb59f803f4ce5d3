/* The second readings, and who waits for one.
 *
 * A reading takes up to 30 ms of the loop, and anybody may ask for any number, over many
 * connections at once. So a turn of the loop reads no more than one such body may have. Who comes
 * over a connection that has proved to be Kula's goes first. And who has waited for too long goes
 * unread: else those behind would wait longer and longer, until nobody is answered in time. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "net/loop.h"

struct second;

struct second *second_create(struct loop *);
void second_destroy(struct second *); /* nobody is called any more */

/* Its turn has come, or, where not `in_time`, too many were before it. */
typedef void second_fn(void *arg, bool in_time);
void second_wait(struct second *, size_t body_bytes, bool proved, second_fn *, void *arg);
