/* Bytes in the middle of a spool that are no record are copied aside, into a
 * file `damaged-SEGMENT-OFFSET` beside the segment: a person may still read what
 * a program cannot. */
#pragma once
#include "spool/segment.h"

/* As well as it can: what cannot be copied is only logged. */
void damage_set_aside(const struct disk *, const char *folder, uint64_t segment,
                      struct segment_span);
bool damage_is_copy(const char *name);
/* The copy's name in its folder, or none. */
void damage_find_copy(const struct disk *, const char *folder, uint64_t segment, int64_t at,
                      char *name, size_t size);
