/* A page of an admin listener on this machine: /healthz, /readyz or /metrics. */
#pragma once
#include "cli/cli.h"

struct admin_page {
    struct string url;
    int status;         /* 0: nobody answered */
    struct string body; /* whole; where nobody answered, why */
};

/* Waits for it, two seconds at most. An address that is all of them is called at loopback. True
 * where somebody answered, whatever it was. */
bool admin_page_get(struct cli *, const char *address, const char *path, struct admin_page *);
void admin_page_finish(struct admin_page *);

/* Of /metrics the value of a series, as it stands before its blank; -1 where there is none. */
int64_t admin_page_number(const struct admin_page *, const char *series);
