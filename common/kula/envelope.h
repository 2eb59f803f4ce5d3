/* An envelope is what a delivery's body says of itself: id and type, account
 * and time. The rest is carried, not understood.
 *
 * Read only from a verified body: nobody signs X-Kula-Event and its like. Kula's
 * payload guide names the fields `event`, `event_id`, `created_at`, `account_id`
 * and `data`; ids are opaque, types are any, and key order is not promised. */
#pragma once
#include "base/text.h"

enum { ENVELOPE_TEXT = 256 };

struct envelope {
    char id[ENVELOPE_TEXT];      /* 1 to 255 printable ASCII characters without blank */
    char type[ENVELOPE_TEXT];    /* the same */
    char account[ENVELOPE_TEXT]; /* as written, number or string; empty where absent or odd */
    char created[ENVELOPE_TEXT]; /* the same */
};

enum envelope_fault {
    ENVELOPE_FINE,
    ENVELOPE_NOT_JSON, /* or not one whole object */
    ENVELOPE_NO_ID,    /* absent, or not usable as one */
    ENVELOPE_NO_TYPE,
    ENVELOPE_TWICE, /* event_id or event given twice: readers would differ on which counts */
    ENVELOPE_FAULTS,
};
const char *envelope_fault_name(enum envelope_fault); /* snake case, for log, metric and pen */

enum envelope_fault envelope_parse(struct text body, struct envelope *);
