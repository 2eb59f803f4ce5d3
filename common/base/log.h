/* One line per thing that happened, said at the edge by the one who decides.
 *
 * A call reads like the line it makes:
 *
 *     log_info("attempt failed service=%s status=%d", name, status);
 *
 * The words up to the first "name=" are what happened; each "name=%..." is a
 * field. The format is split before the values go in, so a value can hold
 * anything: it is escaped here, as text for a terminal or as a JSON string.
 * Fields may be %s, %.*s, %d, %u, %zu, %ld, %lu, %lld, %llu and the <inttypes.h>
 * spellings of those; a message holds no conversions. Lines go to stderr, by log_sink.
 *
 * Never a body and never a secret: they hold people's applications for work. */
#pragma once
#include <stdarg.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };
enum log_format {
    LOG_FORMAT_AUTO,
    LOG_FORMAT_TEXT,
    LOG_FORMAT_JSON
}; /* auto: text on a terminal */

const char *log_level_name(enum log_level);

/* Until called: level info, format auto. `program` (borrowed, static) is in each JSON line. Before
 * there are other threads, because each line reads what it sets. */
void log_start(const char *program, enum log_level, enum log_format);
void log_set_level(enum log_level); /* from any thread, at any time */

void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_line(enum log_level, const char *format, va_list) __attribute__((format(printf, 2, 0)));
