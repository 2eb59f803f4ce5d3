#include "forward/judgement.h"

#include "base/config.h"
#include "base/random.h"
#include "forward/attempt.h"
#include "forward/backoff.h"
#include "forward/pace.h"
#include "forward/tally.h"

enum { PROBE_MOST_MS = 60000 }; /* a service that is back is noticed so soon */

static void judge_service(struct judgement *judgement, const struct attempt *attempt,
                          struct pace *pace) {
    const struct config_service *service = attempt->service;
    const struct verdict *verdict = &judgement->verdict;
    unsigned failed_probes = attempt->probe ? pace->probes + 1 : 0;
    if (verdict->move == MOVES_DONE || verdict->refused)
        judgement->breaker = pace_well(pace, attempt->probe);
    else
        judgement->breaker =
            pace_failed(pace, attempt->round, attempt->event.stream_id, attempt->probe);
    int64_t most_ms =
        service->retry_most_ms < PROBE_MOST_MS ? service->retry_most_ms : PROBE_MOST_MS;
    int64_t first_ms = service->retry_first_ms < most_ms ? service->retry_first_ms : most_ms;
    judgement->probe_in_ms = backoff_ms(first_ms, most_ms, failed_probes + 1, random_bits());
}

struct judgement judgement_of(const struct attempt *attempt, const struct http_result *result,
                              struct pace *pace, struct tally *tally) {
    struct judgement judgement = {
        .verdict = verdict_of(attempt->service,
                              &(struct verdict_case){
                                  .result = result,
                                  .failed = attempt->failed,
                                  .first_ms = attempt->first_ms,
                                  .now_ms = attempt->taken_ms + result->took_ms,
                                  .random = random_bits(),
                              }),
        .status = result->status,
        .took_ms = result->took_ms,
    };
    metric_observe_ms(tally->seconds, result->took_ms);
    tally_verdict(tally, attempt, &judgement.verdict, result->status, result->took_ms);
    judge_service(&judgement, attempt, pace);
    tally_breaker(tally, judgement.breaker, judgement.verdict.reason, judgement.probe_in_ms);
    tally_pace(tally, pace);
    return judgement;
}

struct judgement judgement_of_no_event(const struct attempt *attempt, struct tally *tally) {
    struct judgement judgement = {
        .verdict = {.move = MOVES_BURY,
                    .reason = "the entry is no event of ours: id, type or body is missing"},
        /* As a probe it said nothing of the service: another one may follow at once. */
        .breaker = attempt->probe ? MOVES_BREAKER_STAYS : MOVES_BREAKER_AS_IS,
    };
    tally_verdict(tally, attempt, &judgement.verdict, 0, 0);
    return judgement;
}
