/* What the files of this room share: the ledger's inside, one struct for every
 * call in flight, and how a stream's entry is read. */
#pragma once
#include <sys/queue.h>

#include "ledger/ledger.h"

/* Of the keys: raised when old and new programs could not share them. Each connection begins with a
 * look at it; `open` writes it. */
#define LEDGER_LAYOUT "1"

struct op;
LIST_HEAD(op_list, op);
struct settles;

struct ledger {
    struct loop *loop;
    struct redis *redis;
    const char *prefix;
    struct op_list ops;
    LIST_HEAD(, settles) gathering; /* calls of settles.c that are not sent yet */
    void (*on_state)(void *arg, bool connected);
    void *arg;
    struct ledger_pen pen; /* as Redis last said */
    bool pen_known;
    struct string refusal; /* the last one's words */
    struct string logged;  /* the last one that was logged, and when */
    int64_t logged_ms;
};

/* Redis says no, to what it is asked again and again: logged once, and then once a minute. */
void ledger_refused(struct ledger *, const char *what, struct text words);

/* An op is one call in flight: made by op_start, on the ledger's list, freed by
 * op_end. It stands first in the struct of each kind of call. What is still open
 * when the ledger is destroyed goes with it. */
struct op {
    LIST_ENTRY(op) ops; /* in struct ledger */
    struct ledger *ledger;
    void (*finish)(struct op *); /* NULL: nothing but the memory */
};
void *op_start(struct ledger *, size_t size);
void op_end(struct op *);
/* What a call's reply means to whoever made it. The words of a refusal are kept, and logged as one
 * of `what`; NULL: whoever called tells people itself. */
enum ledger_outcome op_outcome(const struct op *, const char *what, enum redis_outcome,
                               const struct redis_value *);

/* {events, bytes}, where it is that. */
void ledger_note_pen(struct ledger *, const struct redis_value *);

/* Reads an entry, {stream id, {name, value, ...}}. Texts are the reply's. */
struct text entry_field(const struct redis_value *entry, const char *name);
struct ledger_event entry_event(const struct redis_value *entry);
