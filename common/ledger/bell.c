#include "ledger/bell.h"

#include <stdlib.h>

#include "base/config.h"
#include "base/memory.h"
#include "ledger/command.h"
#include "ledger/room.h"

enum {
    BLOCK_MS = 60000,
    DEADLINE_MS = BLOCK_MS + 10000, /* later than a Redis that hangs is noticed */
    AFTER_REFUSAL_MS = 1000,
};

struct bell {
    struct ledger *ledger;
    loop_fn *on_ring;
    void *arg;
    bool armed;
    struct loop_timer
        *refused; /* rings later: what Redis says no to at once would ring without end */
};

static void ring(void *arg) {
    struct bell *bell = arg;
    bell->armed = false;
    bell->on_ring(bell->arg);
}

struct bell *bell_create(struct loop *loop, const struct config *config, loop_fn *on_ring,
                         void *arg, struct string *why) {
    struct ledger *ledger = ledger_create(loop, config, "kula-relay-bell", NULL, NULL, why);
    if (!ledger)
        return NULL;
    struct bell *bell = memory_new(sizeof *bell);
    *bell = (struct bell){ledger, on_ring, arg, false, loop_timer_create(loop, ring, bell)};
    return bell;
}

static void on_read(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct bell *bell = arg;
    if (outcome != REDIS_REFUSED) {
        ring(bell);
        return;
    }
    ledger_refused(bell->ledger, "bell", reply->text);
    loop_timer_set(bell->refused, AFTER_REFUSAL_MS);
}

void bell_arm(struct bell *bell, struct text after) {
    if (bell->armed)
        return;
    bell->armed = true;
    struct command command = {.block_ms = BLOCK_MS};
    command_text_of(&command, "XREAD");
    command_text_of(&command, "COUNT");
    command_number(&command, 1);
    command_text_of(&command, "BLOCK");
    command_number(&command, BLOCK_MS);
    command_text_of(&command, "STREAMS");
    command_key(&command, bell->ledger, "events");
    command_text(&command, after);
    command_send(&command, bell->ledger->redis, DEADLINE_MS, false, on_read, bell);
}

void bell_destroy(struct bell *bell) {
    if (!bell)
        return;
    ledger_destroy(bell->ledger);
    loop_timer_destroy(bell->refused);
    free(bell);
}
