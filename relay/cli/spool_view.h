/* How a spool looks on the screen and in JSON lines. */
#pragma once
#include "cli/cli.h"
#include "spool/spool.h"

bool spool_view_is_damaged(const struct spool_survey *);

/* Each prints whole lines. */
void spool_view_json(struct cli *, const struct spool_survey *, bool with_damage);
void spool_view_standing(const struct spool_survey *);
void spool_view_heading(void); /* of the rows */
void spool_view_row(const struct spool_survey *);
void spool_view_verdict(const struct spool_survey *); /* and where it is damaged */
