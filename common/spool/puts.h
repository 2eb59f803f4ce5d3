/* What was put becomes batches, or is refused: of the writer's thread, the part
 * that somebody waits for. */
#pragma once

struct writer;

void puts_write(struct writer *);  /* as many as the current segment takes; one waits at least */
void puts_refuse(struct writer *); /* all that wait */
