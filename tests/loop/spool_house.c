#include "spool_house.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

enum { PATIENCE_MS = 20000, TICK_MS = 5, BATCH = 7, BATCH_BYTES = 3000, BODY_MOST = 6000 };

static const int64_t FIRST_RECEIVED_MS = 1764000000000;

/* ---------------------------------------------------------------- records */

/* The memory behind a record's texts. */
struct paper {
    char id[40], trace[60], body[BODY_MOST];
};

static size_t usual_body_bytes(size_t number) {
    return number % 19 == 18 ? 5000 : 20 + number * 97 % 400;
}

static void write_body(struct paper *paper, size_t number, size_t bytes) {
    assert_in_range(bytes, 11, BODY_MOST);
    snprintf(paper->body, sizeof paper->body, "%04zu:%04zu:", number, bytes);
    for (size_t i = 10; i < bytes; i++) /* zeros and all other bytes */
        paper->body[i] = (char)(number * 31 + i * (i % 5));
}

static struct record record_of(size_t number, size_t bytes, struct paper *paper) {
    struct record record = {.received_ms = FIRST_RECEIVED_MS + (int64_t)number,
                            .endpoint = text_of(number % 2 ? "/kula" : "/other")};
    snprintf(paper->id, sizeof paper->id, "event-%zu", number);
    snprintf(paper->trace, sizeof paper->trace, "00-%032zx-%016zx-01", number, number);
    write_body(paper, number, bytes);
    record.body = text_slice(paper->body, bytes);
    if (number % 7 == 3) {
        record.kind = RECORD_PEN;
        record.reason = text_of("not JSON");
        record.signature = text_of(paper->trace);
        return record;
    }
    record.kind = RECORD_EVENT;
    record.id = text_of(paper->id);
    record.type = text_of(number % 3 ? "candidate.created" : "");
    record.account = text_of("account-1");
    record.created = text_of("2026-11-23T20:00:00Z");
    record.trace = text_of(paper->trace);
    record.window_ms = 3600000 + (int64_t)number;
    return record;
}

static bool same_texts(const struct record *left, const struct record *right) {
    return text_equal(left->endpoint, right->endpoint) && text_equal(left->id, right->id) &&
           text_equal(left->type, right->type) && text_equal(left->account, right->account) &&
           text_equal(left->created, right->created) && text_equal(left->trace, right->trace) &&
           text_equal(left->reason, right->reason) &&
           text_equal(left->signature, right->signature) && text_equal(left->body, right->body);
}

/* Which put this was; fails the test where it is not exactly what was put. */
static size_t number_of(const struct record *record) {
    struct paper paper = {0};
    uint64_t number = 0, bytes = 0;
    assert_true(record->body.size > 10);
    assert_true(text_to_uint(text_slice(record->body.data, 4), SPOOL_HOUSE_PUTS, &number));
    assert_true(text_to_uint(text_slice(record->body.data + 5, 4), BODY_MOST, &bytes));
    assert_int_equal(record->body.size, bytes);
    struct record put = record_of((size_t)number, (size_t)bytes, &paper);
    assert_int_equal(record->kind, put.kind);
    assert_int_equal(record->received_ms, put.received_ms);
    if (put.kind == RECORD_EVENT)
        assert_int_equal(record->window_ms, put.window_ms);
    assert_true(same_texts(record, &put));
    return (size_t)number;
}

/* ---------------------------------------------------------------- the house */

static void on_readable(void *arg) {
    struct spool_house *house = arg;
    house->readables++;
}

static void on_state(void *arg, bool writable) {
    struct spool_house *house = arg;
    if (writable)
        house->ups++;
    else
        house->downs++;
}

void spool_house_open(struct spool_house *house) {
    memset(house, 0, sizeof *house);
    house->loop = loop_create();
    house->options = (struct spool_options){
        .directory = "/spool",
        .max_bytes = 1 << 20,
        .least_free_bytes = 1,
        .segment_bytes = 4096,
        .on_readable = on_readable,
        .on_state = on_state,
        .arg = house,
    };
    spool_house_use(house, disk_sim_create());
}

void spool_house_use(struct spool_house *house, struct disk_sim *sim) {
    spool_house_end(house);
    disk_sim_destroy(house->sim);
    house->sim = sim;
    house->options.disk = disk_sim_disk(sim);
    memset(house->sent, 0, sizeof house->sent);
    house->sent_count = house->kept_count = 0;
    house->ups = house->downs = house->readables = 0;
    house->damaged = 0;
}

void spool_house_close(struct spool_house *house) {
    spool_house_end(house);
    disk_sim_destroy(house->sim);
    loop_destroy(house->loop);
    free(house->kept);
}

int spool_house_tear_down(void **state) {
    spool_house_close(*state);
    free(*state);
    return 0;
}

bool spool_house_start(struct spool_house *house) {
    struct string why = {0};
    assert_null(house->spool);
    house->spool = spool_create(house->loop, &house->options, &why);
    if (!house->spool)
        assert_true(why.size > 0);
    string_finish(&why);
    return house->spool != NULL;
}

void spool_house_end(struct spool_house *house) {
    spool_destroy(house->spool);
    house->spool = NULL;
    for (size_t i = 0; i < house->sent_count; i++)
        assert_int_equal(house->sent[i].times, 1);
}

static void on_tick(void *arg) {
    (void)arg; /* so that a turn ends */
}

static void turn(struct spool_house *house, struct loop_timer *tick) {
    loop_timer_set(tick, TICK_MS);
    loop_turn(house->loop);
}

void spool_house_wait(struct spool_house *house, bool (*fact)(struct spool_house *)) {
    struct loop_timer *tick = loop_timer_create(house->loop, on_tick, NULL);
    int64_t until_ms = clock_steady_ms() + PATIENCE_MS;
    while (!fact(house)) {
        if (clock_steady_ms() > until_ms)
            fail_msg("the fact did not come within %d ms", PATIENCE_MS);
        turn(house, tick);
    }
    loop_timer_destroy(tick);
}

bool spool_house_is_writable(struct spool_house *house) {
    return spool_writable(house->spool);
}

bool spool_house_sync_is_held(struct spool_house *house) {
    return disk_sim_syncs_held(house->sim) > 0;
}

void spool_house_pass(struct spool_house *house, int64_t ms) {
    struct loop_timer *tick = loop_timer_create(house->loop, on_tick, NULL);
    for (int64_t until_ms = clock_steady_ms() + ms; clock_steady_ms() < until_ms;)
        turn(house, tick);
    loop_timer_destroy(tick);
}

/* ---------------------------------------------------------------- putting */

static void on_put(void *arg, enum spool_put outcome) {
    struct sent *sent = arg;
    sent->times++;
    sent->outcome = outcome;
    assert_int_equal(sent->times, 1);
}

static void put_one(struct spool_house *house, size_t bytes) {
    struct paper paper = {0};
    assert_true(house->sent_count < SPOOL_HOUSE_PUTS);
    struct sent *sent = &house->sent[house->sent_count];
    sent->house = house;
    struct record record = record_of(house->sent_count, bytes, &paper);
    house->sent_count++;
    spool_put(house->spool, &record, on_put, sent);
    assert_int_equal(sent->times, 0); /* later, never before the call has returned */
    memset(&paper, 'x', sizeof paper);
}

void spool_house_put(struct spool_house *house, size_t count) {
    for (size_t i = 0; i < count; i++)
        put_one(house, usual_body_bytes(house->sent_count));
}

void spool_house_put_sized(struct spool_house *house, size_t body_bytes) {
    put_one(house, body_bytes);
}

static bool all_settled(struct spool_house *house) {
    for (size_t i = 0; i < house->sent_count; i++)
        if (!house->sent[i].times)
            return false;
    return true;
}

void spool_house_settle(struct spool_house *house) {
    spool_house_wait(house, all_settled);
}

/* ---------------------------------------------------------------- draining */

static uint64_t kept_up_to(const struct spool_house *house, const char *id) {
    uint64_t last = 0;
    for (size_t i = 0; i < house->kept_count; i++)
        if (strcmp(house->kept[i].id, id) == 0)
            last = house->kept[i].sequence;
    return last;
}

static void keep(struct spool_house *house, const char *id, const struct record *record) {
    house->kept = memory_resize(house->kept, (house->kept_count + 1) * sizeof *house->kept);
    struct kept *kept = &house->kept[house->kept_count++];
    *kept = (struct kept){.sequence = record->sequence, .number = number_of(record)};
    snprintf(kept->id, sizeof kept->id, "%s", id);
}

/* False: it cannot be read now. */
static bool drain(struct spool_house *house, struct spool *spool) {
    struct record records[BATCH];
    char id[17];
    snprintf(id, sizeof id, "%s", spool_id(spool));
    assert_int_equal(strlen(id), 16);
    uint64_t after = kept_up_to(house, id);
    spool_drained(spool, after);
    for (;;) {
        int count = spool_read(spool, after, records, BATCH, BATCH_BYTES);
        if (count <= 0)
            return count == 0;
        assert_in_range(count, 1, BATCH);
        for (int i = 0; i < count; i++) {
            assert_true(records[i].sequence > after);
            after = records[i].sequence;
            keep(house, id, &records[i]);
        }
        spool_drained(spool, after);
    }
}

void spool_house_drain(struct spool_house *house) {
    drain(house, house->spool);
}

size_t spool_house_read_all(struct spool *spool, size_t *numbers) {
    struct record records[BATCH];
    size_t found = 0;
    uint64_t after = 0;
    int count;
    while ((count = spool_read(spool, after, records, BATCH, BATCH_BYTES)) > 0) {
        for (int i = 0; i < count; i++) {
            assert_true(records[i].sequence > after);
            after = records[i].sequence;
            assert_true(found < SPOOL_HOUSE_PUTS);
            numbers[found++] = number_of(&records[i]);
        }
    }
    assert_int_equal(count, 0);
    return found;
}

static bool is_removed_or_stays(struct spool_house *house) {
    return spool_remove(&house->leaving) || !spool_is_done(house->leaving);
}

bool spool_house_remove(struct spool_house *house, struct spool *spool) {
    assert_true(spool_is_done(spool));
    house->leaving = spool;
    spool_house_wait(house, is_removed_or_stays);
    return !house->leaving;
}

bool spool_house_recover(struct spool_house *house) {
    struct spool **adopted = NULL;
    struct string why = {0};
    int count = spool_adopt(house->loop, &house->options, &adopted, &why);
    assert_true(count >= 0 || why.size > 0);
    bool good = count >= 0;
    for (int i = 0; i < count; i++) {
        struct spool_figures figures;
        good = drain(house, adopted[i]) && good;
        spool_figures(adopted[i], &figures);
        house->damaged += figures.damaged_records + figures.damaged_bytes;
        if (!spool_is_done(adopted[i]) || !spool_house_remove(house, adopted[i]))
            spool_destroy(adopted[i]);
    }
    free(adopted);
    string_finish(&why);
    return good;
}

/* ---------------------------------------------------------------- judging */

static size_t times_kept(const struct spool_house *house, size_t number) {
    size_t times = 0;
    for (size_t i = 0; i < house->kept_count; i++)
        times += house->kept[i].number == number;
    return times;
}

void spool_house_check(const struct spool_house *house) {
    for (size_t i = 0; i < house->sent_count; i++) {
        const struct sent *sent = &house->sent[i];
        size_t times = times_kept(house, i);
        if (sent->times && sent->outcome == SPOOL_SYNCED && times != 1)
            fail_msg("record %zu was synced and is in the ledger %zu times", i, times);
        if (sent->times && sent->outcome == SPOOL_REFUSED && times != 0)
            fail_msg("record %zu was refused and is in the ledger %zu times", i, times);
        assert_true(times <= 1);
    }
    for (size_t i = 0; i < house->kept_count; i++)
        assert_true(house->kept[i].number < house->sent_count);
    for (size_t i = 1; i < house->kept_count; i++) {
        const struct kept *kept = &house->kept[i];
        if (strcmp(kept[-1].id, kept->id) != 0)
            continue;
        assert_true(kept->sequence > kept[-1].sequence);
        if (kept[-1].number >= kept->number)
            fail_msg("record %zu comes after record %zu", kept->number, kept[-1].number);
    }
}
