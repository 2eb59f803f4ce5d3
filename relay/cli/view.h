/* How events look on the screen and in JSON lines: the same in every command. */
#pragma once
#include "cli/cli.h"

enum { VIEW_TIME = 32 };

/* "2026-11-23 20:00:00Z". */
void view_time(int64_t ms, char out[VIEW_TIME]);

/* "9000 B", "31 MiB"; "90 s", "5 h". Rounded down. */
void view_size(int64_t bytes, struct string *);
void view_age(int64_t ms, struct string *);

/* Adds it with what could move a terminal's cursor made visible. */
void view_clean(struct text, struct string *);

/* One line: when, type, id, account, size, stream id. */
void view_event(const struct ledger_event *);
/* The fields of an event, inside an object that is already open. */
void view_event_json(struct cli *, const struct ledger_event *, bool reveal);
/* The body on lines of their own, redacted (and cut, where it is long) unless revealed. */
void view_body(struct text body, bool reveal);
