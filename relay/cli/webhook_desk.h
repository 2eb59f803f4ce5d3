/* What the verbs of `webhook` share: the options, Kula's API, and waiting for its answers. */
#pragma once
#include "cli/cli.h"
#include "kula_api/kula_api.h"

struct webhook_desk {
    struct cli cli;
    struct kula_api *api;
    struct kula_answer *answer;  /* the last one */
    struct webhook_pulse *pulse; /* NULL: nobody asked how endpoints are doing */

    const char *subject; /* the id or the type that the verb is about */
    const char *url, *name, *description, *events;
    const char *secret_file, *secret_out;
    const char *status, *event, *serve;
    int64_t count, timeout_s;
    bool all, yes, dry_run, finish;
};

/* Reads the configuration and the token. False: said. */
bool webhook_desk_open(struct webhook_desk *);
bool webhook_desk_open_for(struct webhook_desk *, enum config_for); /* which reads the token too */
void webhook_desk_close(struct webhook_desk *);

/* The same configuration, read once more with the endpoints' secrets, which most verbs do without;
 * for you to destroy. NULL: said. */
struct config *webhook_desk_load_secrets(struct webhook_desk *);

/* For every call of kula_api: webhook_desk_wait comes back when it was called. */
void webhook_desk_on_answer(void *arg, struct kula_answer **);
/* True for DONE; else says what Kula said, and remembers the exit code. */
bool webhook_desk_wait(struct webhook_desk *);
/* The same without a word. */
bool webhook_desk_try(struct webhook_desk *);
/* Says what the last answer's problem is. Gives false. */
bool webhook_desk_fail(struct webhook_desk *);

/* Which endpoint of ours the subject delivers to, where that is certain; NULL: said. */
const struct config_endpoint *webhook_desk_endpoint(struct webhook_desk *);

/* The last answer, for who needs it beyond the next one. */
struct kula_answer *webhook_desk_take(struct webhook_desk *);

/* After that page: is there another one? Where there is no end, that is said, and it ends. */
bool webhook_desk_more(struct webhook_desk *, int64_t page);

/* All pages. False from the visitor ends it, as an error that has been said does. */
typedef bool webhook_desk_visit_fn(struct webhook_desk *, const struct kula_webhook *, void *arg);
bool webhook_desk_each(struct webhook_desk *, webhook_desk_visit_fn *, void *arg);
