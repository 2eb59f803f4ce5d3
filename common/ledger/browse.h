/* What the command line reads of the ledger. */
#pragma once
#include "ledger/ledger.h"

struct browse_page { /* borrowed until the callback returns */
    enum ledger_outcome outcome;
    const struct ledger_event *events;
    size_t count;
    bool more; /* there may be another page behind this one */
};
typedef void browse_page_fn(void *arg, const struct browse_page *);

/* Up to `most` after a stream id ("0" is before the first), and about a mebibyte. */
void browse_after(struct ledger *, struct text after, size_t most, browse_page_fn *, void *arg);
/* The same backward, newest first, from before a stream id. */
#define BROWSE_END "18446744073709551615-18446744073709551615" /* behind any other */
void browse_before(struct ledger *, struct text before, size_t most, browse_page_fn *, void *arg);
/* The one after a stream id; waits up to wait_ms until it is there. This connection
 * does nothing else meanwhile. */
void browse_wait(struct ledger *, struct text after, int64_t wait_ms, browse_page_fn *, void *arg);
/* Every entry that carries this event id: the first and its revived ones. */
void browse_find(struct ledger *, struct text event_id, browse_page_fn *, void *arg);

/* Was this event of this endpoint stored within the last dedup_window? */
typedef void browse_remembers_fn(void *arg, enum ledger_outcome, bool);
void browse_remembers(struct ledger *, const char *endpoint, struct text event_id,
                      browse_remembers_fn *, void *arg);

/* Where an entry stands at each service that the ledger knows (where.c). */
enum browse_standing {
    BROWSE_UNREAD, /* not given to it yet */
    BROWSE_OWED,   /* given, and not settled */
    BROWSE_DEAD,
    BROWSE_SETTLED, /* delivered, filtered or addressed to another */
};
const char *browse_standing_name(enum browse_standing);
struct browse_stand {
    struct text service;
    enum browse_standing standing;
    unsigned attempts;
    int64_t due_in_ms;   /* OWED */
    struct text outcome; /* OWED: of the last attempt; DEAD: the reason */
};
struct browse_stands {
    enum ledger_outcome outcome;
    const struct browse_stand *items;
    size_t count;
};
typedef void browse_stands_fn(void *arg, const struct browse_stands *);
void browse_where(struct ledger *, struct text stream_id, browse_stands_fn *, void *arg);

/* Attempts at an event, oldest first, as far back as the log goes. */
struct browse_attempt {
    struct text log_id; /* its first half is the time in ms */
    struct text service, stream_id, event_id, outcome, reason;
    unsigned attempt;
    int status;
    int64_t took_ms;
};
struct browse_attempts {
    enum ledger_outcome outcome;
    const struct browse_attempt *items;
    size_t count;
};
typedef void browse_attempts_fn(void *arg, const struct browse_attempts *);
void browse_attempts(struct ledger *, struct text event_id, browse_attempts_fn *, void *arg);

/* How much stands in the stream. */
struct browse_stream {
    enum ledger_outcome outcome;
    int64_t length, trimmed;
    int64_t oldest_ago_ms, newest_ago_ms; /* by Redis' clock; -1: there is none */
};
typedef void browse_stream_fn(void *arg, const struct browse_stream *);
void browse_stream(struct ledger *, browse_stream_fn *, void *arg);

/* The services that the ledger knows, sorted. */
typedef void browse_names_fn(void *arg, enum ledger_outcome, const struct text *names,
                             size_t count);
void browse_services(struct ledger *, browse_names_fn *, void *arg);
