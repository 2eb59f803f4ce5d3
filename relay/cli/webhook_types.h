/* Which event types are meant: patterns, as people write them, against those that Kula lists. */
#pragma once
#include "cli/webhook_desk.h"

struct webhook_types { /* the texts live as long as the answer */
    struct kula_answer *listed;
    struct text *chosen;
    size_t count;
};

/* Asks Kula. False: said. */
bool webhook_types_ask(struct webhook_desk *, struct webhook_types *);
void webhook_types_finish(struct webhook_types *);

/* No patterns: all. False: one of them means nothing that Kula lists; said, with the nearest. */
bool webhook_types_choose(struct webhook_desk *, struct webhook_types *,
                          const char *const *patterns, size_t count);
/* The same for what --events holds: patterns with commas between, one at least. */
bool webhook_types_choose_listed(struct webhook_desk *, struct webhook_types *,
                                 const char *patterns);
/* Says that there is no such type. Gives false. */
bool webhook_types_unknown(struct webhook_desk *, const struct webhook_types *, const char *type);
