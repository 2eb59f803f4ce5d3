#include "forward/pace.h"

#include <string.h>

/* However bad it gets, a closed breaker leaves a slot for a retry and one for a new event. */
static const double LEAST_WINDOW = 2;

static double bounded(double value, double least, double most) {
    if (value > most)
        return most;
    return value < least ? least : value;
}

/* What `rate` may save up: a tenth of a second's worth, so that a pause is not followed by a
 * burst. */
static double most_tokens(const struct pace *pace) {
    return bounded((double)pace->rate / 10, 1, (double)pace->rate);
}

void pace_init(struct pace *pace, int64_t concurrency, int64_t rate, int64_t now_ms) {
    *pace = (struct pace){
        .most = concurrency, .rate = rate, .window = (double)concurrency, .tokens_ms = now_ms};
    pace->tokens = rate ? most_tokens(pace) : 0;
}

static void count_tokens(struct pace *pace, int64_t now_ms) {
    double earned = (double)(now_ms - pace->tokens_ms) * (double)pace->rate / 1000;
    pace->tokens = bounded(pace->tokens + earned, 0, most_tokens(pace));
    pace->tokens_ms = now_ms;
}

void pace_limit(struct pace *pace, int64_t concurrency, int64_t rate, int64_t now_ms) {
    bool wide = pace->window >= (double)pace->most;
    count_tokens(pace, now_ms);
    pace->most = concurrency;
    pace->rate = rate;
    pace->window = wide ? (double)concurrency : bounded(pace->window, 1, (double)concurrency);
    pace->tokens = bounded(pace->tokens, 0, most_tokens(pace));
}

size_t pace_room(const struct pace *pace, size_t in_flight, size_t retries) {
    size_t window = (size_t)pace->window;
    if (window > in_flight)
        return window - in_flight;
    /* The window may have shrunk below the retries that are still under way: a new event's slot
     * stays. */
    return window >= 2 && retries == in_flight && in_flight < (size_t)pace->most;
}

size_t pace_slots(struct pace *pace, size_t in_flight, size_t retries, int64_t now_ms) {
    size_t slots = pace_room(pace, in_flight, retries);
    if (!pace->rate)
        return slots;
    count_tokens(pace, now_ms);
    return slots < (size_t)pace->tokens ? slots : (size_t)pace->tokens;
}

size_t pace_at_once(const struct pace *pace, size_t slots) {
    size_t half = ((size_t)pace->window + 1) / 2;
    return slots < half ? slots : half;
}

size_t pace_retry_slots(const struct pace *pace, size_t slots, size_t retries_in_flight) {
    size_t window = (size_t)pace->window;
    if (window < 2) /* nothing to share: then it is by lot who comes first */
        return slots;
    size_t most = window - 1 > retries_in_flight ? window - 1 - retries_in_flight : 0;
    return slots < most ? slots : most;
}

int64_t pace_wait_ms(struct pace *pace, int64_t now_ms) {
    if (!pace->rate)
        return 0;
    count_tokens(pace, now_ms);
    return pace->tokens >= 1 ? 0 : (int64_t)((1 - pace->tokens) * 1000 / (double)pace->rate) + 1;
}

unsigned pace_start(struct pace *pace) {
    if (pace->rate && pace->tokens >= 1)
        pace->tokens -= 1;
    return pace->round;
}

static void forget_failures(struct pace *pace) {
    pace->failures = pace->different = 0;
}

enum moves_breaker pace_well(struct pace *pace, bool probe) {
    /* What was under way when it opened proves nothing: the failures came after it was sent. */
    if (pace->open && !probe)
        return MOVES_BREAKER_AS_IS;
    forget_failures(pace);
    pace->open = false;
    pace->window = bounded(pace->window + 1 / pace->window, 1, (double)pace->most);
    return probe ? MOVES_BREAKER_CLOSES : MOVES_BREAKER_AS_IS;
}

static void note_failure(struct pace *pace, struct text stream_id) {
    char id[PACE_ID] = {0};
    pace->failures++;
    if (stream_id.size)
        memcpy(id, stream_id.data, stream_id.size < PACE_ID ? stream_id.size : PACE_ID - 1);
    for (unsigned i = 0; i < pace->different; i++)
        if (strcmp(pace->failed[i], id) == 0)
            return;
    if (pace->different < PACE_EVENTS)
        memcpy(pace->failed[pace->different++], id, PACE_ID);
}

static void halve_window(struct pace *pace) {
    double least = pace->most < LEAST_WINDOW ? (double)pace->most : LEAST_WINDOW;
    pace->window =
        bounded(pace->window / 2, pace->window < least ? pace->window : least, (double)pace->most);
    pace->round++;
}

enum moves_breaker pace_failed(struct pace *pace, unsigned round, struct text stream_id,
                               bool probe) {
    if (probe)
        return MOVES_BREAKER_STAYS;
    if (pace->open)
        return MOVES_BREAKER_AS_IS;
    note_failure(pace, stream_id);
    if (round == pace->round)
        halve_window(pace);
    if (pace->failures < PACE_FAILURES || pace->different < PACE_EVENTS)
        return MOVES_BREAKER_AS_IS;
    pace_told(pace, true, 0);
    return MOVES_BREAKER_OPENS;
}

void pace_told(struct pace *pace, bool open, unsigned probes) {
    if (open != pace->open) {
        forget_failures(pace);
        pace->window = 1;
    }
    pace->open = open;
    pace->probes = probes;
}
