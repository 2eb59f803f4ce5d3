/* What serve answers: every outcome, and the one table that turns it into a
 * status and a body.
 *
 * To Kula any 4xx but 429 is final and loses the event, 410 disables the
 * endpoint for good, and a 3xx is followed by nobody knows whom. So no other
 * piece of serve names a status. */
#pragma once
#include "net/http_server.h"

enum answer {
    ANSWER_ACCEPTED,
    ANSWER_DUPLICATE,
    ANSWER_PENNED,
    ANSWER_OK, /* to /healthz */
    ANSWER_SIGNATURE_MISSING,
    ANSWER_SIGNATURE_MALFORMED,
    ANSWER_SIGNATURE_UNMATCHED,
    ANSWER_STALE,
    ANSWER_SIGNATURE_UNMATCHED_RETRY,  /* the endpoint says `unmatched: retry` */
    ANSWER_STALE_RETRY,                /* `stale: retry`, or beyond the window */
    ANSWER_SIGNATURE_UNMATCHED_PENNED, /* the endpoint says `unmatched: pen` */
    ANSWER_PEN_FULL,                   /* it does, and there is no room */
    ANSWER_UNAVAILABLE,                /* neither spool nor ledger took it in time */
    ANSWER_BUSY,                       /* too many bytes in flight, or second readings */
    ANSWER_CROWDED,                    /* too many connections */
    ANSWER_DRAINING,                   /* to /healthz */
    ANSWER_TOO_LARGE,
    ANSWER_METHOD_NOT_ALLOWED,
    ANSWER_NOT_FOUND,
    ANSWER_MALFORMED,
    ANSWER_HEAD_TOO_LARGE,
    ANSWER_TOO_SLOW,
    ANSWERS
};

/* The word in the log, the metrics and, but for one that tells a stranger more than it should, in
 * the body. */
const char *answers_name(enum answer);

enum answer answers_for_fault(enum http_fault);

/* What an answer on an endpoint's path says about Kula's deliveries there. */
enum answer_tells {
    ANSWER_TELLS_NOTHING,  /* Kula asks for no such thing */
    ANSWER_TELLS_TAKEN,    /* one came in */
    ANSWER_TELLS_FAILED,   /* one of Kula's got no 2xx, and Kula counts that */
    ANSWER_TELLS_UNPROVED, /* perhaps one did: nobody knows who sent it */
};
enum answer_tells answers_tells(enum answer);

/* The body is one line of JSON, written into *body, which has to last as long
 * as the answer. An event id is the only thing in it that a sender chose; empty: none. */
void answers_fill(enum answer, struct text event_id, struct string *body, struct http_answer *);
