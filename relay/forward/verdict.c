#include "forward/verdict.h"

#include "base/config.h"
#include "forward/backoff.h"

/* What a status says of the event, and what of the service. Later is always right where it is
 * the service's doing; at once where the same body would be refused again. */
struct row {
    int from, to;
    enum moves_verdict move;
    bool may_hold; /* it is about the service's load: Retry-After means all events */
    const char *reason;
};

static const struct row rows[] = {
    {200, 299, MOVES_DONE, false, "answered"},
    /* Followed, they would lead a body, and a signature, to where nobody configured. One that
     * stays is a wrong url, which a person mends before `give_up`. */
    {300, 399, MOVES_DEFER, false, "answered with a redirect, and none is followed"},
    /* A service in the middle of a deployment looks so: its routes, its secrets and the proxy
     * in front of it come one after the other. */
    {401, 401, MOVES_DEFER, false, "answered"},
    {403, 405, MOVES_DEFER, false, "answered"},
    {409, 409, MOVES_DEFER, false, "answered"}, /* what it conflicts with may be gone by then */
    /* These say themselves that the event is not meant. */
    {408, 408, MOVES_DEFER, false, "answered"},
    {425, 425, MOVES_DEFER, false, "answered"},
    {429, 429, MOVES_DEFER, true, "answered"},
    /* Any other 4xx is a judgement on the event, 410 too: what a service does not want any more
     * a person takes out of its `events`. */
    {400, 499, MOVES_BURY, false, "the service refused it"},
    {503, 503, MOVES_DEFER, true, "answered"},
    {500, 599, MOVES_DEFER, false, "answered"},
};

/* The first that fits counts. */
static const struct row *row_of(int status) {
    static const struct row unknown = {0, 0, MOVES_DEFER, false,
                                       "answered with no status of HTTP's"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (status >= rows[i].from && status <= rows[i].to)
            return &rows[i];
    return &unknown;
}

/* No answer is no judgement: the service may even have taken it. */
static struct row row_of_result(const struct http_result *result) {
    if (result->outcome == HTTP_ANSWERED)
        return *row_of(result->status);
    return (struct row){.move = MOVES_DEFER, .reason = result->error};
}

static int64_t asked_pause_ms(const struct http_result *result) {
    return result->retry_after_ms < VERDICT_MOST_PAUSE_MS ? result->retry_after_ms
                                                          : VERDICT_MOST_PAUSE_MS;
}

struct verdict verdict_of(const struct config_service *service, const struct verdict_case *this) {
    struct row row = row_of_result(this->result);
    if (row.move != MOVES_DEFER)
        return (struct verdict){
            .move = row.move, .refused = row.move == MOVES_BURY, .reason = row.reason};
    if (this->first_ms && this->now_ms - this->first_ms >= service->retry_give_up_ms)
        return (struct verdict){.move = MOVES_BURY, .reason = "still failing after retry.give_up"};
    int64_t hold_ms = row.may_hold ? asked_pause_ms(this->result) : 0;
    int64_t delay_ms =
        backoff_ms(service->retry_first_ms, service->retry_most_ms, this->failed + 1, this->random);
    return (struct verdict){
        .move = MOVES_DEFER,
        .delay_ms = delay_ms > hold_ms ? delay_ms : hold_ms,
        .hold_ms = hold_ms,
        .reason = row.reason,
    };
}
