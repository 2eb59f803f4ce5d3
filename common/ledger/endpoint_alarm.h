/* What is worth a line in the log about how an endpoint is doing: at each crossing, once. */
#pragma once
#include "ledger/endpoint.h"

enum endpoint_level { ENDPOINT_CALM, ENDPOINT_WARNING, ENDPOINT_ALARM };

/* 10 of Kula's 25 failures are a warning, 18 an alarm. */
enum endpoint_level endpoint_level_of(int64_t failures);
/* No event for as long as 20 usually take: not counting hours that are quiet every week. */
bool endpoint_is_silent(const struct endpoint_state *);

struct endpoint_alarm { /* what was told; begins as zeroes */
    enum endpoint_level levels[ENDPOINT_FAILURES];
    bool silent;
};
void endpoint_alarm_tell(struct endpoint_alarm *, const char *endpoint,
                         const struct endpoint_state *);
