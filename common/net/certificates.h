/* The certificates of a configuration's listeners, with their keys, as they stood
 * in their files at one moment; and whether those of its services can be used. */
#pragma once
#include "base/config.h"

struct certificates;
struct ssl_ctx_st;

/* What cannot work is a mistake: NULL, with a line for each as config_load tells its own. */
struct certificates *certificates_load(const struct config *, struct string *problems);
void certificates_destroy(struct certificates *);

/* Of the listener at this place in the configuration; NULL: plain HTTP. Borrowed. */
struct ssl_ctx_st *certificates_of(const struct certificates *, size_t listener);

/* The same of the services: can what they name as ca_file, client_certificate and client_key be
 * used? */
bool certificates_check_services(const struct config *, struct string *problems);

/* What is bad and works, for now: ended, ending within 14 days, not valid yet. A line
 * each, of the configuration that they were loaded from. */
void certificates_alarms(const struct certificates *, const struct config *, int64_t now_s,
                         struct string *lines);
