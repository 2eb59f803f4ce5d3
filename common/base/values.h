/* Values as people write them: durations and sizes with their units. */
#pragma once
#include "base/text.h"

/* "250ms", "5s", "3m", "1h", "7d": one whole number and one unit. In ms. */
bool values_parse_duration(struct text, int64_t *ms);
/* "512B", "64KiB", "8MiB", "1GiB". In bytes. */
bool values_parse_size(struct text, int64_t *bytes);
/* The shortest exact spelling that the parsers above read back. */
void values_format_duration(int64_t ms, struct string *);
void values_format_size(int64_t bytes, struct string *);
