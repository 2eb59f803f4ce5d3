/* What leaves the stream and what must not: trim, against services and foreign groups in every
 * state that a bad day leaves behind. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "books.h"
#include "ledger/dead.h"
#include "ledger/upkeep.h"

enum { NEVER_MS = 3600000 }; /* older than anything in a test */

struct trimmed {
    struct books *books;
    struct upkeep_trimmed result; /* its borrowed parts are not to be looked at */
    char held_by[BOOKS_KEPT], passed[BOOKS_KEPT];
};

static void on_trimmed(void *arg, const struct upkeep_trimmed *result) {
    struct trimmed *trimmed = arg;
    trimmed->result = *result;
    books_keep(trimmed->held_by, result->held_by);
    if (result->passed_count)
        books_keep(trimmed->passed, result->passed[0]);
    trimmed->books->done = true;
}

static struct trimmed trim_once(struct books *books, int64_t keep_ms) {
    struct trimmed trimmed = {.books = books};
    upkeep_trim(books->ledger, &books->config, keep_ms, BOOKS_DEADLINE_MS, on_trimmed, &trimmed);
    books_await(books);
    assert_int_equal(trimmed.result.outcome, LEDGER_DONE);
    return trimmed;
}

/* With a retention of nothing: all that may go, goes. */
static struct trimmed trim(struct books *books) {
    struct trimmed trimmed = trim_once(books, 0);
    int64_t removed = trimmed.result.removed;
    while (trimmed.result.more) {
        trimmed = trim_once(books, 0);
        removed += trimmed.result.removed;
    }
    trimmed.result.removed = removed;
    return trimmed;
}

static int set_up(void **state) {
    books_set_up(state);
    struct books *books = *state;
    books->config.retention = (struct config_retention){
        .events_ms = 0, .dead_ms = NEVER_MS, .max_events = 1000000, .foreign_ms = NEVER_MS};
    return 0;
}

static void append_many(struct books *books, int count) {
    for (int i = 0; i < count; i++) {
        char id[16];
        snprintf(id, sizeof id, "evt_%d", i);
        assert_int_equal(books_append(books, id, "ping").stored, LEDGER_STORED);
    }
}

static int64_t stream_length(struct books *books) {
    return strtoll(redis_house_say(books->redis, "XLEN kula:events") + 1, NULL, 10);
}

static void test_what_is_delivered_goes_and_what_is_owed_or_unread_stays(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    append_many(books, 6);
    assert_int_equal(trim(books).result.removed, 0);
    struct haul haul = books_take_for(books, &books_crm, 4, BOOKS_LEASE_MS);
    books_settle(books, &haul, 0, MOVES_DONE);
    books_settle(books, &haul, 1, MOVES_BURY);
    books_settle(books, &haul, 3, MOVES_DONE);
    struct trimmed trimmed = trim(books);
    assert_int_equal(trimmed.result.removed,
                     2); /* the fourth lies behind the third, which is owed */
    assert_string_equal(trimmed.held_by, "crm");
    assert_int_equal(stream_length(books), 4);
    books_assert_balances(books);
    books_settle(books, &haul, 2, MOVES_DONE);
    assert_int_equal(trim(books).result.removed, 2);
    assert_int_equal(books_assert_balances(books).unread, 2);
}

static void test_what_is_younger_than_the_retention_stays_unless_there_is_too_much(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    append_many(books, 6);
    struct haul haul = books_take(books, &books_crm);
    for (size_t i = 0; i < haul.count; i++)
        books_settle(books, &haul, i, MOVES_DONE);
    assert_int_equal(trim_once(books, NEVER_MS).result.removed, 0);
    books->config.retention.max_events = 4;
    assert_int_equal(trim_once(books, NEVER_MS).result.removed, 2);
    assert_int_equal(stream_length(books), 4);
    books_assert_balances(books);
}

static void test_too_much_that_is_owed_stays_and_is_told(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    append_many(books, 6);
    books->config.retention.max_events = 2;
    struct trimmed trimmed = trim_once(books, NEVER_MS);
    assert_int_equal(trimmed.result.removed, 0);
    assert_string_equal(trimmed.held_by, "crm");
}

static void test_a_page_at_a_time_goes_and_more_is_told(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    append_many(books, 300);
    struct haul haul;
    do {
        haul = books_take_for(books, &books_crm, BOOKS_MOST, BOOKS_LEASE_MS);
        for (size_t i = 0; i < haul.count; i++)
            books_settle(books, &haul, i, MOVES_DONE);
    } while (haul.haul.more);
    struct trimmed trimmed = trim_once(books, 0);
    assert_int_equal(trimmed.result.removed, 200);
    assert_true(trimmed.result.more);
    trimmed = trim_once(books, 0);
    assert_int_equal(trimmed.result.removed, 100);
    assert_false(trimmed.result.more);
    assert_int_equal(books_assert_balances(books).given, 300);
}

static void test_nothing_goes_before_a_service_ever_came(void **state) {
    struct books *books = *state;
    append_many(books, 3);
    assert_int_equal(trim(books).result.removed, 0);
}

static void test_a_removed_service_holds_it_back_until_it_is_forgotten(void **state) {
    struct books *books = *state;
    struct config_service gone = {.name = books_name("gone")};
    books_open_service(books, &gone);
    books_open_service(books, &books_crm);
    append_many(books, 2);
    struct haul haul = books_take(books, &books_crm);
    books_settle(books, &haul, 0, MOVES_DONE);
    books_settle(books, &haul, 1, MOVES_DONE);
    struct trimmed trimmed = trim(books);
    assert_int_equal(trimmed.result.removed, 0);
    assert_string_equal(trimmed.held_by, "gone");
}

/* One delivered event and a group of somebody else's that has not read it. */
static void with_foreign_group(struct books *books) {
    books_open_service(books, &books_crm);
    append_many(books, 1);
    books_say(books, "XGROUP CREATE kula:events theirs 0");
    struct haul haul = books_take(books, &books_crm);
    books_settle(books, &haul, 0, MOVES_DONE);
}

static void test_a_foreign_group_holds_it_back_for_its_time_and_is_then_passed(void **state) {
    struct books *books = *state;
    with_foreign_group(books);
    struct trimmed trimmed = trim(books);
    assert_int_equal(trimmed.result.removed, 0);
    assert_string_equal(trimmed.held_by, "theirs");
    books->config.retention.foreign_ms = 0;
    trimmed = trim(books);
    assert_int_equal(trimmed.result.removed, 1);
    assert_string_equal(trimmed.passed, "theirs");
    books_assert_balances(books);
}

static void test_what_a_foreign_group_has_pending_is_not_read_yet(void **state) {
    struct books *books = *state;
    with_foreign_group(books);
    books_say(books, "XREADGROUP GROUP theirs one COUNT 10 STREAMS kula:events >");
    assert_string_equal(trim(books).held_by, "theirs");
    books_say(books, "XGROUP SETID kula:events theirs $");
    assert_int_equal(trim(books).result.removed, 0);
    books_say(books, "XGROUP DELCONSUMER kula:events theirs one");
    assert_int_equal(trim(books).result.removed, 1);
}

static void test_a_lost_place_stops_trimming_until_it_is_opened_again(void **state) {
    struct books *books = *state;
    struct config_service other = {.name = books_name("other"), .start = CONFIG_START_BEGINNING};
    struct config_service configured = {.name = strdup("crm")};
    books_open_service(books, &books_crm);
    books_open_service(books, &other);
    append_many(books, 2);
    struct haul haul = books_take(books, &other);
    books_settle(books, &haul, 0, MOVES_DONE);
    books_settle(books, &haul, 1, MOVES_DONE);
    books->config.retention.foreign_ms = 0;
    books->config.services = &configured;
    books->config.service_count = 1;
    books_say(books, "HDEL kula:places crm");
    struct trimmed trimmed = trim(books);
    assert_int_equal(trimmed.result.removed, 0);
    assert_string_equal(trimmed.held_by, "crm");
    books_open_service(books, &books_crm);
    assert_int_equal(books_take(books, &books_crm).count, 2);
    free(configured.name);
}

static void test_what_was_trimmed_is_a_duplicate_and_not_lost(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    struct ledger_item item = {
        .event = {.id = text_of("evt_0"), .type = text_of("ping"), .endpoint = text_of("kula")},
        .window_ms = BOOKS_WINDOW_MS};
    append_many(books, 1);
    struct haul haul = books_take(books, &books_crm);
    books_settle(books, &haul, 0, MOVES_DONE);
    assert_int_equal(trim(books).result.removed, 1);
    assert_int_equal(books_append_item(books, &item, BOOKS_DEADLINE_MS).stored, LEDGER_DUPLICATE);
    assert_int_equal(stream_length(books), 0);
}

static void test_a_full_redis_is_trimmed_all_the_same(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    append_many(books, 3);
    struct haul haul = books_take(books, &books_crm);
    for (size_t i = 0; i < haul.count; i++)
        books_settle(books, &haul, i, MOVES_DONE);
    books_say(books, "CONFIG SET maxmemory 1");
    assert_int_equal(trim(books).result.removed, 3);
}

/* By their ids they are of tomorrow, as after a clock that ran ahead and was set back. */
static void test_a_full_redis_is_trimmed_whatever_time_the_ids_tell(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    books_say(books, "XSETID kula:events 99999999999999-0");
    append_many(books, 3);
    struct haul haul = books_take(books, &books_crm);
    for (size_t i = 0; i < haul.count; i++)
        books_settle(books, &haul, i, MOVES_DONE);
    assert_int_equal(trim_once(books, NEVER_MS).result.removed, 0);
    assert_int_equal(trim(books).result.removed, 3);
}

static void test_old_dead_letters_go(void **state) {
    struct books *books = *state;
    books_open_service(books, &books_crm);
    append_many(books, 2);
    struct haul haul = books_take(books, &books_crm);
    books_settle(books, &haul, 0, MOVES_BURY);
    books_settle(books, &haul, 1, MOVES_BURY);
    trim(books);
    assert_int_equal(books_dead_letters(books).count, 2);
    books->config.retention.dead_ms = 1;
    int64_t gone = 0;
    while (gone < 2)
        gone += trim_once(books, NEVER_MS).result.dead_removed;
    assert_int_equal(books_dead_letters(books).count, 0);
    assert_int_equal(books_assert_balances(books).dead, 2);
}

/* Faults are found in a trimmed stream as in a whole one. */
static void test_the_audit_finds_the_same_faults_in_a_trimmed_stream(void **state) {
    static const char *const meddling[][2] = {
        {"HINCRBY kula:count:crm given 1", "but filtered + done"},
        {"HINCRBY kula:count:crm trimmed 1", "were trimmed, but"},
        {"HINCRBY kula:count:crm trimmed -1", "were trimmed, but"},
        {"HINCRBY kula:about trimmed 1", "by somebody else than us"},
        {"HINCRBY kula:endpoint:kula appended 1", "entries added"},
        {"XTRIM kula:events MAXLEN 1", "by somebody else than us"},
        {"XADD kula:events * a b", "entries added"},
        {"XGROUP DESTROY kula:events crm", "is gone"},
    };
    struct books *books = *state;
    for (size_t i = 0; i < sizeof meddling / sizeof *meddling; i++) {
        books_say(books, "FLUSHALL");
        books_open_service(books, &books_crm);
        append_many(books, 6);
        struct haul haul = books_take_for(books, &books_crm, 4, BOOKS_LEASE_MS);
        for (size_t k = 0; k < 3; k++)
            books_settle(books, &haul, k, MOVES_DONE);
        assert_int_equal(trim(books).result.removed, 3);
        books_assert_balances(books);
        books_say(books, "%s", meddling[i][0]);
        books_assert_found(books, meddling[i][1]);
    }
}

/* Trims on and on, as other processes do while somebody asks for an audit. */
static void on_trimmed_meanwhile(void *arg, const struct upkeep_trimmed *result) {
    struct trimmed *trimmed = arg;
    struct books *books = trimmed->books;
    trimmed->result.removed += result->removed;
    if (result->more)
        upkeep_trim(books->ledger, &books->config, 0, BOOKS_DEADLINE_MS, on_trimmed_meanwhile,
                    trimmed);
}

static void on_audited(void *arg, const struct audit_report *report) {
    struct books *books = arg;
    assert_int_equal(report->outcome, LEDGER_DONE);
    if (report->finding_count)
        fail_msg("%s", report->findings[0]);
    books->done = true;
}

static void test_what_is_trimmed_during_an_audit_is_no_finding(void **state) {
    struct books *books = *state;
    struct trimmed trimmed = {.books = books};
    books_open_service(books, &books_crm);
    append_many(books, 2200);
    struct haul haul;
    do {
        haul = books_take_for(books, &books_crm, BOOKS_MOST, BOOKS_LEASE_MS);
        for (size_t i = 0; i < haul.count; i++)
            books_settle(books, &haul, i, MOVES_DONE);
    } while (haul.haul.more);
    /* In this order one trim comes between what the audit takes down and its walk. */
    audit_run(books->ledger, on_audited, books);
    upkeep_trim(books->ledger, &books->config, 0, BOOKS_DEADLINE_MS, on_trimmed_meanwhile,
                &trimmed);
    books_await(books);
    assert_in_range(trimmed.result.removed, 200, 2200);
    trim(books); /* so that nothing is under way any more */
}

static void test_the_configuration_may_go_as_soon_as_trim_was_called(void **state) {
    struct books *books = *state;
    struct trimmed trimmed = {.books = books};
    struct config_service configured = {.name = strdup("crm")};
    struct config config = {
        .services = &configured, .service_count = 1, .retention = books->config.retention};
    books_open_service(books, &books_crm);
    append_many(books, 2);
    books_say(books, "HDEL kula:places crm"); /* so that only the configuration knows it */
    upkeep_trim(books->ledger, &config, 0, BOOKS_DEADLINE_MS, on_trimmed, &trimmed);
    free(configured.name);
    configured = (struct config_service){0};
    config = (struct config){0};
    books_await(books);
    assert_int_equal(trimmed.result.outcome, LEDGER_DONE);
    assert_string_equal(trimmed.held_by, "crm");
}

static void on_revived(void *arg, enum ledger_outcome outcome, bool found) {
    struct books *books = arg;
    assert_int_equal(outcome, LEDGER_DONE);
    assert_true(found);
    books->done = true;
}

static void test_it_balances_where_a_replay_and_a_later_service_were_trimmed(void **state) {
    struct books *books = *state;
    struct config_service late = {.name = books_name("late"), .start = CONFIG_START_NOW};
    books_open_service(books, &books_crm);
    append_many(books, 2);
    struct haul haul = books_take(books, &books_crm);
    books_settle(books, &haul, 0, MOVES_BURY);
    books_settle(books, &haul, 1, MOVES_DONE);
    books_open_service(books, &late);
    struct letters letters = books_dead_letters(books);
    dead_revive(books->ledger, "crm", text_of(letters.dead_id), on_revived, books);
    books_await(books);
    haul = books_take(books, &books_crm);
    books_settle(books, &haul, 0, MOVES_DONE);
    books_append(books, "evt_last", "ping");
    haul = books_take(books, &late);
    assert_int_equal(haul.count, 1);
    books_settle(books, &haul, 0, MOVES_DONE);
    assert_int_equal(trim(books).result.removed, 3);
    books_assert_balances(books);
}

static void on_memory(void *arg, const struct upkeep_redis *memory) {
    struct books *books = arg;
    assert_int_equal(memory->outcome, LEDGER_DONE);
    assert_true(memory->used_bytes > 100000);
    assert_int_equal(memory->limit_bytes, 123456789);
    assert_true(memory->evicts);
    books->done = true;
}

static void test_redis_says_how_full_it_is_and_whether_it_would_throw_away(void **state) {
    struct books *books = *state;
    books_say(books, "CONFIG SET maxmemory 123456789");
    books_say(books, "CONFIG SET maxmemory-policy allkeys-lru");
    upkeep_look_at_redis(books->ledger, BOOKS_DEADLINE_MS, on_memory, books);
    books_await(books);
}

struct refusals {
    struct books *books;
    int64_t count;
};

static void on_refusals(void *arg, const struct upkeep_redis *memory) {
    struct refusals *refusals = arg;
    assert_int_equal(memory->outcome, LEDGER_DONE);
    refusals->count = memory->refusals;
    refusals->books->done = true;
}

static int64_t refusals(struct books *books) {
    struct refusals refusals = {.books = books};
    upkeep_look_at_redis(books->ledger, BOOKS_DEADLINE_MS, on_refusals, &refusals);
    books_await(books);
    return refusals.count;
}

static void test_redis_says_how_often_somebody_had_no_room(void **state) {
    struct books *books = *state;
    int64_t before = refusals(books);
    books_say(books, "CONFIG SET maxmemory 1");
    redis_house_say(books->redis, "SET a b");
    redis_house_say(books->redis, "SET a b");
    assert_int_equal(refusals(books), before + 2);
}

/* The property: whatever happens to services and groups, of what trim may not touch nothing is
 * ever gone. */

enum { SERVICES = 3, STEPS = 400 };

struct world {
    struct books *books;
    unsigned seed;
    struct config_service services[SERVICES];
    struct haul hauls[SERVICES]; /* the last one of each, of which some are settled */
    bool settled[SERVICES][BOOKS_MOST];
    int appended;
};

static unsigned pick(struct world *world, unsigned below) {
    world->seed = world->seed * 1103515245u + 12345u;
    return world->seed / 65536u % below;
}

static bool stands(struct world *world, const char *stream_id) {
    char command[128];
    snprintf(command, sizeof command, "XRANGE kula:events %s %s", stream_id, stream_id);
    return strncmp(redis_house_say(world->books->redis, command), "*1", 2) == 0;
}

/* What a service holds and has not settled stands in the stream, whatever became of its group. */
static void check_held(struct world *world) {
    for (size_t s = 0; s < SERVICES; s++)
        for (size_t i = 0; i < world->hauls[s].count; i++)
            if (!world->settled[s][i] && !stands(world, world->hauls[s].taken[i].stream_id))
                fail_msg("%s was owed to %s, and is gone", world->hauls[s].taken[i].stream_id,
                         world->services[s].name);
}

static void settle_held(struct world *world, size_t s, bool all) {
    static const enum moves_verdict verdicts[] = {MOVES_DONE, MOVES_DONE, MOVES_BURY};
    for (size_t i = 0; i < world->hauls[s].count; i++) {
        if (world->settled[s][i] || (!all && pick(world, 2)))
            continue;
        books_settle(world->books, &world->hauls[s], i, verdicts[pick(world, 3)]);
        world->settled[s][i] = true;
    }
}

static void take_some(struct world *world, size_t s) {
    settle_held(world, s, true); /* so that there is one haul to look after */
    world->hauls[s] =
        books_take_for(world->books, &world->services[s], 1 + pick(world, 6), BOOKS_LEASE_MS);
    memset(world->settled[s], 0, sizeof world->settled[s]);
}

static void heal_all(struct world *world) {
    for (size_t s = 0; s < SERVICES; s++) {
        books_open_service(world->books, &world->services[s]);
        books_heal(world->books, world->services[s].name);
        books_take_for(world->books, &world->services[s], 0, BOOKS_LEASE_MS); /* mends its place */
    }
}

static void meddle(struct world *world) {
    static const char *const ways[][2] = {
        {"XGROUP DESTROY kula:events ", ""},
        {"XGROUP SETID kula:events ", " $"},
        {"XGROUP SETID kula:events ", " 0"},
        {"DEL kula:due:", ""},
        {"DEL kula:owed:", ""},
        {"HDEL kula:places ", ""},
    };
    const char *const *way = ways[pick(world, sizeof ways / sizeof *ways)];
    char command[128];
    heal_all(world); /* one at a time: of what is owed, something must be left that says so */
    snprintf(command, sizeof command, "%s%s%s", way[0], world->services[pick(world, SERVICES)].name,
             way[1]);
    books_say(world->books, "%s", command);
}

static void meddle_with_foreign(struct world *world) {
    static const char *const ways[] = {
        "XGROUP CREATE kula:events theirs 0 MKSTREAM",
        "XGROUP CREATE kula:events theirs $ MKSTREAM",
        "XGROUP SETID kula:events theirs $",
        "XREADGROUP GROUP theirs one COUNT 3 STREAMS kula:events >",
        "XGROUP DESTROY kula:events theirs",
    };
    redis_house_say(world->books->redis, ways[pick(world, sizeof ways / sizeof *ways)]);
}

static void live(struct world *world) {
    size_t s = pick(world, SERVICES);
    char id[16];
    switch (pick(world, 10)) {
    case 0:
    case 1:
    case 2:
        snprintf(id, sizeof id, "evt_%d", world->appended++);
        books_append(world->books, id, "ping");
        return;
    case 3:
    case 4:
        heal_all(world);
        take_some(world, s);
        return;
    case 5:
    case 6:
        heal_all(world);
        settle_held(world, s, false);
        return;
    case 7:
        meddle(world);
        return;
    case 8:
        meddle_with_foreign(world);
        return;
    default:
        trim(world->books);
    }
}

static int64_t counted(struct world *world, size_t s, const char *name) {
    char command[128];
    snprintf(command, sizeof command, "HINCRBY kula:count:%s %s 0", world->services[s].name, name);
    return strtoll(redis_house_say(world->books->redis, command) + 1, NULL, 10);
}

/* To the end: each service was given every event, and none was gone when it was due. */
static void drain(struct world *world, size_t s) {
    const char *name = world->services[s].name;
    do {
        take_some(world, s);
        check_held(world);
        /* What a lost lease holds comes now and not in a minute. */
        books_say(world->books, "ZUNIONSTORE kula:due:%s 1 kula:due:%s WEIGHTS 0", name, name);
    } while (world->hauls[s].count || world->hauls[s].haul.more);
    assert_int_equal(counted(world, s, "given"), world->appended);
    assert_int_equal(counted(world, s, "dropped"), 0);
}

static void start_world(struct world *world) {
    static const char *const names[SERVICES] = {"crm", "search", "audit"};
    struct config *config = &world->books->config;
    books_say(world->books, "FLUSHALL");
    config->retention.foreign_ms = world->seed % 2 ? 0 : NEVER_MS;
    for (size_t s = 0; s < SERVICES; s++) {
        world->services[s] =
            (struct config_service){.name = books_name(names[s]), .start = CONFIG_START_BEGINNING};
        books_open_service(world->books, &world->services[s]);
    }
    config->services = world->services;
    config->service_count = SERVICES;
}

static void test_trimming_never_passes_what_is_owed_unread_or_noted(void **state) {
    struct books *books = *state;
    for (unsigned seed = 1; seed <= 4; seed++) {
        struct world world = {.books = books, .seed = seed};
        start_world(&world);
        for (int step = 0; step < STEPS; step++) {
            live(&world);
            check_held(&world);
        }
        heal_all(&world);
        for (size_t s = 0; s < SERVICES; s++)
            drain(&world, s);
        books_assert_balances(books);
        redis_house_say(books->redis, "XGROUP DESTROY kula:events theirs");
        trim(books);
        assert_int_equal(stream_length(books), 0);
        books_assert_balances(books);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, books_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_delivered_goes_and_what_is_owed_or_unread_stays),
        TEST(test_what_is_younger_than_the_retention_stays_unless_there_is_too_much),
        TEST(test_too_much_that_is_owed_stays_and_is_told),
        TEST(test_a_page_at_a_time_goes_and_more_is_told),
        TEST(test_nothing_goes_before_a_service_ever_came),
        TEST(test_a_removed_service_holds_it_back_until_it_is_forgotten),
        TEST(test_a_foreign_group_holds_it_back_for_its_time_and_is_then_passed),
        TEST(test_what_a_foreign_group_has_pending_is_not_read_yet),
        TEST(test_a_lost_place_stops_trimming_until_it_is_opened_again),
        TEST(test_the_configuration_may_go_as_soon_as_trim_was_called),
        TEST(test_what_was_trimmed_is_a_duplicate_and_not_lost),
        TEST(test_a_full_redis_is_trimmed_all_the_same),
        TEST(test_a_full_redis_is_trimmed_whatever_time_the_ids_tell),
        TEST(test_old_dead_letters_go),
        TEST(test_the_audit_finds_the_same_faults_in_a_trimmed_stream),
        TEST(test_what_is_trimmed_during_an_audit_is_no_finding),
        TEST(test_it_balances_where_a_replay_and_a_later_service_were_trimmed),
        TEST(test_redis_says_how_full_it_is_and_whether_it_would_throw_away),
        TEST(test_redis_says_how_often_somebody_had_no_room),
        TEST(test_trimming_never_passes_what_is_owed_unread_or_noted),
    };
    return cmocka_run_group_tests_name("upkeep", tests, NULL, NULL);
}
