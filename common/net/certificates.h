/* The certificates of a configuration's listeners, with their keys, as they stood
 * in their files at one moment. */
#pragma once
#include "base/config.h"

struct certificates;
struct ssl_ctx_st;

/* What cannot work is a mistake: NULL, with a line for each as config_load tells its own. */
struct certificates *certificates_load(const struct config *, struct string *problems);
void certificates_destroy(struct certificates *);

/* Of the listener at this place in the configuration; NULL: plain HTTP. Borrowed. */
struct ssl_ctx_st *certificates_of(const struct certificates *, size_t listener);

/* What is bad and works, for now: ended, ending within 14 days, not valid yet. A line
 * each, of the configuration that they were loaded from. */
void certificates_alarms(const struct certificates *, const struct config *, int64_t now_s,
                         struct string *lines);
