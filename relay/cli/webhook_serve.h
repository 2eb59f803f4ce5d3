/* What serve says of its secrets, on the /metrics of its admin listener. */
#pragma once
#include "cli/admin_page.h"
#include "cli/webhook_desk.h"

struct webhook_serve {
    struct admin_page metrics;
};

/* Asks --serve, else serve.admin. False: said. */
bool webhook_serve_ask(struct webhook_desk *, struct webhook_serve *);
void webhook_serve_finish(struct webhook_serve *);

/* Does it know this secret, by its mark? */
bool webhook_serve_knows(const struct webhook_serve *, const char *endpoint, const char *mark);
/* When it last made a good signature, in Unix seconds; 0: not since the start. */
int64_t webhook_serve_matched_s(const struct webhook_serve *, const char *endpoint,
                                const char *mark);
/* Has it looked through the pen with the secrets that it has? */
bool webhook_serve_pen_checked(const struct webhook_serve *);
int64_t webhook_serve_started_s(const struct webhook_serve *);
