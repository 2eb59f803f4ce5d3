/* The certificates of a configuration's listeners, with their keys, as they stood
 * in their files at one moment; and whether those of its services can be used. */
#pragma once
#include "base/config.h"

struct certificates;
struct ssl_ctx_st;

/* For a config_look_fn: what cannot work is a mistake, of the one file that is to blame. */
struct certificates *certificates_load(struct config *); /* NULL where there was a mistake */
/* Can what the services name as ca_file, client_certificate and client_key be used? */
void certificates_check_services(struct config *);
void certificates_check_redis(struct config *); /* the same of redis.ca_file */
void certificates_destroy(struct certificates *);

/* Of the listener at this place in the configuration; NULL: plain HTTP. Borrowed. */
struct ssl_ctx_st *certificates_of(const struct certificates *, size_t listener);

/* What is bad and works, for now: ended, ending within 14 days, not valid yet. A line
 * each, of the configuration that they were loaded from. */
void certificates_alarms(const struct certificates *, const struct config *, int64_t now_s,
                         struct string *lines);
