/* What processes left behind in a directory: first it is found, locked and read,
 * which may take long and needs no loop; then it is opened on one. */
#pragma once
#include "spool/folder.h"
#include "spool/recover.h"

struct found {
    STAILQ_ENTRY(found) link;
    struct folder folder; /* locked */
    struct recovery recovery;
};
STAILQ_HEAD(found_list, found);

struct adoption {
    const struct disk *disk;
    const char *directory; /* borrowed */
    bool again; /* by who runs already: says nothing of what others hold, itself among them,
                   and takes the others where one cannot be read */
    struct found_list found;
};

/* On any thread. Removes those in which nothing is. False with sentences where one cannot be read.
 */
bool adoption_look(struct adoption *, struct string *why);
/* What was found, as spools; how many. See spool_adopt. */
int adoption_open(struct adoption *, struct loop *, const struct spool_options *,
                  struct spool ***adopted);
void adoption_finish(struct adoption *); /* lets go of what was found and not opened */
