/* The segment files of one spool's folder as they lie there, in the order of
 * their numbers, with what their headers say. */
#pragma once
#include "spool/segment.h"

struct file {
    uint64_t number;
    bool gone; /* between the listing and the opening, its writer removed it: only in a survey */
    enum segment_begun begun;
    struct segment_header header; /* where it is begun */
};

struct files {
    const struct disk *disk;
    const char *folder;
    uint64_t spool;
    bool may_go; /* a survey: somebody else may be removing files */
    struct string *why;

    struct file *all;
    size_t count;
};

/* False with a sentence where one cannot be read, or is of another version or spool. */
bool files_list(struct files *);
void files_finish(struct files *);

/* -1: it is gone, or there is a sentence. */
int files_open(struct files *, struct file *);
/* Whether its writer has begun it, or taken it away, since it was listed. */
bool files_is_changed(struct files *, const struct file *);
/* How long it is, by what can be read of it. -1 with errno. */
int64_t files_size(const struct files *, const struct file *, int opened);
/* False, with a sentence about this file. */
bool files_refuse(struct files *, uint64_t number, const char *what);
