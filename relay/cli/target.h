/* Where deliveries are sent to: what the options say, and for the rest the
 * configuration: its first listener and its first endpoint. */
#pragma once
#include "cli/cli.h"

struct target {
    char *url;
    char *ca_file; /* NULL: the system's */
    struct secret secret;
};

struct target_options { /* NULL: not given */
    const char *url, *secret_file, *ca_file;
};

/* False: said, and remembered as the exit code. Reads the configuration only if
 * url or secret_file is missing. */
bool target_find(struct cli *, const struct target_options *, struct target *);
void target_finish(struct target *);

/* "https://localhost:8443/webhooks/kula", as this machine reaches that listener. */
void target_format_url(const struct config_listener *, const char *path, struct string *);
