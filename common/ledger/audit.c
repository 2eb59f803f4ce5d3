/* The audit walks: endpoints, the stream's totals, then service by service its
 * counts and, a page at a time, the stream up to its place and what it is owed.
 * Each script is one moment, and a page needs no other page to be judged, so
 * traffic meanwhile does not make a false alarm. */
#include "ledger/audit.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "ledger/browse.h"
#include "ledger/command.h"
#include "ledger/room.h"
#include "ledger/scripts.h"

enum {
    DEADLINE_MS = 5000,
    PAGE = 1000,
    MOST_NAMED = 5, /* ids in one finding */
};

struct audit {
    struct op op;
    audit_fn *fn;
    void *arg;
    struct audit_report report;
    struct audit_service *services;
    char **findings;
    struct string endpoint_names; /* NUL-separated */
    size_t endpoint_count;
    size_t at; /* the service being looked at */
    int64_t meant;
    /* Of what was given, no longer in the stream: before the walk and after it. What is trimmed
     * meanwhile may have been walked past or not. */
    int64_t trimmed, trimmed_after;
    char *place, *after, *cursor;
    struct string not_pending, not_there;
    size_t not_pending_count, not_there_count;
};

static void finish_audit(struct op *op) {
    struct audit *audit = (struct audit *)op;
    for (size_t i = 0; i < audit->report.service_count; i++)
        free(audit->services[i].name);
    for (size_t i = 0; i < audit->report.finding_count; i++)
        free(audit->findings[i]);
    free(audit->services);
    free(audit->findings);
    free(audit->place);
    free(audit->after);
    free(audit->cursor);
    string_finish(&audit->endpoint_names);
    string_finish(&audit->not_pending);
    string_finish(&audit->not_there);
}

static void audit_end(struct audit *audit, enum ledger_outcome outcome) {
    audit->report.outcome = outcome;
    audit->report.services = audit->services;
    audit->report.findings = (const char *const *)audit->findings;
    audit->fn(audit->arg, &audit->report);
    op_end(&audit->op);
}

__attribute__((format(printf, 2, 3))) static void find(struct audit *audit, const char *format,
                                                       ...) {
    struct string sentence = {0};
    va_list args;
    va_start(args, format);
    string_vaddf(&sentence, format, args);
    va_end(args);
    size_t count = audit->report.finding_count;
    audit->findings = memory_resize(audit->findings, (count + 1) * sizeof *audit->findings);
    audit->findings[count] = sentence.data;
    audit->report.finding_count = count + 1;
}

static void look_at_service(struct audit *);

/* A service's counts */

static void judge_sum(struct audit *audit, struct audit_service *service) {
    int64_t sum =
        service->filtered + service->done + service->dead + service->dropped + service->owed;
    if (service->given == sum)
        return;
    find(audit,
         "%s: given is %" PRId64 ", but filtered + done + dead + dropped + owed is %" PRId64
         " (HGETALL %s:count:%s)",
         service->name, service->given, sum, audit->op.ledger->prefix, service->name);
}

static void judge_walk(struct audit *audit, struct audit_service *service) {
    const char *prefix = audit->op.ledger->prefix;
    bool whole = audit->report.added == audit->report.length + audit->report.trimmed;
    if (audit->meant + audit->trimmed > service->given ||
        (whole && audit->meant + audit->trimmed_after < service->given))
        find(audit,
             "%s: %" PRId64 " events meant for it stand in %s:events up to its place %s and "
             "%" PRId64 " were trimmed, but %" PRId64 " were given",
             service->name, audit->meant, prefix, audit->place, audit->trimmed, service->given);
    if (audit->not_pending_count)
        find(audit,
             "%s: %zu owed events are not pending in its group, as if acknowledged by hand:%s "
             "(XPENDING %s:events %s)",
             service->name, audit->not_pending_count, audit->not_pending.data, prefix,
             service->name);
    if (audit->not_there_count)
        find(audit, "%s: %zu owed events are no longer in %s:events:%s", service->name,
             audit->not_there_count, prefix, audit->not_there.data);
}

static void note_ids(const struct redis_value *ids, struct string *named, size_t *count) {
    for (size_t i = 0; i < ids->count; i++, ++*count)
        if (*count < MOST_NAMED)
            string_addf(named, " %.*s", TEXT_ARG(redis_text(redis_item(ids, i))));
        else if (*count == MOST_NAMED)
            string_add_of(named, " ...");
}

static void ask_page(struct audit *, const struct redis_value *left);

static void on_page(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct audit *audit = arg;
    if (outcome != REDIS_REPLIED) {
        audit_end(audit, op_outcome(&audit->op, NULL, outcome, reply));
        return;
    }
    bool walked = redis_integer(redis_item(reply, 1)) < PAGE;
    free(audit->after);
    free(audit->cursor);
    audit->after = text_copy(redis_text(redis_item(reply, 0)));
    audit->cursor = text_copy(redis_text(redis_item(reply, 3)));
    audit->meant += redis_integer(redis_item(reply, 2));
    audit->trimmed_after = redis_integer(redis_item(reply, 6));
    note_ids(redis_item(reply, 4), &audit->not_pending, &audit->not_pending_count);
    note_ids(redis_item(reply, 5), &audit->not_there, &audit->not_there_count);
    const struct redis_value *left = redis_item(reply, 7);
    if (!walked || audit->cursor[0] || left->count) {
        ask_page(audit, left);
        return;
    }
    struct audit_service *service = &audit->services[audit->at];
    size_t before = audit->report.finding_count;
    judge_sum(audit, service);
    judge_walk(audit, service);
    service->balances = service->balances && audit->report.finding_count == before;
    audit->at++;
    look_at_service(audit);
}

/* `left`: owed ids that the page before this one did not come to. */
static void ask_page(struct audit *audit, const struct redis_value *left) {
    struct ledger *ledger = audit->op.ledger;
    struct text service = text_of(audit->services[audit->at].name);
    struct command command = {.script = &script_audit_page};
    command_key(&command, ledger, "events");
    command_key_of(&command, ledger, "owed", service);
    command_key_of(&command, ledger, "count", service);
    command_text(&command, service);
    command_text_of(&command, audit->after);
    command_text_of(&command, audit->place);
    command_number(&command, PAGE);
    command_text_of(&command, audit->cursor);
    for (size_t i = 0; left && i < left->count; i++)
        command_text(&command, redis_text(redis_item(left, i)));
    command_send(&command, ledger->redis, DEADLINE_MS, true, on_page, audit);
}

static void judge_group(struct audit *audit, struct audit_service *service,
                        const struct redis_value *reply) {
    const char *prefix = audit->op.ledger->prefix;
    int64_t pending = redis_integer(redis_item(reply, 6)),
            due = redis_integer(redis_item(reply, 7));
    struct text position = redis_text(redis_item(reply, 10));
    if (position.size == 0)
        find(audit, "%s: its group on %s:events is gone; a running forward makes it again",
             service->name, prefix);
    else if (!text_is(position, audit->place))
        find(audit,
             "%s: its group stands at %.*s, but it was given everything up to %s only, as if set "
             "by hand; a running forward sets it back",
             service->name, TEXT_ARG(position), audit->place);
    if (position.size && pending != service->owed)
        find(audit, "%s: %" PRId64 " events are owed, but %" PRId64 " are pending in its group",
             service->name, service->owed, pending);
    if (due != service->owed)
        find(audit, "%s: %" PRId64 " events are owed, but %" PRId64 " have a due time (%s:due:%s)",
             service->name, service->owed, due, prefix, service->name);
}

static void on_service(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct audit *audit = arg;
    if (outcome != REDIS_REPLIED) {
        audit_end(audit, op_outcome(&audit->op, NULL, outcome, reply));
        return;
    }
    struct audit_service *service = &audit->services[audit->at];
    int64_t *counts[] = {&service->given, &service->filtered, &service->done,
                         &service->dead,  &service->dropped,  &service->owed};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        *counts[i] = redis_integer(redis_item(reply, i));
    service->unread = redis_integer(redis_item(reply, 11));
    audit->trimmed = redis_integer(redis_item(reply, 12));
    audit->place = text_copy(redis_text(redis_item(reply, 8)));
    audit->after = text_copy(redis_text(redis_item(reply, 9)));
    audit->cursor = text_copy(text_of("0"));
    size_t before = audit->report.finding_count;
    judge_group(audit, service, reply);
    service->balances = audit->report.finding_count == before;
    ask_page(audit, NULL);
}

static void start_service(struct audit *audit) {
    free(audit->place);
    free(audit->after);
    free(audit->cursor);
    audit->place = audit->after = audit->cursor = NULL;
    string_clear(&audit->not_pending);
    string_clear(&audit->not_there);
    audit->not_pending_count = audit->not_there_count = 0;
    audit->meant = 0;
}

static void look_at_service(struct audit *audit) {
    if (audit->at == audit->report.service_count) {
        audit_end(audit, LEDGER_DONE);
        return;
    }
    start_service(audit);
    struct ledger *ledger = audit->op.ledger;
    struct text service = text_of(audit->services[audit->at].name);
    struct command command = {.script = &script_audit_service};
    command_key(&command, ledger, "events");
    command_key(&command, ledger, "places");
    command_key_of(&command, ledger, "owed", service);
    command_key_of(&command, ledger, "count", service);
    command_key_of(&command, ledger, "service", service);
    command_key_of(&command, ledger, "due", service);
    command_text(&command, service);
    command_send(&command, ledger->redis, DEADLINE_MS, true, on_service, audit);
}

/* The stream's totals */

static void on_stream(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct audit *audit = arg;
    struct audit_report *report = &audit->report;
    const char *prefix = audit->op.ledger->prefix;
    if (outcome != REDIS_REPLIED) {
        audit_end(audit, op_outcome(&audit->op, NULL, outcome, reply));
        return;
    }
    report->appended = redis_integer(redis_item(reply, 0));
    report->revived = redis_integer(redis_item(reply, 1));
    report->added = redis_integer(redis_item(reply, 2));
    report->length = redis_integer(redis_item(reply, 3));
    if (report->appended + report->revived != report->added)
        find(audit,
             "%s:events had %" PRId64 " entries added, but the endpoints appended %" PRId64
             " and %" PRId64 " were revived",
             prefix, report->added, report->appended, report->revived);
    report->trimmed = redis_integer(redis_item(reply, 5));
    if (report->length + report->trimmed != report->added)
        find(audit,
             "%" PRId64 " entries were taken out of %s:events by somebody else than us; the newest "
             "that was deleted is %.*s",
             report->added - report->length - report->trimmed, prefix,
             TEXT_ARG(redis_text(redis_item(reply, 4))));
    look_at_service(audit);
}

static void ask_stream(struct audit *audit) {
    struct ledger *ledger = audit->op.ledger;
    struct command command = {.script = &script_audit_stream};
    command_key(&command, ledger, "events");
    command_key(&command, ledger, "about");
    const char *name = audit->endpoint_names.data;
    for (size_t i = 0; i < audit->endpoint_count; i++, name += text_of(name).size + 1)
        command_whole_key(&command, text_of(name));
    command_send(&command, ledger->redis, DEADLINE_MS, true, on_stream, audit);
}

/* Which endpoints have ever appended: their keys, found by SCAN */

/* SCAN may tell a key twice; it must not be counted twice. */
static void note_endpoint(struct audit *audit, struct text key) {
    const char *name = audit->endpoint_names.data;
    for (size_t i = 0; i < audit->endpoint_count; i++, name += text_of(name).size + 1)
        if (text_is(key, name))
            return;
    string_add(&audit->endpoint_names, key);
    string_add_char(&audit->endpoint_names, '\0');
    audit->endpoint_count++;
}

static void ask_endpoints(struct audit *, struct text cursor);

static void on_endpoints(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct audit *audit = arg;
    if (outcome != REDIS_REPLIED) {
        audit_end(audit, op_outcome(&audit->op, NULL, outcome, reply));
        return;
    }
    const struct redis_value *keys = redis_item(reply, 1);
    for (size_t i = 0; i < keys->count; i++)
        note_endpoint(audit, redis_text(redis_item(keys, i)));
    struct text cursor = redis_text(redis_item(reply, 0));
    if (text_is(cursor, "0"))
        ask_stream(audit);
    else
        ask_endpoints(audit, cursor);
}

static void ask_endpoints(struct audit *audit, struct text cursor) {
    struct ledger *ledger = audit->op.ledger;
    struct command command = {0};
    command_text_of(&command, "SCAN");
    command_text(&command, cursor);
    command_text_of(&command, "MATCH");
    command_key_of(&command, ledger, "endpoint", text_of("*"));
    command_text_of(&command, "COUNT");
    command_number(&command, 10 * PAGE);
    command_send(&command, ledger->redis, DEADLINE_MS, true, on_endpoints, audit);
}

static void on_services(void *arg, enum ledger_outcome outcome, const struct text *names,
                        size_t count) {
    struct audit *audit = arg;
    if (outcome != LEDGER_DONE) {
        audit_end(audit, outcome);
        return;
    }
    audit->services = memory_new(count * sizeof *audit->services);
    audit->report.service_count = count;
    for (size_t i = 0; i < count; i++)
        audit->services[i].name = text_copy(names[i]);
    ask_endpoints(audit, text_of("0"));
}

void audit_run(struct ledger *ledger, audit_fn *fn, void *arg) {
    struct audit *audit = op_start(ledger, sizeof *audit);
    audit->op.finish = finish_audit;
    audit->fn = fn;
    audit->arg = arg;
    browse_services(ledger, on_services, audit);
}
