/* Where lines go: stderr, whose reader may be stuck. A program with a loop does not
 * wait for it: what it cannot write is lost, counted, and told once somebody reads
 * again. Never half a line: of one that was begun, the rest comes before any other. */
#pragma once
#include "base/text.h"

/* From now on a line holds its caller up for a tenth of a second at most, and all lines
 * together for a tenth of the time; until called, for as long as it takes. Terminals and
 * files are always waited for. */
void log_sink_never_wait(void);

/* Makes a line that says how many were lost. */
typedef void log_sink_tell_fn(uint64_t lost, struct string *line);

/* The line has its newline. From any thread. */
void log_sink_write(struct text line, log_sink_tell_fn *);

uint64_t log_sink_lost(void); /* lines, since the start */
