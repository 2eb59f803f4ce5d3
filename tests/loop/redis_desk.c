#include "redis_desk.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

enum { MOST_WORDS = 16, PATIENCE_MS = 20000 };

static void on_state(void *arg, bool connected) {
    struct desk *desk = arg;
    if (connected)
        desk->ups++;
    else
        desk->downs++;
}

struct desk *desk_open_with(const struct redis_options *options) {
    struct desk *desk = memory_new(sizeof *desk);
    struct redis_options ours = *options;
    struct string why = {0};
    ours.on_state = on_state;
    ours.arg = desk;
    desk->loop = loop_create();
    desk->redis = redis_create(desk->loop, &ours, &why);
    if (!desk->redis)
        fail_msg("%s", why.data);
    string_finish(&why);
    return desk;
}

struct desk *desk_open(const char *url) {
    return desk_open_with(&(struct redis_options){.url = url, .name = "test"});
}

void desk_close(struct desk *desk) {
    redis_destroy(desk->redis);
    loop_destroy(desk->loop);
    free(desk);
}

static void on_nothing(void *arg) {
    (void)arg;
}

/* Turns the loop once; the timer makes sure that a turn ends. */
static void turn(struct desk *desk, int64_t until_ms) {
    struct loop_timer *timer = loop_timer_create(desk->loop, on_nothing, NULL);
    loop_timer_set(timer, 50);
    loop_turn(desk->loop);
    loop_timer_destroy(timer);
    if (clock_steady_ms() > until_ms)
        fail_msg("waited too long; Redis' trouble is \"%.*s\"",
                 TEXT_ARG(redis_trouble(desk->redis)));
}

void desk_wait_connected(struct desk *desk) {
    int64_t until_ms = clock_steady_ms() + PATIENCE_MS;
    while (!redis_connected(desk->redis))
        turn(desk, until_ms);
}

void desk_wait_trouble(struct desk *desk, const char *part) {
    int64_t until_ms = clock_steady_ms() + PATIENCE_MS;
    for (;;) {
        struct text trouble = redis_trouble(desk->redis);
        if (trouble.size && memmem(trouble.data, trouble.size, part, strlen(part)))
            break;
        turn(desk, until_ms);
    }
    assert_false(redis_connected(desk->redis));
}

static void on_done(void *arg, enum redis_outcome outcome, const struct redis_value *value) {
    struct ask *ask = arg;
    assert_non_null(value);
    ask->times++;
    ask->turn = ++ask->desk->ended;
    ask->outcome = outcome;
    ask->kind = value->kind;
    ask->integer = redis_integer(value);
    ask->count = value->count;
    string_add(&ask->text, redis_text(value));
}

void desk_call(struct desk *desk, struct ask *ask, const struct redis_call *call) {
    *ask = (struct ask){.desk = desk};
    redis_call(desk->redis, call, on_done, ask);
    assert_int_equal(ask->times, 0);
}

void desk_ask(struct desk *desk, struct ask *ask, const char *command, int64_t deadline_ms,
              bool repeatable) {
    struct text words[MOST_WORDS], rest = text_of(command);
    size_t count = 0;
    for (; rest.size; count++)
        words[count] = text_cut(&rest, ' ');
    desk_call(
        desk, ask,
        &(struct redis_call){
            .args = words, .count = count, .deadline_ms = deadline_ms, .repeatable = repeatable});
}

void desk_wait(struct desk *desk, const struct ask *ask) {
    int64_t until_ms = clock_steady_ms() + PATIENCE_MS;
    while (!ask->times)
        turn(desk, until_ms);
    assert_int_equal(ask->times, 1);
}

void ask_finish(struct ask *ask) {
    string_finish(&ask->text);
}
