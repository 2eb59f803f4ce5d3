/* Editions: the configuration as it was read at one moment, with all that a running
 * program has made of it.
 *
 * It is read again at SIGHUP. When a file that it names has another content, only such
 * files are: the configuration itself may be half done, and whoever edits it says when
 * it is ready. Either is taken whole or not at all: an edition with a mistake in it
 * changes nothing, and where it was in the files it is tried again by itself. What only
 * a start can take is named in a warning. What is under way keeps to the edition that it
 * began with, so an old one stays until nobody holds it. */
#pragma once
#include "base/config_compare.h"
#include "base/metrics.h"
#include "net/loop.h"

struct edition; /* what it is made of, each program says for itself */
struct editions;
struct file_watch;
struct supervisor;

struct editions_ways { /* what the program does with one */
    /* `file` as for config_load. NULL with a line for each mistake. */
    struct edition *(*load)(const char *file, struct string *problems);
    /* The same configuration, with what is in its files by now. NULL as above. */
    struct edition *(*again)(const struct edition *, struct string *problems);
    void (*destroy)(struct edition *);
    const struct config *(*config)(const struct edition *);
    /* The keys that differ, as config_compare names them, what is in their files included. */
    void (*compare)(const struct edition *was, const struct edition *is, enum config_change,
                    struct string *names);
    void (*add_files)(const struct edition *, struct file_watch *); /* to be looked at */
    /* From now on `is` is in force. */
    void (*on_taken)(void *arg, struct edition *was, struct edition *is);
    bool (*is_held)(void *arg, const struct edition *); /* asked of old ones, once a second */
};

struct editions_needs { /* all borrowed for its life */
    struct loop *loop;
    struct metrics *metrics;
    struct supervisor *supervisor; /* hears of a SIGHUP */
    /* In force; it stays to the end, for what needs a restart is so to the end. */
    struct edition *first;
    const struct editions_ways *ways;
    void *arg;
};

/* A line for each mistake; also for a program that has no editions and begins anew. */
void editions_tell_refusal(const char *cause, struct text problems);

struct editions *editions_start(const struct editions_needs *); /* waits for news */
void editions_stop(struct editions *); /* nobody may hold any but the first */
