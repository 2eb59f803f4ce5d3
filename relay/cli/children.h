/* Children are the processes that `up` runs: started in an order, ended in the
 * reverse one, and never left behind. */
#pragma once
#include "base/text.h"
#include "net/loop.h"

struct children;

/* `on_died` comes for each that ends unasked, with a sentence. */
typedef void children_died_fn(void *arg, const char *sentence);
struct children *children_create(struct loop *, children_died_fn *on_died, void *arg);
void children_destroy(struct children *); /* kills what is left */

/* argv[0] is the program's path. Its stderr is ours, or goes to the end of the
 * log file. Its own process group: Ctrl-C reaches us only, and we end it in turn. */
bool children_start(struct children *, const char *name, const char *const *argv,
                    const char *log_file, struct string *why);

/* SIGTERM to the last one, and to the next when it has ended; SIGKILL to who
 * takes more than 30 s. `on_end` comes once, when none is left. */
void children_stop(struct children *, loop_fn *on_end, void *arg);
void children_hurry(struct children *); /* SIGKILL to all */
