#include "ledger/upkeep.h"

#include <stdlib.h>

#include "base/config.h"
#include "base/memory.h"
#include "ledger/browse.h"
#include "ledger/command.h"
#include "ledger/room.h"
#include "ledger/scripts.h"

enum { PAGE = 200 }; /* entries a script removes, so that it does not hold Redis up */

struct trim_op {
    struct op op;
    struct config_retention retention;
    char **configured; /* names of services */
    size_t configured_count;
    int64_t keep_ms, deadline_ms;
    upkeep_trim_fn *fn;
    void *arg;
};

static void finish_trim(struct op *op) {
    struct trim_op *trim = (struct trim_op *)op;
    for (size_t i = 0; i < trim->configured_count; i++)
        free(trim->configured[i]);
    free(trim->configured);
}

static void trim_end(struct trim_op *trim, const struct upkeep_trimmed *trimmed) {
    trim->fn(trim->arg, trimmed);
    op_end(&trim->op);
}

enum { PASSED_AT = 6 }; /* in the reply */

static void on_trim(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct trim_op *trim = arg;
    struct upkeep_trimmed trimmed = {.outcome = op_outcome(&trim->op, "trim", outcome, reply)};
    struct text *passed = NULL;
    if (outcome == REDIS_REPLIED) {
        trimmed.removed = redis_integer(redis_item(reply, 0));
        trimmed.length = redis_integer(redis_item(reply, 1));
        trimmed.more = redis_integer(redis_item(reply, 2)) != 0;
        trimmed.held_by = redis_text(redis_item(reply, 3));
        trimmed.held_for_ms = redis_integer(redis_item(reply, 4));
        trimmed.dead_removed = redis_integer(redis_item(reply, 5));
        passed = memory_new(reply->count * sizeof *passed);
        for (size_t i = PASSED_AT; i < reply->count; i++)
            passed[trimmed.passed_count++] = redis_text(redis_item(reply, i));
        trimmed.passed = passed;
    }
    trim_end(trim, &trimmed);
    free(passed);
}

/* One that is configured counts as ours even where the ledger has lost its place. */
static void add_configured(const struct trim_op *trim, struct text *names, size_t *count) {
    size_t known = *count;
    for (size_t i = 0; i < trim->configured_count; i++) {
        struct text name = text_of(trim->configured[i]);
        size_t k = 0;
        while (k < known && !text_equal(names[k], name))
            k++;
        if (k == known)
            names[(*count)++] = name;
    }
}

static void send_trim(struct trim_op *trim, const struct text *names, size_t count) {
    static const char *const kinds[] = {"owed", "due", "count", "service", "dead"};
    const struct config_retention *retention = &trim->retention;
    struct ledger *ledger = trim->op.ledger;
    struct command command = {.script = &script_trim};
    command_key(&command, ledger, "events");
    command_key(&command, ledger, "about");
    command_key(&command, ledger, "places");
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
            command_key_of(&command, ledger, kinds[k], names[i]);
    command_number(&command, trim->keep_ms);
    command_number(&command, retention->max_events);
    command_number(&command, retention->foreign_ms);
    command_number(&command, retention->dead_ms);
    command_number(&command, PAGE);
    for (size_t i = 0; i < count; i++)
        command_text(&command, names[i]);
    command_send(&command, ledger->redis, trim->deadline_ms, true, on_trim, trim);
}

static void on_names(void *arg, enum ledger_outcome outcome, const struct text *known,
                     size_t count) {
    struct trim_op *trim = arg;
    if (outcome != LEDGER_DONE) {
        trim_end(trim, &(struct upkeep_trimmed){.outcome = outcome});
        return;
    }
    struct text *names = memory_new((count + trim->configured_count) * sizeof *names);
    for (size_t i = 0; i < count; i++)
        names[i] = known[i];
    add_configured(trim, names, &count);
    send_trim(trim, names, count);
    free(names);
}

void upkeep_trim(struct ledger *ledger, const struct config *config, int64_t keep_ms,
                 int64_t deadline_ms, upkeep_trim_fn *fn, void *arg) {
    struct trim_op *trim = op_start(ledger, sizeof *trim);
    trim->op.finish = finish_trim;
    trim->retention = config->retention;
    trim->configured = memory_new((config->service_count + 1) * sizeof *trim->configured);
    for (; trim->configured_count < config->service_count; trim->configured_count++)
        trim->configured[trim->configured_count] =
            text_copy(text_of(config->services[trim->configured_count].name));
    trim->keep_ms = keep_ms;
    trim->deadline_ms = deadline_ms;
    trim->fn = fn;
    trim->arg = arg;
    browse_services(ledger, on_names, trim);
}

struct redis_op {
    struct op op;
    upkeep_redis_fn *fn;
    void *arg;
};

/* INFO's lines are "name:value". */
static struct text info_value(struct text info, const char *name) {
    while (info.size) {
        struct text line = text_cut(&info, '\n');
        struct text value = text_cut(&line, '\r');
        if (text_is(text_cut(&value, ':'), name))
            return value;
    }
    return (struct text){0};
}

static int64_t info_number(struct text info, const char *name) {
    uint64_t number = 0;
    text_to_uint(info_value(info, name), INT64_MAX, &number);
    return (int64_t)number;
}

/* "count=N"; empty where there was none. */
static int64_t errors_of(struct text stat) {
    uint64_t count = 0;
    text_cut(&stat, '=');
    text_to_uint(stat, INT64_MAX, &count);
    return (int64_t)count;
}

static void on_redis(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct redis_op *op = arg;
    struct upkeep_redis redis = {.outcome = op_outcome(&op->op, NULL, outcome, reply)};
    if (outcome == REDIS_REPLIED) {
        struct text info = redis_text(reply);
        bool valkey = info_value(info, "valkey_version").size;
        redis.program = text_of(valkey ? "valkey" : "redis");
        redis.version = info_value(info, valkey ? "valkey_version" : "redis_version");
        redis.appends = info_number(info, "aof_enabled") != 0;
        redis.used_bytes = info_number(info, "used_memory");
        redis.limit_bytes = info_number(info, "maxmemory");
        redis.refusals = errors_of(info_value(info, "errorstat_OOM"));
        redis.evicts =
            redis.limit_bytes && !text_is(info_value(info, "maxmemory_policy"), "noeviction");
    }
    op->fn(op->arg, &redis);
    op_end(&op->op);
}

void upkeep_look_at_redis(struct ledger *ledger, int64_t deadline_ms, upkeep_redis_fn *fn,
                          void *arg) {
    static const char *const sections[] = {"server", "memory", "persistence", "errorstats"};
    struct redis_op *op = op_start(ledger, sizeof *op);
    op->fn = fn;
    op->arg = arg;
    struct command command = {0};
    command_text_of(&command, "INFO");
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        command_text_of(&command, sections[i]);
    command_send(&command, ledger->redis, deadline_ms, true, on_redis, op);
}
