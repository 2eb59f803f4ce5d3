#include "net/retry_after.h"

#include <string.h>
#include <time.h>

enum { DATE_SIZE = 64, MOST_S = 365 * 24 * 3600, HALF_CENTURY = 50 };

/* RFC 9110, 5.6.7. strptime takes a little more than these: no harm in a wish. */
static const char *const dates[] = {
    "%a, %d %b %Y %H:%M:%S GMT", /* Sun, 06 Nov 1994 08:49:37 GMT: the one to write today */
    "%a, %d-%b-%y %H:%M:%S GMT", /* Sunday, 06-Nov-94 08:49:37 GMT */
    "%a %b %d %H:%M:%S %Y",      /* Sun Nov  6 08:49:37 1994 */
};

/* Of the years that two digits may mean, the nearest; at most fifty years ahead. */
static void choose_century(struct tm *date, int64_t now_s) {
    time_t now = (time_t)now_s;
    struct tm today;
    gmtime_r(&now, &today);
    date->tm_year = date->tm_year % 100 + today.tm_year - today.tm_year % 100;
    if (date->tm_year > today.tm_year + HALF_CENTURY)
        date->tm_year -= 100;
    if (date->tm_year <= today.tm_year - HALF_CENTURY)
        date->tm_year += 100;
}

static bool parse_date(const char *text, int64_t now_s, int64_t *at_s) {
    for (size_t i = 0; i < sizeof dates / sizeof dates[0]; i++) {
        struct tm date = {0};
        const char *end = strptime(text, dates[i], &date);
        if (!end || *end)
            continue;
        if (strstr(dates[i], "%y"))
            choose_century(&date, now_s);
        *at_s = timegm(&date);
        return true;
    }
    return false;
}

static bool is_number(struct text value) {
    for (size_t i = 0; i < value.size; i++)
        if (value.data[i] < '0' || value.data[i] > '9')
            return false;
    return value.size > 0;
}

static int64_t wait_s(struct text value, int64_t now_s) {
    uint64_t seconds;
    int64_t at_s;
    char date[DATE_SIZE] = "";
    if (text_to_uint(value, MOST_S, &seconds))
        return (int64_t)seconds;
    if (is_number(value))
        return MOST_S;
    if (value.size >= sizeof date)
        return 0;
    memcpy(date, value.data, value.size);
    if (!parse_date(date, now_s, &at_s) || at_s < now_s)
        return 0;
    return at_s - now_s < MOST_S ? at_s - now_s : MOST_S;
}

int64_t retry_after_ms(struct text value, int64_t now_ms) {
    value = text_trim(value);
    return value.size ? wait_s(value, now_ms / 1000) * 1000 : 0;
}
