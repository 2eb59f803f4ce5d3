/* Every move of the ledger against a real Redis, and what its audit notices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/config.h"
#include "base/memory.h"
#include "base/pattern.h"
#include "ledger/audit.h"
#include "ledger/bell.h"
#include "ledger/browse.h"
#include "ledger/dead.h"
#include "ledger/moves.h"
#include "redis_house.h"

enum {
    DEADLINE_MS = 5000,
    LEASE_MS = 60000,
    OWED_MOST_MS = 3600000,
    WINDOW_MS = 60000,
    PROBE_MS = 100,
    KEPT = 64,
    MOST_BATCHED = 8
};

static struct config_service crm = {.concurrency = 8};

struct house {
    struct loop *loop;
    struct redis_house *redis;
    struct config config;
    struct ledger *ledger;
    struct loop_timer *deadline;
    bool done;
};

/* A text, beyond the callback that lent it. */
static void keep(char *to, struct text text) {
    size_t size = text.size < KEPT - 1 ? text.size : KEPT - 1;
    if (size)
        memcpy(to, text.data, size);
    to[size] = '\0';
}

/* The configuration's strings are its own; a test's are literals. */
static char *name_of(const char *literal) {
    return (char *)(uintptr_t)literal;
}

static void on_deadline(void *arg) {
    (void)arg;
    fail_msg("nothing came before the deadline");
}

static void await(struct house *house) {
    loop_timer_set(house->deadline, 2 * DEADLINE_MS);
    while (!house->done)
        loop_turn(house->loop);
    loop_timer_cancel(house->deadline);
    house->done = false;
}

static struct house *build(const char *const *redis_args) {
    struct house *house = memory_new(sizeof *house);
    struct string why = {0};
    house->loop = loop_create();
    house->redis = redis_house_start(redis_args);
    house->config.redis.url = strdup(redis_house_url(house->redis));
    house->config.redis.prefix = strdup("kula");
    house->ledger = ledger_create(house->loop, &house->config, "test", NULL, NULL, &why);
    house->deadline = loop_timer_create(house->loop, on_deadline, NULL);
    assert_non_null(house->ledger);
    return house;
}

static int set_up(void **state) {
    crm.name = name_of("crm");
    *state = build(NULL);
    return 0;
}

static int tear_down(void **state) {
    struct house *house = *state;
    ledger_destroy(house->ledger);
    loop_timer_destroy(house->deadline);
    loop_destroy(house->loop);
    redis_house_stop(house->redis);
    free(house->config.redis.url);
    free(house->config.redis.prefix);
    free(house);
    return 0;
}

/* What a call came to, kept beyond its callback. */
struct stored {
    struct house *house;
    enum ledger_stored stored;
    char stream_id[KEPT];
};

static void on_stored(void *arg, enum ledger_stored how, struct text stream_id) {
    struct stored *stored = arg;
    stored->stored = how;
    keep(stored->stream_id, stream_id);
    stored->house->done = true;
}

static struct stored append_body(struct house *house, const char *id, const char *type,
                                 const char *endpoint, struct text body) {
    struct stored stored = {.house = house};
    struct ledger_item item = {
        .event = {.id = text_of(id),
                  .type = text_of(type),
                  .endpoint = text_of(endpoint),
                  .account = text_of("12345"),
                  .created = text_of("2025-01-15T10:30:00Z"),
                  .trace = text_of("0123456789abcdef0123456789abcdef"),
                  .received_ms = 1736937000123,
                  .body = body},
        .window_ms = WINDOW_MS,
    };
    ledger_append(house->ledger, &item, DEADLINE_MS, on_stored, &stored);
    await(house);
    return stored;
}

static struct stored append(struct house *house, const char *id, const char *type) {
    return append_body(house, id, type, "kula", text_of("{\"data\":{}}"));
}

struct opened {
    struct house *house;
    enum ledger_outcome outcome;
};

static void on_opened(void *arg, enum ledger_outcome outcome) {
    struct opened *opened = arg;
    opened->outcome = outcome;
    opened->house->done = true;
}

static void open_service(struct house *house, const struct config_service *service) {
    struct opened opened = {.house = house};
    moves_open(house->ledger, service, 1, DEADLINE_MS, on_opened, &opened);
    await(house);
    assert_int_equal(opened.outcome, LEDGER_DONE);
}

enum { MOST = 64 };

struct haul {
    struct house *house;
    struct moves_haul haul; /* its borrowed parts are not to be looked at */
    size_t count;
    struct {
        char stream_id[KEPT], id[KEPT], lease[KEPT], body[KEPT];
        unsigned attempts;
    } taken[MOST];
    char place[KEPT];
};

static void on_haul(void *arg, const struct moves_haul *haul) {
    struct haul *kept = arg;
    kept->haul = *haul;
    kept->count = haul->count;
    assert_true(haul->count <= MOST);
    keep(kept->place, haul->place);
    for (size_t i = 0; i < haul->count; i++) {
        const struct moves_taken *taken = &haul->taken[i];
        keep(kept->taken[i].stream_id, taken->event.stream_id);
        keep(kept->taken[i].id, taken->event.id);
        keep(kept->taken[i].lease, taken->lease);
        keep(kept->taken[i].body, taken->event.body);
        kept->taken[i].attempts = taken->attempts;
    }
    kept->house->done = true;
}

static struct haul take_for(struct house *house, const struct config_service *service, size_t slots,
                            int64_t lease_ms) {
    struct haul haul = {.house = house};
    moves_take(house->ledger,
               &(struct moves_take){service, slots, slots, lease_ms, OWED_MOST_MS, DEADLINE_MS},
               on_haul, &haul);
    await(house);
    assert_int_equal(haul.haul.outcome, LEDGER_DONE);
    return haul;
}

static struct haul take(struct house *house, const struct config_service *service) {
    return take_for(house, service, 8, LEASE_MS);
}

struct settled {
    struct house *house;
    enum moves_settled settled;
};

static void on_settled(void *arg, enum moves_settled how) {
    struct settled *settled = arg;
    settled->settled = how;
    settled->house->done = true;
}

static enum moves_settled settle_breaker(struct house *house, const struct haul *haul, size_t i,
                                         const char *lease, enum moves_verdict verdict,
                                         enum moves_breaker breaker) {
    struct settled settled = {.house = house};
    moves_settle(house->ledger,
                 &(struct moves_settle){.service = "crm",
                                        .stream_id = text_of(haul->taken[i].stream_id),
                                        .lease = text_of(lease),
                                        .event_id = text_of(haul->taken[i].id),
                                        .verdict = verdict,
                                        .delay_ms = 50,
                                        .breaker = breaker,
                                        .probe_in_ms = PROBE_MS,
                                        .reason = "answered",
                                        .status = verdict == MOVES_DONE ? 200 : 500,
                                        .took_ms = 7,
                                        .deadline_ms = DEADLINE_MS},
                 on_settled, &settled);
    await(house);
    return settled.settled;
}

static enum moves_settled settle_with(struct house *house, const struct haul *haul, size_t i,
                                      const char *lease, enum moves_verdict verdict) {
    return settle_breaker(house, haul, i, lease, verdict, MOVES_BREAKER_AS_IS);
}

static enum moves_settled settle(struct house *house, const struct haul *haul, size_t i,
                                 enum moves_verdict verdict) {
    return settle_with(house, haul, i, haul->taken[i].lease, verdict);
}

static void on_healed(void *arg, const struct moves_healed *healed) {
    struct house *house = ((struct opened *)arg)->house;
    ((struct opened *)arg)->outcome = healed->outcome;
    house->done = true;
}

static void heal(struct house *house) {
    struct opened opened = {.house = house};
    moves_heal(house->ledger, "crm", DEADLINE_MS, on_healed, &opened);
    await(house);
    assert_int_equal(opened.outcome, LEDGER_DONE);
}

/* The audit's findings as one text, empty where it balances. */
struct audited {
    struct house *house;
    struct string findings;
    struct audit_service crm;
};

static void on_audited(void *arg, const struct audit_report *report) {
    struct audited *audited = arg;
    assert_int_equal(report->outcome, LEDGER_DONE);
    for (size_t i = 0; i < report->finding_count; i++)
        string_addf(&audited->findings, "%s\n", report->findings[i]);
    for (size_t i = 0; i < report->service_count; i++)
        if (strcmp(report->services[i].name, "crm") == 0)
            audited->crm = report->services[i];
    audited->house->done = true;
}

static struct audit_service assert_balances(struct house *house) {
    struct audited audited = {.house = house};
    audit_run(house->ledger, on_audited, &audited);
    await(house);
    if (audited.findings.size)
        fail_msg("%s", audited.findings.data);
    return audited.crm;
}

static void assert_found(struct house *house, const char *part) {
    struct audited audited = {.house = house};
    audit_run(house->ledger, on_audited, &audited);
    await(house);
    if (!audited.findings.size || !strstr(audited.findings.data, part))
        fail_msg("expected \"%s\" among:\n%s", part,
                 audited.findings.size ? audited.findings.data : "(nothing)");
    string_finish(&audited.findings);
}

static void say(struct house *house, const char *format, ...) {
    char command[512];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    const char *reply = redis_house_say(house->redis, command);
    if (reply[0] == '-')
        fail_msg("%s: %s", command, reply);
}

static void test_an_event_is_stored_once_and_told_as_duplicate_after(void **state) {
    struct house *house = *state;
    struct stored first = append(house, "evt_1", "ping");
    struct stored second = append(house, "evt_1", "ping");
    struct stored other = append_body(house, "evt_1", "ping", "other", text_of("{}"));
    assert_int_equal(first.stored, LEDGER_STORED);
    assert_int_equal(second.stored, LEDGER_DUPLICATE);
    assert_string_equal(first.stream_id, second.stream_id);
    assert_int_equal(other.stored, LEDGER_STORED);
    assert_string_equal(redis_house_say(house->redis, "XLEN kula:events"), ":2\r\n");
    assert_string_equal(redis_house_say(house->redis, "HGET kula:endpoint:kula duplicate"),
                        "$1\r\n1\r\n");
    assert_balances(house);
}

static void test_a_body_with_every_byte_comes_back_as_it_went(void **state) {
    struct house *house = *state;
    char body[60];
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (char)(i * 4 + 1);
    append_body(house, "evt_1", "ping", "kula", text_slice(body, sizeof body));
    open_service(house, &crm);
    struct haul haul = take(house, &crm);
    assert_int_equal(haul.count, 1);
    assert_memory_equal(haul.taken[0].body, body, sizeof body);
}

static void test_the_pen_keeps_what_cannot_be_read(void **state) {
    struct house *house = *state;
    struct stored stored = {.house = house};
    ledger_append(
        house->ledger,
        &(struct ledger_item){.pen = true,
                              .event = {.endpoint = text_of("kula"), .body = text_of("hello")},
                              .reason = text_of("not_json"),
                              .signature = text_of("t=1,v1=0")},
        DEADLINE_MS, on_stored, &stored);
    await(house);
    assert_int_equal(stored.stored, LEDGER_STORED);
    assert_string_equal(redis_house_say(house->redis, "XLEN kula:pen"), ":1\r\n");
    assert_string_equal(redis_house_say(house->redis, "EXISTS kula:events"), ":0\r\n");
}

struct batched {
    struct house *house;
    struct ledger_batched result;
};

static void on_batched(void *arg, const struct ledger_batched *result) {
    struct batched *batched = arg;
    batched->result = *result;
    batched->house->done = true;
}

/* A batch of `count` events numbered from `first`, after what is believed to be the last. */
static struct ledger_batched append_batch(struct house *house, uint64_t after, uint64_t first,
                                          size_t count) {
    struct batched batched = {.house = house};
    struct ledger_item items[MOST_BATCHED];
    char ids[MOST_BATCHED][16];
    assert_true(count <= MOST_BATCHED);
    for (size_t i = 0; i < count; i++) {
        snprintf(ids[i], sizeof ids[i], "evt_%d", (int)(first + i));
        items[i] = (struct ledger_item){
            .sequence = first + i,
            .event = {.id = text_of(ids[i]), .type = text_of("ping"), .endpoint = text_of("kula")},
            .window_ms = WINDOW_MS};
    }
    ledger_append_batch(house->ledger,
                        &(struct ledger_batch){.spool = "0123456789abcdef",
                                               .after = after,
                                               .items = items,
                                               .count = count,
                                               .deadline_ms = DEADLINE_MS},
                        on_batched, &batched);
    await(house);
    assert_int_equal(batched.result.outcome, LEDGER_DONE);
    return batched.result;
}

static void test_a_batch_is_appended_when_it_follows_and_else_told_what_is_there(void **state) {
    struct house *house = *state;
    struct ledger_batched result = append_batch(house, 0, 1, 3);
    assert_true(result.follows);
    assert_int_equal(result.last, 3);
    assert_int_equal(result.stored, 3);
    result = append_batch(house, 0, 1, 3);
    assert_false(result.follows);
    assert_int_equal(result.last, 3);
    result = append_batch(house, 7, 8, 1);
    assert_false(result.follows);
    result = append_batch(house, 3, 5, 2);
    assert_true(result.follows);
    assert_int_equal(result.last, 6);
    assert_string_equal(redis_house_say(house->redis, "XLEN kula:events"), ":5\r\n");
    assert_string_equal(redis_house_say(house->redis, "GET kula:spool:0123456789abcdef"),
                        "$1\r\n6\r\n");
    assert_balances(house);
}

static void
test_what_redis_forgot_is_added_again_and_what_survived_told_as_duplicate(void **state) {
    struct house *house = *state;
    append_batch(house, 0, 1, 4);
    const char *last = redis_house_say(house->redis, "XREVRANGE kula:events + - COUNT 1");
    char id[KEPT];
    sscanf(strchr(last, '$') + 4, " %63[0-9-]", id); /* behind "$15\r" */
    /* A failover to a replica that lagged in everything but the marks. */
    say(house, "XDEL kula:events %s", id);
    say(house, "SET kula:spool:0123456789abcdef 2");
    struct ledger_batched result = append_batch(house, 2, 3, 2);
    assert_true(result.follows);
    assert_int_equal(result.duplicate, 1);
    assert_int_equal(result.stored, 1);
    assert_string_equal(redis_house_say(house->redis, "XLEN kula:events"), ":4\r\n");
}

struct looked_at {
    struct house *house;
    struct ledger_look look;
};

static void on_looked_at(void *arg, const struct ledger_look *look) {
    struct looked_at *looked = arg;
    looked->look = *look;
    looked->house->done = true;
}

static struct ledger_look look_at_spool(struct house *house) {
    struct looked_at looked = {.house = house};
    ledger_look_at_spool(house->ledger, "0123456789abcdef", DEADLINE_MS, on_looked_at, &looked);
    await(house);
    assert_int_equal(looked.look.outcome, LEDGER_DONE);
    return looked.look;
}

static void
test_the_ledger_says_what_it_has_of_a_spool_and_since_when_something_is_owed(void **state) {
    struct house *house = *state;
    assert_int_equal(look_at_spool(house).last, 0);
    open_service(house, &crm);
    int64_t nothing_owed_ms = look_at_spool(house).owed_since_ms;
    append_batch(house, 0, 1, 2);
    struct ledger_look look = look_at_spool(house);
    assert_int_equal(look.last, 2);
    assert_true(look.owed_since_ms >= nothing_owed_ms);
    struct haul haul = take(house, &crm);
    assert_int_equal(look_at_spool(house).owed_since_ms, look.owed_since_ms);
    settle(house, &haul, 0, MOVES_DONE);
    settle(house, &haul, 1, MOVES_DONE);
    assert_true(look_at_spool(house).owed_since_ms >= look.owed_since_ms);
}

static void test_the_first_service_ever_gets_everything_a_later_one_from_its_start(void **state) {
    struct house *house = *state;
    struct config_service now = {.name = name_of("now"), .start = CONFIG_START_NOW};
    struct config_service all = {.name = name_of("all"), .start = CONFIG_START_BEGINNING};
    struct config_service hour = {
        .name = name_of("hour"), .start = CONFIG_START_AGO, .start_ago_ms = 3600000};
    append(house, "evt_1", "ping");
    open_service(house, &crm);
    open_service(house, &now);
    open_service(house, &all);
    open_service(house, &hour);
    append(house, "evt_2", "ping");
    assert_int_equal(take(house, &crm).count, 2);
    assert_int_equal(take(house, &now).count, 1);
    assert_int_equal(take(house, &all).count, 2);
    assert_int_equal(take(house, &hour).count, 2);
    assert_balances(house);
    open_service(house, &crm);
    assert_int_equal(take(house, &crm).count, 0);
    assert_balances(house);
}

static void test_events_are_taken_in_order_up_to_the_free_slots(void **state) {
    struct house *house = *state;
    open_service(house, &crm);
    for (int i = 0; i < 5; i++) {
        char id[16];
        snprintf(id, sizeof id, "evt_%d", i);
        append(house, id, "ping");
    }
    struct haul first = take_for(house, &crm, 3, LEASE_MS);
    assert_int_equal(first.count, 3);
    assert_true(first.haul.more);
    assert_string_equal(first.taken[0].id, "evt_0");
    assert_string_equal(first.taken[2].id, "evt_2");
    assert_string_equal(first.place, first.taken[2].stream_id);
    struct haul second = take(house, &crm);
    assert_int_equal(second.count, 2);
    assert_false(second.haul.more);
    assert_int_equal(second.haul.owed, 5);
    assert_string_not_equal(first.taken[0].lease, second.taken[0].lease);
    assert_balances(house);
}

static void test_a_call_hands_out_little_more_than_a_mebibyte(void **state) {
    struct house *house = *state;
    size_t bytes = 600 * 1024;
    char *body = memory_new(bytes);
    memset(body, 'x', bytes);
    open_service(house, &crm);
    for (int i = 0; i < 4; i++)
        append_body(house, (const char *[]){"a", "b", "c", "d"}[i], "ping", "kula",
                    text_slice(body, bytes));
    assert_int_equal(take(house, &crm).count, 2);
    assert_int_equal(take(house, &crm).count, 2);
    free(body);
}

static void test_a_service_gets_what_its_patterns_say_and_the_rest_is_counted(void **state) {
    struct house *house = *state;
    static const char *const types[] = {"ping",
                                        "application.created",
                                        "application.updated",
                                        "interview.event.created",
                                        "interview.availability.computed",
                                        "interview.event",
                                        "a+b.c%d",
                                        "application",
                                        "job_posting.published"};
    static const char *const lists[][3] = {
        {"*"},
        {"application.*"},
        {"interview.*"},
        {"interview.*.created"},
        {"*.created"},
        {"!application.updated"},
        {"application.*", "!application.updated"},
        {"ping", "job_posting.published"},
        {"a+b.c%d"},
        {"*.*"},
        {"!*"},
    };
    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
        append(house, types[t], types[t]);
    open_service(house, &crm);
    for (size_t l = 0; l < sizeof lists / sizeof *lists; l++) {
        size_t count = 0, wanted = 0;
        while (count < 3 && lists[l][count])
            count++;
        char name[16];
        snprintf(name, sizeof name, "list-%zu", l);
        struct config_service service = {.name = name,
                                         .events = (char **)(uintptr_t)lists[l],
                                         .event_count = count,
                                         .start = CONFIG_START_BEGINNING};
        open_service(house, &service);
        struct haul haul = take_for(house, &service, MOST, LEASE_MS);
        for (size_t t = 0; t < sizeof types / sizeof *types; t++)
            if (pattern_list_matches(lists[l], count, text_of(types[t])))
                assert_string_equal(haul.taken[wanted++].id, types[t]);
        assert_int_equal(haul.count, wanted);
        assert_int_equal(haul.haul.filtered, sizeof types / sizeof *types - wanted);
    }
    assert_balances(house);
}

static void test_a_service_of_one_endpoint_gets_nothing_of_another(void **state) {
    struct house *house = *state;
    char *endpoints[] = {name_of("second")};
    struct config_service service = {
        .name = name_of("crm"), .endpoints = endpoints, .endpoint_count = 1};
    open_service(house, &service);
    append_body(house, "evt_1", "ping", "first", text_of("{}"));
    append_body(house, "evt_2", "ping", "second", text_of("{}"));
    struct haul haul = take(house, &service);
    assert_int_equal(haul.count, 1);
    assert_string_equal(haul.taken[0].id, "evt_2");
    assert_balances(house);
}

static void test_a_delivered_event_is_done_and_a_second_word_changes_nothing(void **state) {
    struct house *house = *state;
    open_service(house, &crm);
    append(house, "evt_1", "ping");
    struct haul haul = take(house, &crm);
    assert_int_equal(settle(house, &haul, 0, MOVES_DONE), MOVES_SETTLED);
    assert_int_equal(settle(house, &haul, 0, MOVES_DONE), MOVES_LEASE_LOST);
    assert_int_equal(settle(house, &haul, 0, MOVES_DEFER), MOVES_LEASE_LOST);
    assert_int_equal(settle(house, &haul, 0, MOVES_BURY), MOVES_LEASE_LOST);
    struct audit_service counts = assert_balances(house);
    assert_int_equal(counts.done, 1);
    assert_int_equal(counts.owed, 0);
    assert_string_equal(redis_house_say(house->redis, "XLEN kula:log"), ":1\r\n");
}

/* Takes until something is handed out: it comes due by Redis' clock. */
static struct haul take_when_due(struct house *house) {
    for (;;) {
        struct haul haul = take(house, &crm);
        if (haul.count)
            return haul;
        assert_true(haul.haul.next_due_in_ms >= 0);
    }
}

static void test_a_deferred_event_comes_back_when_due_with_its_attempts(void **state) {
    struct house *house = *state;
    open_service(house, &crm);
    append(house, "evt_1", "ping");
    struct haul haul = take(house, &crm);
    assert_int_equal(haul.taken[0].attempts, 0);
    assert_int_equal(settle(house, &haul, 0, MOVES_DEFER), MOVES_SETTLED);
    haul = take_when_due(house);
    assert_int_equal(haul.taken[0].attempts, 1);
    assert_int_equal(settle(house, &haul, 0, MOVES_DEFER), MOVES_SETTLED);
    haul = take_when_due(house);
    assert_int_equal(haul.taken[0].attempts, 2);
    assert_int_equal(settle(house, &haul, 0, MOVES_DONE), MOVES_SETTLED);
    assert_balances(house);
}

static void test_a_service_that_asked_for_a_pause_is_handed_nothing_meanwhile(void **state) {
    struct house *house = *state;
    struct settled settled = {.house = house};
    open_service(house, &crm);
    append(house, "evt_1", "ping");
    struct haul haul = take(house, &crm);
    moves_settle(house->ledger,
                 &(struct moves_settle){.service = "crm",
                                        .stream_id = text_of(haul.taken[0].stream_id),
                                        .lease = text_of(haul.taken[0].lease),
                                        .event_id = text_of("evt_1"),
                                        .verdict = MOVES_DEFER,
                                        .delay_ms = 1,
                                        .hold_ms = 200,
                                        .reason = "answered",
                                        .status = 503,
                                        .deadline_ms = DEADLINE_MS},
                 on_settled, &settled);
    await(house);
    append(house, "evt_2", "ping");
    haul = take(house, &crm);
    assert_int_equal(haul.count, 0);
    assert_in_range(haul.haul.held_for_ms, 1, 200);
    assert_false(haul.haul.more);
    do
        haul = take(house, &crm);
    while (haul.haul.held_for_ms);
    assert_int_equal(haul.count, 2);
    assert_balances(house);
}

struct letters {
    struct house *house;
    size_t count;
    char dead_id[KEPT], id[KEPT], origin[KEPT], reason[KEPT], body[KEPT];
    unsigned tries;
    bool found;
};

static void on_letters(void *arg, const struct dead_page *page) {
    struct letters *letters = arg;
    letters->count = page->count;
    if (page->count) {
        const struct dead_letter *letter = &page->items[0];
        keep(letters->dead_id, letter->dead_id);
        keep(letters->id, letter->event.id);
        keep(letters->origin, letter->event.stream_id);
        keep(letters->reason, letter->reason);
        keep(letters->body, letter->event.body);
        letters->tries = letter->tries;
    }
    letters->house->done = true;
}

static struct letters dead_letters(struct house *house) {
    struct letters letters = {.house = house};
    dead_after(house->ledger, "crm", text_of("0"), 10, on_letters, &letters);
    await(house);
    return letters;
}

/* Nothing is handed out before the next probe's time: takes until it is there. */
static struct haul take_probe(struct house *house) {
    struct haul haul;
    do
        haul = take(house, &crm);
    while (!haul.count && haul.haul.held_for_ms);
    assert_int_equal(haul.count, 1);
    assert_true(haul.haul.probe && haul.haul.breaker_open);
    return haul;
}

static void settle_probe(struct house *house, const struct haul *haul, enum moves_verdict verdict) {
    bool well = verdict == MOVES_DONE;
    assert_int_equal(settle_breaker(house, haul, 0, haul->taken[0].lease, verdict,
                                    well ? MOVES_BREAKER_CLOSES : MOVES_BREAKER_STAYS),
                     MOVES_SETTLED);
}

/* Two owed events and four unread ones, behind an open breaker. */
static void open_breaker(struct house *house) {
    static const char *const ids[] = {"evt_1", "evt_2", "evt_3", "evt_4", "evt_5", "evt_6"};
    open_service(house, &crm);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        append(house, ids[i], "ping");
    struct haul haul = take_for(house, &crm, 2, LEASE_MS);
    settle(house, &haul, 0, MOVES_DEFER);
    settle_breaker(house, &haul, 1, haul.taken[1].lease, MOVES_DEFER, MOVES_BREAKER_OPENS);
}

static void test_an_open_breaker_hands_out_one_probe_at_a_time_in_turn_due_and_new(void **state) {
    static const char *const turns[] = {"evt_1", "evt_3", "evt_2", "evt_4"};
    struct house *house = *state;
    open_breaker(house);
    struct haul haul = take(house, &crm);
    assert_int_equal(haul.count, 0);
    assert_in_range(haul.haul.held_for_ms, 1, PROBE_MS);
    assert_true(haul.haul.breaker_open);
    for (size_t i = 0; i < sizeof turns / sizeof *turns; i++) {
        haul = take_probe(house);
        assert_string_equal(haul.taken[0].id, turns[i]);
        assert_int_equal(haul.haul.breaker_probes, i);
        /* Nobody else gets one while this one is on its way. */
        assert_int_equal(take(house, &crm).count, 0);
        settle_probe(house, &haul, MOVES_DEFER);
    }
    assert_int_equal(take(house, &crm).haul.owed, 4);
    assert_balances(house);
}

static void test_a_probe_that_goes_well_closes_the_breaker_for_all(void **state) {
    struct house *house = *state;
    open_breaker(house);
    struct haul haul = take_probe(house);
    settle_probe(house, &haul, MOVES_DONE);
    haul = take(house, &crm);
    assert_false(haul.haul.breaker_open);
    assert_int_equal(haul.haul.held_for_ms, 0);
    assert_int_equal(haul.count, 5);
    assert_string_equal(redis_house_say(house->redis, "HEXISTS kula:service:crm probe_at"),
                        ":0\r\n");
}

static void test_another_probe_follows_when_the_prober_has_died(void **state) {
    struct house *house = *state;
    open_breaker(house);
    struct haul dead = {.house = house};
    do
        dead = take_for(house, &crm, 8, 30);
    while (!dead.count);
    struct haul alive = take_probe(house);
    settle_probe(house, &alive, MOVES_DONE);
    assert_false(take(house, &crm).haul.breaker_open);
}

static void test_a_breaker_that_is_open_is_not_opened_again(void **state) {
    struct house *house = *state;
    open_breaker(house);
    struct haul haul = take_probe(house);
    settle_probe(house, &haul, MOVES_DEFER);
    haul = take_probe(house);
    settle_breaker(house, &haul, 0, haul.taken[0].lease, MOVES_DEFER, MOVES_BREAKER_OPENS);
    assert_int_equal(take(house, &crm).haul.breaker_probes, 1);
}

static void test_retries_get_no_more_slots_than_they_may_have(void **state) {
    struct house *house = *state;
    open_service(house, &crm);
    for (int i = 0; i < 4; i++)
        append(house, (const char *[]){"a", "b", "c", "d"}[i], "ping");
    take_for(house, &crm, 3, 1);
    struct haul haul = {.house = house};
    for (int64_t due_in_ms = 1; due_in_ms;) { /* until all three are due */
        moves_take(house->ledger,
                   &(struct moves_take){&crm, 0, 0, LEASE_MS, OWED_MOST_MS, DEADLINE_MS}, on_haul,
                   &haul);
        await(house);
        due_in_ms = haul.haul.next_due_in_ms;
    }
    moves_take(house->ledger, &(struct moves_take){&crm, 3, 1, LEASE_MS, OWED_MOST_MS, DEADLINE_MS},
               on_haul, &haul);
    await(house);
    assert_int_equal(haul.count, 2);
    assert_true(strcmp(haul.taken[0].id, "d") == 0 || strcmp(haul.taken[1].id, "d") == 0);
    assert_int_equal(haul.haul.next_due_in_ms, 0);
}

static void test_what_is_handed_out_ten_times_and_never_settled_is_dead(void **state) {
    struct house *house = *state;
    open_service(house, &crm);
    append(house, "evt_1", "ping");
    struct haul haul;
    int handed_out = 0;
    do {
        haul = take_for(house, &crm, 8, 1);
        handed_out += (int)haul.count;
    } while (!haul.haul.poisonous);
    assert_int_equal(handed_out, 10);
    assert_int_equal(haul.haul.poisonous, 1);
    assert_int_equal(haul.haul.owed, 0);
    struct letters letters = dead_letters(house);
    assert_string_equal(letters.reason, "handed out 10 times and never tried to the end");
    assert_int_equal(letters.tries, 0);
    assert_balances(house);
}

static void test_what_is_tried_to_its_end_is_no_poison_however_often(void **state) {
    struct house *house = *state;
    open_service(house, &crm);
    append(house, "evt_1", "ping");
    for (int tries = 0; tries < 15; tries++) {
        struct haul haul = take_when_due(house);
        assert_int_equal(haul.taken[0].attempts, tries);
        settle(house, &haul, 0, MOVES_DEFER);
    }
    assert_balances(house);
}

static struct haul take_with_retention(struct house *house, int64_t owed_most_ms) {
    struct haul haul = {.house = house};
    moves_take(house->ledger, &(struct moves_take){&crm, 8, 8, LEASE_MS, owed_most_ms, DEADLINE_MS},
               on_haul, &haul);
    await(house);
    return haul;
}

static void test_what_is_owed_for_longer_than_the_retention_is_dead(void **state) {
    struct house *house = *state;
    open_service(house, &crm);
    append(house, "evt_1", "ping");
    struct haul haul = take(house, &crm);
    settle(house, &haul, 0, MOVES_DEFER);
    append(house, "evt_2", "ping"); /* never tried: that one is not old */
    take_for(house, &crm, 1, 1);
    do
        haul = take_with_retention(house, 20);
    while (!haul.haul.expired);
    assert_int_equal(haul.haul.expired, 1);
    assert_int_equal(haul.haul.owed, 1);
    struct letters letters = dead_letters(house);
    assert_int_equal(letters.count, 1);
    assert_string_equal(letters.id, "evt_1");
    assert_string_equal(letters.reason, "owed for longer than forward.retention.events");
    assert_balances(house);
}

static void test_what_is_owed_ages_behind_an_open_breaker_too(void **state) {
    struct house *house = *state;
    open_breaker(house);
    say(house, "HSET kula:service:crm held_until 99999999999999"); /* beyond an hour: no hold */
    say(house, "HSET kula:service:crm paused 1");
    int64_t expired = 0;
    while (expired < 2) {
        struct haul haul = take_with_retention(house, 20);
        assert_int_equal(haul.count, 0);
        assert_true(haul.haul.paused && haul.haul.held_for_ms > 0);
        expired += haul.haul.expired;
    }
    assert_int_equal(assert_balances(house).unread, 4);
}

static void test_an_event_whose_taker_died_is_handed_out_again(void **state) {
    struct house *house = *state;
    open_service(house, &crm);
    append(house, "evt_1", "ping");
    struct haul dead = take_for(house, &crm, 8, 30);
    struct haul alive = take_when_due(house);
    assert_string_equal(alive.taken[0].id, "evt_1");
    assert_int_equal(alive.taken[0].attempts, 0);
    assert_int_equal(settle(house, &dead, 0, MOVES_DEFER), MOVES_LEASE_LOST);
    assert_int_equal(settle(house, &dead, 0, MOVES_BURY), MOVES_LEASE_LOST);
    /* The late one did deliver it: that holds. */
    assert_int_equal(settle(house, &dead, 0, MOVES_DONE), MOVES_SETTLED);
    assert_int_equal(settle(house, &alive, 0, MOVES_DONE), MOVES_LEASE_LOST);
    assert_int_equal(assert_balances(house).done, 1);
}

static void on_moved(void *arg, enum ledger_outcome outcome, bool found) {
    struct letters *letters = arg;
    assert_int_equal(outcome, LEDGER_DONE);
    letters->found = found;
    letters->house->done = true;
}

static void test_a_dead_letter_comes_back_to_its_service_only(void **state) {
    struct house *house = *state;
    struct config_service other = {.name = name_of("other"), .start = CONFIG_START_BEGINNING};
    open_service(house, &crm);
    open_service(house, &other);
    struct stored stored = append(house, "evt_1", "ping");
    struct haul haul = take(house, &crm);
    assert_int_equal(settle(house, &haul, 0, MOVES_BURY), MOVES_SETTLED);
    struct letters letters = dead_letters(house);
    assert_int_equal(letters.count, 1);
    assert_string_equal(letters.id, "evt_1");
    assert_string_equal(letters.origin, stored.stream_id);
    assert_string_equal(letters.body, "{\"data\":{}}");
    assert_int_equal(letters.tries, 1);
    assert_balances(house);

    dead_revive(house->ledger, "crm", text_of(letters.dead_id), on_moved, &letters);
    await(house);
    assert_true(letters.found);
    dead_revive(house->ledger, "crm", text_of(letters.dead_id), on_moved, &letters);
    await(house);
    assert_false(letters.found);
    haul = take(house, &crm);
    assert_int_equal(haul.count, 1);
    assert_string_equal(haul.taken[0].id, "evt_1");
    assert_int_equal(haul.taken[0].attempts, 0);
    assert_int_equal(settle(house, &haul, 0, MOVES_DONE), MOVES_SETTLED);
    assert_int_equal(take(house, &other).count, 1);
    struct audit_service counts = assert_balances(house);
    assert_int_equal(counts.given, 2);
    assert_int_equal(counts.dead, 1);
    assert_int_equal(counts.done, 1);
}

static void test_a_dropped_dead_letter_is_gone_and_no_count_changes(void **state) {
    struct house *house = *state;
    open_service(house, &crm);
    append(house, "evt_1", "ping");
    struct haul haul = take(house, &crm);
    settle(house, &haul, 0, MOVES_BURY);
    struct letters letters = dead_letters(house);
    dead_drop(house->ledger, "crm", text_of(letters.dead_id), on_moved, &letters);
    await(house);
    assert_true(letters.found);
    assert_int_equal(dead_letters(house).count, 0);
    assert_int_equal(assert_balances(house).dead, 1);
}

static void test_a_lost_group_is_made_again_with_what_it_was_owed(void **state) {
    struct house *house = *state;
    open_service(house, &crm);
    append(house, "evt_1", "ping");
    append(house, "evt_2", "ping");
    struct haul haul = take_for(house, &crm, 1, 30);
    assert_int_equal(haul.count, 1);
    say(house, "XGROUP DESTROY kula:events crm");
    assert_found(house, "is gone");
    assert_true(take(house, &crm).haul.no_group);
    heal(house);
    assert_balances(house);
    /* The one that was never taken comes at once, the taken one when its lease ends. */
    bool first = false, second = false;
    while (!first || !second) {
        struct haul again = take_when_due(house);
        for (size_t i = 0; i < again.count; i++) {
            first = first || strcmp(again.taken[i].id, "evt_1") == 0;
            second = second || strcmp(again.taken[i].id, "evt_2") == 0;
        }
    }
    assert_balances(house);
}

static void test_an_owed_event_without_a_due_time_is_due_now(void **state) {
    struct house *house = *state;
    open_service(house, &crm);
    append(house, "evt_1", "ping");
    take(house, &crm);
    say(house, "DEL kula:due:crm");
    assert_found(house, "have a due time");
    heal(house);
    assert_balances(house);
    assert_int_equal(take(house, &crm).count, 1);
}

static void test_what_is_owed_is_found_again_when_its_state_was_lost(void **state) {
    struct house *house = *state;
    open_service(house, &crm);
    append(house, "evt_1", "ping");
    take(house, &crm);
    say(house, "DEL kula:due:crm kula:owed:crm");
    heal(house);
    assert_balances(house);
    assert_int_equal(take(house, &crm).count, 1);
}

static void test_an_owed_event_that_is_gone_counts_as_dropped(void **state) {
    struct house *house = *state;
    open_service(house, &crm);
    struct stored stored = append(house, "evt_1", "ping");
    take_for(house, &crm, 1, 1);
    say(house, "XDEL kula:events %s", stored.stream_id);
    assert_found(house, "no longer in");
    struct haul haul;
    do
        haul = take(house, &crm);
    while (!haul.haul.dropped);
    assert_int_equal(haul.count, 0);
    assert_int_equal(haul.haul.owed, 0);
    assert_found(house, "were taken out of");
}

static void test_a_group_set_by_hand_loses_and_repeats_nothing(void **state) {
    struct house *house = *state;
    open_service(house, &crm);
    append(house, "evt_1", "ping");
    struct haul haul = take(house, &crm);
    settle(house, &haul, 0, MOVES_DONE);
    append(house, "evt_2", "ping");
    say(house, "XGROUP SETID kula:events crm $");
    assert_found(house, "as if set by hand");
    haul = take(house, &crm);
    assert_int_equal(haul.count, 1);
    assert_string_equal(haul.taken[0].id, "evt_2");
    say(house, "XGROUP SETID kula:events crm 0");
    assert_found(house, "as if set by hand");
    assert_int_equal(take(house, &crm).count, 0);
    assert_balances(house);
}

static void test_the_audit_finds_an_entry_acknowledged_by_hand(void **state) {
    struct house *house = *state;
    open_service(house, &crm);
    struct stored stored = append(house, "evt_1", "ping");
    take(house, &crm);
    say(house, "XACK kula:events crm %s", stored.stream_id);
    assert_found(house, "acknowledged by hand");
    assert_found(house, stored.stream_id);
    heal(house);
    assert_balances(house);
}

static void test_the_audit_finds_an_entry_deleted_from_the_stream(void **state) {
    struct house *house = *state;
    open_service(house, &crm);
    struct stored stored = append(house, "evt_1", "ping");
    say(house, "XDEL kula:events %s", stored.stream_id);
    assert_found(house, stored.stream_id);
}

static void test_the_audit_finds_a_count_changed_by_hand(void **state) {
    struct house *house = *state;
    open_service(house, &crm);
    append(house, "evt_1", "ping");
    take(house, &crm);
    say(house, "HINCRBY kula:count:crm done 1");
    assert_found(house, "given is 1, but filtered + done + dead + dropped + owed is 2");
    say(house, "HINCRBY kula:count:crm given 1");
    assert_found(house, "but 2 were given");
}

static void test_the_audit_finds_an_entry_that_no_endpoint_appended(void **state) {
    struct house *house = *state;
    open_service(house, &crm);
    say(house, "XADD kula:events * a b");
    assert_found(house, "had 1 entries added, but the endpoints appended 0");
}

static void test_the_audit_looks_at_every_page(void **state) {
    struct house *house = *state;
    open_service(house, &crm);
    for (int i = 0; i < 2100; i++) {
        char id[16];
        snprintf(id, sizeof id, "evt_%d", i);
        append(house, id, "ping");
    }
    struct haul haul;
    do
        haul = take_for(house, &crm, MOST, LEASE_MS);
    while (haul.haul.more);
    struct audit_service counts = assert_balances(house);
    assert_int_equal(counts.given, 2100);
    say(house, "XACK kula:events crm %s", haul.taken[haul.count - 1].stream_id);
    assert_found(house, haul.taken[haul.count - 1].stream_id);
}

static void test_a_full_redis_refuses_events_but_lets_them_out(void **state) {
    struct house *house = *state;
    open_service(house, &crm);
    append(house, "evt_1", "ping");
    append(house, "evt_2", "ping");
    say(house, "CONFIG SET maxmemory 1");
    struct stored stored = {.house = house};
    ledger_append(
        house->ledger,
        &(struct ledger_item){
            .event = {.id = text_of("evt_3"), .type = text_of("ping"), .endpoint = text_of("kula")},
            .window_ms = WINDOW_MS},
        300, on_stored, &stored);
    await(house);
    assert_int_equal(stored.stored, LEDGER_NOT_STORED);
    struct haul haul = take(house, &crm);
    assert_int_equal(haul.count, 2);
    assert_int_equal(settle(house, &haul, 0, MOVES_DONE), MOVES_SETTLED);
    assert_int_equal(settle(house, &haul, 1, MOVES_BURY), MOVES_SETTLED);
    heal(house);
    say(house, "CONFIG SET maxmemory 0");
    assert_int_equal(append(house, "evt_3", "ping").stored, LEDGER_STORED);
    assert_balances(house);
}

static void test_an_entry_somebody_else_wrote_is_handed_out_with_empty_fields(void **state) {
    struct house *house = *state;
    open_service(house, &crm);
    say(house, "XADD kula:events * something else");
    struct haul haul = take(house, &crm);
    assert_int_equal(haul.count, 1);
    assert_string_equal(haul.taken[0].id, "");
    assert_int_equal(settle(house, &haul, 0, MOVES_BURY), MOVES_SETTLED);
}

static void test_a_ledger_of_another_layout_is_refused(void **state) {
    struct house *house = *state;
    struct opened opened = {.house = house};
    say(house, "HSET kula:about layout 99");
    moves_open(house->ledger, &crm, 1, DEADLINE_MS, on_opened, &opened);
    await(house);
    assert_int_equal(opened.outcome, LEDGER_REFUSED);
    assert_string_equal(redis_house_say(house->redis, "EXISTS kula:places"), ":0\r\n");
}

static void test_an_append_survives_redis_dying_under_it(void **state) {
    struct house *house = *state;
    append(house, "evt_1", "ping");
    redis_house_kill(house->redis);
    struct stored stored = {.house = house};
    ledger_append(
        house->ledger,
        &(struct ledger_item){
            .event = {.id = text_of("evt_2"), .type = text_of("ping"), .endpoint = text_of("kula")},
            .window_ms = WINDOW_MS},
        DEADLINE_MS, on_stored, &stored);
    loop_turn(house->loop);
    redis_house_restart(house->redis);
    await(house);
    assert_int_equal(stored.stored, LEDGER_STORED);
}

static void on_ring(void *arg) {
    ++*(int *)arg;
}

/* Not by `done`, which the append that makes it ring sets too. */
static void await_rings(struct house *house, const int *rings, int wanted) {
    loop_timer_set(house->deadline, 2 * DEADLINE_MS);
    while (*rings < wanted)
        loop_turn(house->loop);
    loop_timer_cancel(house->deadline);
}

static void test_the_bell_rings_when_the_stream_grows(void **state) {
    struct house *house = *state;
    int rings = 0;
    struct string why = {0};
    struct bell *bell = bell_create(house->loop, &house->config, on_ring, &rings, &why);
    struct stored first = append(house, "evt_1", "ping");
    bell_arm(bell, text_of(first.stream_id));
    bell_arm(bell, text_of(first.stream_id));
    append(house, "evt_2", "ping");
    await_rings(house, &rings, 1);
    assert_int_equal(rings, 1);
    bell_arm(bell, text_of(first.stream_id));
    await_rings(house, &rings, 2);
    bell_destroy(bell);
}

struct looked {
    struct house *house;
    size_t count;
    char first[KEPT];
    enum browse_standing standing;
    unsigned attempts;
};

static void on_found(void *arg, const struct browse_page *page) {
    struct looked *looked = arg;
    assert_int_equal(page->outcome, LEDGER_DONE);
    looked->count = page->count;
    if (page->count)
        keep(looked->first, page->events[0].stream_id);
    looked->house->done = true;
}

static void on_stands(void *arg, const struct browse_stands *stands) {
    struct looked *looked = arg;
    assert_int_equal(stands->outcome, LEDGER_DONE);
    assert_int_equal(stands->count, 1);
    looked->standing = stands->items[0].standing;
    looked->attempts = stands->items[0].attempts;
    looked->house->done = true;
}

static void on_attempts(void *arg, const struct browse_attempts *attempts) {
    struct looked *looked = arg;
    assert_int_equal(attempts->outcome, LEDGER_DONE);
    looked->count = attempts->count;
    looked->house->done = true;
}

static struct looked where(struct house *house, const char *stream_id) {
    struct looked looked = {.house = house};
    browse_where(house->ledger, text_of(stream_id), on_stands, &looked);
    await(house);
    return looked;
}

static void test_an_event_can_be_followed_from_unread_to_settled(void **state) {
    struct house *house = *state;
    struct looked looked = {.house = house};
    open_service(house, &crm);
    struct stored stored = append(house, "evt_1", "ping");
    append(house, "evt_2", "ping");
    browse_find(house->ledger, text_of("evt_1"), on_found, &looked);
    await(house);
    assert_int_equal(looked.count, 1);
    assert_string_equal(looked.first, stored.stream_id);
    assert_int_equal(where(house, stored.stream_id).standing, BROWSE_UNREAD);
    struct haul haul = take(house, &crm);
    assert_int_equal(where(house, stored.stream_id).standing, BROWSE_OWED);
    settle(house, &haul, 0, MOVES_DEFER);
    assert_int_equal(where(house, stored.stream_id).attempts, 1);
    haul = take_when_due(house);
    settle(house, &haul, 0, MOVES_BURY);
    assert_int_equal(where(house, stored.stream_id).standing, BROWSE_DEAD);
    browse_attempts(house->ledger, text_of("evt_1"), on_attempts, &looked);
    await(house);
    assert_int_equal(looked.count, 2);
    browse_find(house->ledger, text_of("evt_none"), on_found, &looked);
    await(house);
    assert_int_equal(looked.count, 0);
}

static void test_the_stream_is_read_in_pages_and_waited_for(void **state) {
    struct house *house = *state;
    struct looked looked = {.house = house};
    struct stored first = append(house, "evt_1", "ping");
    struct stored second = append(house, "evt_2", "ping");
    browse_newest(house->ledger, 1, on_found, &looked);
    await(house);
    assert_string_equal(looked.first, second.stream_id);
    browse_after(house->ledger, text_of("0"), 10, on_found, &looked);
    await(house);
    assert_int_equal(looked.count, 2);
    assert_string_equal(looked.first, first.stream_id);
    browse_wait(house->ledger, text_of(first.stream_id), 10, 1000, on_found, &looked);
    await(house);
    assert_int_equal(looked.count, 1);
    browse_wait(house->ledger, text_of(second.stream_id), 10, 20, on_found, &looked);
    await(house);
    assert_int_equal(looked.count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_an_event_is_stored_once_and_told_as_duplicate_after),
        TEST(test_a_body_with_every_byte_comes_back_as_it_went),
        TEST(test_the_pen_keeps_what_cannot_be_read),
        TEST(test_a_batch_is_appended_when_it_follows_and_else_told_what_is_there),
        TEST(test_what_redis_forgot_is_added_again_and_what_survived_told_as_duplicate),
        TEST(test_the_ledger_says_what_it_has_of_a_spool_and_since_when_something_is_owed),
        TEST(test_the_first_service_ever_gets_everything_a_later_one_from_its_start),
        TEST(test_events_are_taken_in_order_up_to_the_free_slots),
        TEST(test_a_call_hands_out_little_more_than_a_mebibyte),
        TEST(test_a_service_gets_what_its_patterns_say_and_the_rest_is_counted),
        TEST(test_a_service_of_one_endpoint_gets_nothing_of_another),
        TEST(test_a_delivered_event_is_done_and_a_second_word_changes_nothing),
        TEST(test_a_deferred_event_comes_back_when_due_with_its_attempts),
        TEST(test_a_service_that_asked_for_a_pause_is_handed_nothing_meanwhile),
        TEST(test_an_open_breaker_hands_out_one_probe_at_a_time_in_turn_due_and_new),
        TEST(test_a_probe_that_goes_well_closes_the_breaker_for_all),
        TEST(test_another_probe_follows_when_the_prober_has_died),
        TEST(test_a_breaker_that_is_open_is_not_opened_again),
        TEST(test_retries_get_no_more_slots_than_they_may_have),
        TEST(test_what_is_handed_out_ten_times_and_never_settled_is_dead),
        TEST(test_what_is_tried_to_its_end_is_no_poison_however_often),
        TEST(test_what_is_owed_for_longer_than_the_retention_is_dead),
        TEST(test_what_is_owed_ages_behind_an_open_breaker_too),
        TEST(test_an_event_whose_taker_died_is_handed_out_again),
        TEST(test_a_dead_letter_comes_back_to_its_service_only),
        TEST(test_a_dropped_dead_letter_is_gone_and_no_count_changes),
        TEST(test_a_lost_group_is_made_again_with_what_it_was_owed),
        TEST(test_an_owed_event_without_a_due_time_is_due_now),
        TEST(test_what_is_owed_is_found_again_when_its_state_was_lost),
        TEST(test_an_owed_event_that_is_gone_counts_as_dropped),
        TEST(test_a_group_set_by_hand_loses_and_repeats_nothing),
        TEST(test_the_audit_finds_an_entry_acknowledged_by_hand),
        TEST(test_the_audit_finds_an_entry_deleted_from_the_stream),
        TEST(test_the_audit_finds_a_count_changed_by_hand),
        TEST(test_the_audit_finds_an_entry_that_no_endpoint_appended),
        TEST(test_the_audit_looks_at_every_page),
        TEST(test_a_full_redis_refuses_events_but_lets_them_out),
        TEST(test_an_entry_somebody_else_wrote_is_handed_out_with_empty_fields),
        TEST(test_a_ledger_of_another_layout_is_refused),
        TEST(test_an_append_survives_redis_dying_under_it),
        TEST(test_the_bell_rings_when_the_stream_grows),
        TEST(test_an_event_can_be_followed_from_unread_to_settled),
        TEST(test_the_stream_is_read_in_pages_and_waited_for),
    };
    return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
