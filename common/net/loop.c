#include "net/loop.h"

#include <assert.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"

enum { SIGNALS = 65 };

struct signal_handler {
    struct event *event;
    loop_fn *fn;
    void *arg;
};

struct loop {
    struct event_base *base;
    struct signal_handler signals[SIGNALS];
    bool stopped;
};

struct loop_timer {
    struct event *event;
    loop_fn *fn;
    void *arg;
};

static void on_libevent_message(int severity, const char *message) {
    if (severity >= EVENT_LOG_WARN)
        log_warning("libevent says message=%s", message);
}

struct loop *loop_create(void) {
    struct loop *loop = memory_new(sizeof *loop);
    signal(SIGPIPE, SIG_IGN);
    event_set_log_callback(on_libevent_message);
    loop->base = event_base_new();
    assert(loop->base);
    return loop;
}

void loop_destroy(struct loop *loop) {
    if (!loop)
        return;
    for (int i = 0; i < SIGNALS; i++)
        if (loop->signals[i].event)
            event_free(loop->signals[i].event);
    event_base_free(loop->base);
    free(loop);
}

void loop_run(struct loop *loop) {
    loop->stopped = false;
    while (!loop->stopped)
        loop_turn(loop);
}

void loop_stop(struct loop *loop) {
    loop->stopped = true;
    event_base_loopbreak(loop->base);
}

void loop_turn(struct loop *loop) {
    event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY);
}

struct event_base *loop_base(struct loop *loop) {
    return loop->base;
}

static void on_signal(evutil_socket_t signal_number, short what, void *arg) {
    struct signal_handler *handler = arg;
    (void)signal_number;
    (void)what;
    handler->fn(handler->arg);
}

void loop_on_signal(struct loop *loop, int signal_number, loop_fn *fn, void *arg) {
    assert(signal_number > 0 && signal_number < SIGNALS);
    struct signal_handler *handler = &loop->signals[signal_number];
    assert(!handler->event);
    *handler = (struct signal_handler){evsignal_new(loop->base, signal_number, on_signal, handler),
                                       fn, arg};
    assert(handler->event);
    event_add(handler->event, NULL);
}

static void on_timer(evutil_socket_t nothing, short what, void *arg) {
    struct loop_timer *timer = arg;
    (void)nothing;
    (void)what;
    timer->fn(timer->arg);
}

struct loop_timer *loop_timer_create(struct loop *loop, loop_fn *fn, void *arg) {
    struct loop_timer *timer = memory_new(sizeof *timer);
    *timer = (struct loop_timer){evtimer_new(loop->base, on_timer, timer), fn, arg};
    assert(timer->event);
    return timer;
}

void loop_timer_set(struct loop_timer *timer, int64_t in_ms) {
    if (in_ms < 0)
        in_ms = 0;
    event_add(timer->event, &(struct timeval){in_ms / 1000, in_ms % 1000 * 1000});
}

void loop_timer_cancel(struct loop_timer *timer) {
    event_del(timer->event);
}

bool loop_timer_is_set(const struct loop_timer *timer) {
    return evtimer_pending(timer->event, NULL);
}

void loop_timer_destroy(struct loop_timer *timer) {
    if (!timer)
        return;
    event_free(timer->event);
    free(timer);
}
