/* The loop: one thread, one libevent base, and the timers and signals on it.
 *
 * Everything asynchronous above this file follows one rule: a call returns
 * void and its callback comes exactly once, later, never before the call has
 * returned. "Later" is a timer of 0 ms. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop_timer;
struct event_base;

typedef void loop_fn(void *arg);

struct loop *loop_create(void); /* ignores SIGPIPE; sends libevent's own messages to our log */
void loop_destroy(struct loop *);

void loop_run(struct loop *);  /* until loop_stop */
void loop_stop(struct loop *); /* may be called in any callback */
void loop_turn(struct loop *); /* waits for one round of events: for command lines that wait */

/* Handled on the loop, for the rest of the process. One handler a signal. */
void loop_on_signal(struct loop *, int signal_number, loop_fn *, void *arg);

/* A timer fires once each time it is set; setting it again moves it. */
struct loop_timer *loop_timer_create(struct loop *, loop_fn *, void *arg);
void loop_timer_set(struct loop_timer *, int64_t in_ms);
void loop_timer_cancel(struct loop_timer *);
bool loop_timer_is_set(const struct loop_timer *);
void loop_timer_destroy(struct loop_timer *);

struct event_base *loop_base(struct loop *); /* for net/ only */
