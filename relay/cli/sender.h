/* A sender makes deliveries as Kula does: signed, one POST each, ten seconds'
 * patience; but as many at a time, and as fast, as it is told. */
#pragma once
#include "base/secret.h"
#include "net/http_client.h"

struct sender;

struct sender_plan { /* texts are borrowed until it is destroyed */
    const char *url;
    const char *ca_file; /* NULL: the system's */
    const struct secret *secret;
    const char *type;
    const char *id;   /* NULL: a random one; with more than one, "-1", "-2"... are added */
    struct text body; /* sent byte for byte each time; empty: made up for the type */
    int64_t count, concurrency;
    int64_t rate; /* a second; 0: as fast as answers come */
};

struct sender_tally {
    int64_t sent, accepted, duplicate;
    int64_t refused; /* answered, but not 2xx */
    int64_t failed;  /* not answered */
    int64_t took_ms; /* from the first one to the last answer */
};

/* After each answer; the id is the event's. */
typedef void sender_answer_fn(void *arg, const char *id, const struct http_result *);

/* `on_answer` may be NULL; `on_end` comes once, after the last answer. */
struct sender *sender_start(struct loop *, const struct sender_plan *, sender_answer_fn *on_answer,
                            loop_fn *on_end, void *arg);
void sender_destroy(struct sender *);

const struct sender_tally *sender_tally(struct sender *);
int64_t sender_percentile_ms(const struct sender *, unsigned percent);
