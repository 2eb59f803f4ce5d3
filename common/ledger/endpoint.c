#include "ledger/endpoint.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "ledger/command.h"
#include "ledger/room.h"
#include "ledger/scripts.h"

enum { DEADLINE_MS = 5000 };

static const char *const failure_names[] = {
    [ENDPOINT_FAILED] = "failed",
    [ENDPOINT_UNPROVED] = "unproved",
};
static const char *const proof_names[] = {
    [ENDPOINT_PROOF_NONE] = "none",
    [ENDPOINT_PROOF_OWED] = "owed",
    [ENDPOINT_PROOF_GOOD] = "good",
    [ENDPOINT_PROOF_BAD] = "bad",
};

const char *endpoint_failure_name(enum endpoint_failure failure) {
    assert(failure < ENDPOINT_FAILURES);
    return failure_names[failure];
}

const char *endpoint_proof_name(enum endpoint_proof proof) {
    assert(proof < sizeof proof_names / sizeof *proof_names);
    return proof_names[proof];
}

static enum endpoint_proof proof_of(struct text word) {
    size_t i = sizeof proof_names / sizeof *proof_names;
    while (i > 0 && !text_is(word, proof_names[--i]))
        continue;
    return (enum endpoint_proof)i;
}

/* What the scripts answer */

static void read_webhook(const struct redis_value *value, struct endpoint_webhook *webhook) {
    enum { FIRST_ENABLED = 4 };
    webhook->id = redis_text(redis_item(value, 0));
    webhook->state = redis_text(redis_item(value, 1));
    webhook->proof = proof_of(redis_text(redis_item(value, 2)));
    webhook->looked_ago_ms = redis_integer(redis_item(value, 3)) * 1000;
    for (size_t i = FIRST_ENABLED;
         i < value->count && webhook->enabled_count < ENDPOINT_ENABLED_MOST; i++)
        webhook->enabled_ago_ms[webhook->enabled_count++] =
            redis_integer(redis_item(value, i)) * 1000;
}

static struct endpoint_webhook *read_webhooks(const struct redis_value *list) {
    struct endpoint_webhook *webhooks = memory_new((list->count + 1) * sizeof *webhooks);
    for (size_t i = 0; i < list->count; i++)
        read_webhook(redis_item(list, i), &webhooks[i]);
    return webhooks;
}

struct state_op {
    struct op op;
    endpoint_state_fn *fn;
    void *arg;
};

static void on_state(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct state_op *op = arg;
    struct endpoint_state state = {.outcome = op_outcome(&op->op, "endpoint", outcome, reply),
                                   .silent_ms = -1};
    struct endpoint_webhook *webhooks = NULL;
    if (outcome == REDIS_REPLIED) {
        const struct redis_value *failures = redis_item(reply, 0), *list = redis_item(reply, 3);
        int64_t silent_s = redis_integer(redis_item(reply, 1));
        for (size_t i = 0; i < ENDPOINT_FAILURES; i++)
            state.failures[i] = redis_integer(redis_item(failures, i));
        state.silent_ms = silent_s < 0 ? -1 : silent_s * 1000;
        state.usual = redis_integer(redis_item(reply, 2));
        state.webhooks = webhooks = read_webhooks(list);
        state.webhook_count = list->count;
    }
    op->fn(op->arg, &state);
    free(webhooks);
    op_end(&op->op);
}

/* What they are asked */

static void add_keys(struct command *command, const struct ledger *ledger, const char *endpoint) {
    command_key_of(command, ledger, "endpoint", text_of(endpoint));
    command_key_of(command, ledger, "rhythm", text_of(endpoint));
}

/* Each of them may be said twice. */
static void send(struct command *command, struct ledger *ledger, endpoint_state_fn *fn, void *arg) {
    struct state_op *op = op_start(ledger, sizeof *op);
    op->fn = fn;
    op->arg = arg;
    command_send(command, ledger->redis, DEADLINE_MS, true, on_state, op);
}

void endpoint_look(struct ledger *ledger, const char *endpoint, endpoint_state_fn *fn, void *arg) {
    struct command command = {.script = &script_endpoint_look};
    add_keys(&command, ledger, endpoint);
    send(&command, ledger, fn, arg);
}

void endpoint_report(struct ledger *ledger, const struct endpoint_report *report,
                     endpoint_state_fn *fn, void *arg) {
    struct command command = {.script = &script_endpoint_report};
    add_keys(&command, ledger, report->endpoint);
    command_text_of(&command, report->run);
    command_number(&command, report->accepted);
    command_number(&command, report->accepted_ago_ms / 1000);
    for (size_t i = 0; i < report->count; i++) {
        command_text_of(&command, endpoint_failure_name(report->counts[i].failure));
        command_number(&command, report->counts[i].part);
        command_number(&command, report->counts[i].count);
        command_number(&command, report->counts[i].ago_ms / 1000);
    }
    send(&command, ledger, fn, arg);
}

void endpoint_watch(struct ledger *ledger, const struct endpoint_watched *watched,
                    endpoint_state_fn *fn, void *arg) {
    struct command command = {.script = &script_endpoint_watch};
    add_keys(&command, ledger, watched->endpoint);
    command_text_of(&command, watched->id);
    command_text_of(&command, watched->state);
    command_text_of(
        &command, watched->proof == ENDPOINT_PROOF_NONE ? "" : endpoint_proof_name(watched->proof));
    command_number(&command, ENDPOINT_ENABLED_MOST);
    for (size_t i = 0; i < watched->enabled_count; i++)
        command_number(&command, watched->enabled_ago_ms[i] / 1000);
    send(&command, ledger, fn, arg);
}
