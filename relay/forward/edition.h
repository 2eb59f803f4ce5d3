/* An edition is the configuration as it was read at one moment, with what is in its
 * files. It is read whole, or there is none. */
#pragma once
#include "base/config_compare.h"

struct file_watch;

struct edition {
    struct config *config;
};

/* `file` as for config_load. NULL with one line for each mistake in `problems`. */
struct edition *edition_load(const char *file, struct string *problems);
/* Of the same configuration, with what is in its files by now. */
struct edition *edition_again(const struct edition *, struct string *problems);
void edition_destroy(struct edition *);

const struct config *edition_config(const struct edition *);
/* The keys that differ, what is in their files included. Empty: none. */
void edition_compare(const struct edition *was, const struct edition *is, enum config_change,
                     struct string *names);
void edition_add_files(const struct edition *, struct file_watch *);
