/* A command is a script call, or a plain Redis command, being put together.
 *
 *     struct command take = {.script = &script_take};
 *     command_key(&take, ledger, "owed", service);
 *     command_number(&take, slots);
 *     command_send(&take, ledger->redis, deadline_ms, false, on_taken, op);
 *
 * Keys come first. Texts are borrowed until it is sent; what is formatted it
 * keeps itself. Sending it ends it. */
#pragma once
#include "ledger/ledger.h"

struct command_piece {
    struct text text;
    size_t at; /* in `made`, where text.data is NULL: `made` moves while it grows */
};

struct command {
    struct redis_script *script; /* NULL: the first text is the command's name */
    struct command_piece *pieces;
    size_t count, capacity, keys;
    struct string made;
    int64_t block_ms; /* of a command that blocks, how long */
    int64_t fresh_ms; /* see struct redis_call */
};

/* PREFIX:kind, PREFIX:kind:name, PREFIX:kind:name:id */
void command_key(struct command *, const struct ledger *, const char *kind);
void command_key_of(struct command *, const struct ledger *, const char *kind, struct text name);
void command_key_of_id(struct command *, const struct ledger *, const char *kind, struct text name,
                       struct text id);
void command_whole_key(struct command *, struct text key); /* as Redis handed it out */
void command_text(struct command *, struct text);
void command_text_of(struct command *, const char *nul_terminated);
void command_copy(struct command *, struct text); /* a text that is gone before it is sent */
void command_number(struct command *, int64_t);
/* One of base/pattern.h, as the scripts read it: for Lua's string.find, with its "!" kept in front.
 */
void command_pattern(struct command *, struct text pattern);
void command_send(struct command *, struct redis *, int64_t deadline_ms, bool repeatable,
                  redis_done_fn *, void *arg);
void command_finish(struct command *); /* instead of sending it */
