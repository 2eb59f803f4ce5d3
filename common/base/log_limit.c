#include "base/log_limit.h"

#include <inttypes.h>
#include <stdarg.h>

#include "base/clock.h"

enum { A_LINE_MS = 1000 / LOG_LIMIT_A_SECOND };

bool log_limit_allows(struct log_limit *limit, int64_t now_ms) {
    if (limit->spent_until_ms < now_ms)
        limit->spent_until_ms = now_ms;
    if (limit->spent_until_ms - now_ms > (LOG_LIMIT_BURST - 1) * A_LINE_MS) {
        limit->left_out++;
        metric_add(limit->left_out_total, 1);
        return false;
    }
    limit->spent_until_ms += A_LINE_MS;
    return true;
}

bool log_limit_warning(struct log_limit *limit, const char *format, ...) {
    va_list args;
    if (!log_limit_allows(limit, clock_steady_ms()))
        return false;
    if (limit->left_out)
        log_warning("log lines left out lines=%" PRIu64 " about=%s", limit->left_out, limit->about);
    limit->left_out = 0;
    va_start(args, format);
    log_line(LOG_LEVEL_WARNING, format, args);
    va_end(args);
    return true;
}
