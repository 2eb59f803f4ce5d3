/* Patterns choose event types by their dot-separated segments.
 *
 * "*" alone is everything; a last "*" is one or more segments ("interview.*"
 * takes "interview.event.created"); another "*" is exactly one. A "!" before a
 * pattern excludes and always wins; a list of only such is everything but those. */
#pragma once
#include "base/text.h"

/* False with a sentence for people: empty segment, "*" beside other characters,
 * anything but printable ASCII without blank. */
bool pattern_valid(struct text pattern, struct string *why);

/* An empty list takes everything. */
bool pattern_list_matches(const char *const *patterns, size_t count, struct text type);

/* Whether the first takes all that the second takes; both without "!". */
bool pattern_covers(struct text wide, struct text narrow);
