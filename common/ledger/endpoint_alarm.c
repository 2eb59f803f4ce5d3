#include "ledger/endpoint_alarm.h"

#include <inttypes.h>

#include "base/log.h"

enum { WARNING_AT = 10, ALARM_AT = 18, SILENT_AT = 20 };

enum endpoint_level endpoint_level_of(int64_t failures) {
    if (failures >= ALARM_AT)
        return ENDPOINT_ALARM;
    return failures >= WARNING_AT ? ENDPOINT_WARNING : ENDPOINT_CALM;
}

bool endpoint_is_silent(const struct endpoint_state *state) {
    return state->usual >= SILENT_AT;
}

static void tell_failures(enum endpoint_level level, const char *endpoint, int64_t failures) {
    static const char format[] = "deliveries failed, Kula disables the endpoint at 25 in 24 hours "
                                 "endpoint=%s failed=%" PRId64;
    if (level == ENDPOINT_ALARM)
        log_error(format, endpoint, failures);
    else
        log_warning(format, endpoint, failures);
}

/* Anybody can make those: never an error. */
static void tell_unproved(const char *endpoint, int64_t unproved) {
    log_warning("deliveries were refused of which nobody knows whether they are Kula's, "
                "is the secret right? endpoint=%s unproved=%" PRId64,
                endpoint, unproved);
}

static void tell_silence(const char *endpoint, const struct endpoint_state *state, bool silent) {
    if (silent)
        log_warning("no event came for a long time endpoint=%s silent_ms=%" PRId64
                    " usual=%" PRId64,
                    endpoint, state->silent_ms, state->usual);
    else
        log_info("events come again endpoint=%s", endpoint);
}

void endpoint_alarm_tell(struct endpoint_alarm *told, const char *endpoint,
                         const struct endpoint_state *state) {
    bool silent = endpoint_is_silent(state);
    for (int i = 0; i < ENDPOINT_FAILURES; i++) {
        enum endpoint_level level = endpoint_level_of(state->failures[i]);
        if (level > told->levels[i] && i == ENDPOINT_FAILED)
            tell_failures(level, endpoint, state->failures[i]);
        else if (level > told->levels[i])
            tell_unproved(endpoint, state->failures[i]);
        told->levels[i] = level;
    }
    if (silent != told->silent)
        tell_silence(endpoint, state, silent);
    told->silent = silent;
}
