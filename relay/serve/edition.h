/* An edition is the configuration as it was read at one moment, with all that serve
 * makes of it: certificates and endpoints. It is read whole, or there is none. */
#pragma once
#include <sys/queue.h>

#include "base/config.h"

struct certificates;
struct endpoints;

struct edition {
    LIST_ENTRY(edition) entry; /* whoever owns it may keep it on a list */
    struct config *config;
    struct certificates *certificates;
    struct endpoints *endpoints;
};

/* `file` as for config_load. NULL with one line for each mistake in `problems`. */
struct edition *edition_load(const char *file, struct string *problems);
void edition_destroy(struct edition *);

/* Why it may soon not do: a line each, as they stand in `kula-relay check` too. */
void edition_alarms(const struct edition *, struct string *lines);

/* The keys that differ and that a running serve can take, what is in their files
 * included; and those that hold from the next start. Empty: none. */
void edition_compare(const struct edition *was, const struct edition *is, struct string *live);
void edition_compare_restart(const struct edition *was, const struct edition *is,
                             struct string *restart);
