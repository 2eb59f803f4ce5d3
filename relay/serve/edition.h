/* An edition is the configuration as it was read at one moment, with all that serve
 * makes of it: certificates and endpoints. It is read whole, or there is none. */
#pragma once
#include "base/config_compare.h"

struct certificates;
struct endpoints;
struct ssl_ctx_st;

struct edition {
    struct config *config;
    struct certificates *certificates;
    struct endpoints *endpoints;
};

/* `file` as for config_load. NULL with one line for each mistake in `problems`. */
struct edition *edition_load(const char *file, struct string *problems);
/* Of the same configuration, with what is in its files by now. */
struct edition *edition_again(const struct edition *, struct string *problems);
void edition_destroy(struct edition *);

/* Why it may soon not do: a line each, as they stand in `kula-relay check` too. */
void edition_alarms(const struct edition *, struct string *lines);

/* The certificate that it has for the listener that is the nth of another configuration: for the
 * one with the same address, wherever it stands by now. NULL: it has none. */
struct ssl_ctx_st *edition_certificate(const struct edition *, const struct config *, size_t n);

/* The keys that differ, what is in their files included. Empty: none. */
void edition_compare(const struct edition *was, const struct edition *is, enum config_change,
                     struct string *names);
