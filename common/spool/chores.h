/* What the writer's thread does between batches, so that none has to wait for it:
 * the checkpoint, segments that may go, the next segment, and trying the disk
 * again when it failed. */
#pragma once

struct writer;

void chores_checkpoint(struct writer *);
void chores_retire(struct writer *); /* the first one; there is one */
/* One that is on its way out comes back quicker than a new one is made. */
void chores_use_retired(struct writer *);
void chores_mend(struct writer *);
void chores_prepare(struct writer *);
void chores_remove(struct writer *); /* the folder */
void chores_close(struct writer *);  /* the last that is done */
