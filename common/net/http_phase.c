#include "net/http_phase.h"

#include <assert.h>

enum {
    REQUEST_MS = 10 * 1000,
    BODY_MS = 8 * 1000, /* later than that, hardly a moment is left to store it */
    BODY_RATE = 16 * 1024,
    IDLE_MS = 60 * 1000,
    DRAIN_MS = 1000,
    HURRY_MS = 2 * 1000,
    AGE_MS = 3600 * 1000,
    REQUESTS = 1000,
};

static void fill_in(int64_t *limit, int64_t usual) {
    if (*limit == 0)
        *limit = usual;
}

void http_phase_fill_in(struct http_limits *limits) {
    fill_in(&limits->request_ms, REQUEST_MS);
    fill_in(&limits->body_ms, BODY_MS);
    fill_in(&limits->body_rate, BODY_RATE);
    fill_in(&limits->idle_ms, IDLE_MS);
    fill_in(&limits->drain_ms, DRAIN_MS);
    fill_in(&limits->hurry_ms, HURRY_MS);
    fill_in(&limits->age_ms, AGE_MS);
    fill_in(&limits->requests, REQUESTS);
}

static int64_t earlier(int64_t a_ms, int64_t b_ms) {
    return a_ms < b_ms ? a_ms : b_ms;
}

/* A server that is to end has closed its door, and nobody shall keep it closed by saying nothing:
 * an honest sender needs milliseconds for its head, and sends its body at once. */
static int64_t hurried(const struct http_progress *progress, const struct http_limits *limits,
                       int64_t end_ms, int64_t earned_ms) {
    int64_t since_ms = progress->since_ms > progress->draining_since_ms
                           ? progress->since_ms
                           : progress->draining_since_ms;
    if (progress->trusted || !progress->draining_since_ms)
        return end_ms;
    return earlier(end_ms, since_ms + limits->hurry_ms + earned_ms);
}

/* Time for a body is given in advance, and more of it for what has come: who sends slower than
 * the least rate is not worth waiting for, however busy it looks. */
static int64_t body_end_ms(const struct http_progress *progress, const struct http_limits *limits) {
    int64_t earned_ms = (int64_t)progress->body_bytes * 1000 / limits->body_rate;
    int64_t end_ms = progress->since_ms + limits->body_ms + earned_ms;
    end_ms = hurried(progress, limits, end_ms, earned_ms);
    return earlier(end_ms, progress->request_since_ms + limits->request_ms);
}

static int64_t head_end_ms(const struct http_progress *progress, const struct http_limits *limits) {
    return hurried(progress, limits, progress->since_ms + limits->request_ms, 0);
}

int64_t http_phase_left_ms(const struct http_progress *progress, const struct http_limits *limits,
                           int64_t now_ms) {
    switch (progress->phase) {
    case HTTP_IDLE:
        return progress->since_ms - now_ms +
               (progress->draining_since_ms ? limits->drain_ms : limits->idle_ms);
    case HTTP_BODY:
        return body_end_ms(progress, limits) - now_ms;
    case HTTP_LINGERING:
        return progress->since_ms + limits->drain_ms - now_ms;
    case HTTP_SHAKING:
    case HTTP_HEAD:
        return head_end_ms(progress, limits) - now_ms;
    case HTTP_BUSY:
    case HTTP_ANSWERING:
        break;
    }
    assert(progress->phase != HTTP_BUSY);
    return progress->since_ms + limits->request_ms - now_ms;
}

bool http_phase_waits(enum http_phase phase) {
    return phase <= HTTP_BODY;
}
