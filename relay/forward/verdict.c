#include "forward/verdict.h"

#include "base/config.h"
#include "forward/backoff.h"

enum { MOST_PAUSE_S = 3600 }; /* a service that asks for more is asked again by then */

/* A service in the middle of a deployment answers 401, 403, 404, 405, 409 and
 * redirects; what comes of 408, 425, 429 and 5xx is no judgement on the event.
 * Any other 4xx is: the same body would be refused again. */
static bool may_get_better(int status) {
    switch (status) {
    case 401:
    case 403:
    case 404:
    case 405:
    case 408:
    case 409:
    case 425:
    case 429:
        return true;
    default:
        return status < 400 || status >= 500;
    }
}

static bool delivered(const struct http_result *result) {
    return result->outcome == HTTP_ANSWERED && result->status >= 200 && result->status < 300;
}

/* Retry-After means the service, not the event, on the two answers that are about its load. */
static int64_t asked_pause_ms(const struct http_result *result) {
    if (result->outcome != HTTP_ANSWERED || (result->status != 429 && result->status != 503))
        return 0;
    return result->retry_after_s < MOST_PAUSE_S ? result->retry_after_s * 1000
                                                : MOST_PAUSE_S * 1000;
}

struct verdict verdict_of(const struct config_service *service, const struct verdict_case *this) {
    const struct http_result *result = this->result;
    const char *reason = result->outcome == HTTP_ANSWERED ? "answered" : result->error;
    if (delivered(result))
        return (struct verdict){.move = MOVES_DONE, .reason = reason};
    if (result->outcome == HTTP_ANSWERED && !may_get_better(result->status))
        return (struct verdict){
            .move = MOVES_BURY, .refused = true, .reason = "the service refused it"};
    if (this->first_ms && this->now_ms - this->first_ms >= service->retry_give_up_ms)
        return (struct verdict){.move = MOVES_BURY, .reason = "still failing after retry.give_up"};
    int64_t delay_ms =
        backoff_ms(service->retry_first_ms, service->retry_most_ms, this->failed + 1, this->random);
    int64_t hold_ms = asked_pause_ms(result);
    return (struct verdict){
        .move = MOVES_DEFER,
        .delay_ms = delay_ms > hold_ms ? delay_ms : hold_ms,
        .hold_ms = hold_ms,
        .reason = reason,
    };
}
