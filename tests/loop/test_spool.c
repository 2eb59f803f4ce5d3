/* The spool on a real disk: what was put is read, in order, from memory and from
 * files, by this process and by the next one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "scratch.h"
#include "spool/crc.h"
#include "spool/spool.h"

enum { PATIENCE_MS = 20000, BATCH = 64, BATCH_BYTES = 1 << 20 };

struct scene {
    char folder[64];
    struct loop *loop;
    struct spool_options options;
    struct spool *spool;
    struct spool *leaving; /* that is being removed */
    struct loop_timer *tick;
    int64_t received_ago_ms; /* what is put */
    size_t outcomes[SPOOL_UNKNOWN + 1];
    size_t open; /* puts */
    size_t readable;
    bool in_order;
    uint64_t last_called;
    int told; /* a killed process tells here what was acknowledged */
};

/* One put: which it was. */
struct sent {
    struct scene *scene;
    uint64_t number;
};

static void on_readable(void *arg) {
    ((struct scene *)arg)->readable++;
}

static void on_tick(void *arg) {
    loop_timer_set(((struct scene *)arg)->tick, 20); /* so that no turn waits for long */
}

static int set_up(void **state) {
    struct scene *scene = memory_new(sizeof *scene);
    strcpy(scene->folder, "/tmp/kr-spool-XXXXXX");
    assert_non_null(mkdtemp(scene->folder));
    log_start("test", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    scene->loop = loop_create();
    scene->in_order = true;
    scene->options = (struct spool_options){
        .directory = scene->folder,
        .max_bytes = 1 << 30,
        .least_free_bytes = 1,
        .segment_bytes = 64 * 1024,
        .on_readable = on_readable,
        .arg = scene,
    };
    scene->tick = loop_timer_create(scene->loop, on_tick, scene);
    loop_timer_set(scene->tick, 0);
    *state = scene;
    return 0;
}

static int tear_down(void **state) {
    struct scene *scene = *state;
    spool_destroy(scene->spool);
    loop_timer_destroy(scene->tick);
    loop_destroy(scene->loop);
    scratch_remove(scene->folder);
    free(scene);
    return 0;
}

static void start(struct scene *scene) {
    struct string why = {0};
    scene->spool = spool_create(scene->loop, &scene->options, &why);
    if (!scene->spool)
        fail_msg("%s", why.data);
}

static void end(struct scene *scene) {
    spool_destroy(scene->spool);
    scene->spool = NULL;
}

static void wait_until(struct scene *scene, bool (*fact)(struct scene *)) {
    int64_t until_ms = clock_steady_ms() + PATIENCE_MS;
    while (!fact(scene)) {
        assert_true(clock_steady_ms() < until_ms);
        loop_turn(scene->loop);
    }
}

/* ---------------------------------------------------------------- putting */

static void on_put(void *arg, enum spool_put outcome) {
    struct sent *sent = arg;
    struct scene *scene = sent->scene;
    scene->outcomes[outcome]++;
    scene->open--;
    if (sent->number <= scene->last_called)
        scene->in_order = false;
    scene->last_called = sent->number;
    free(sent);
}

static size_t body_size(uint64_t number) {
    return 8 + number % 1000;
}

static void fill_body(char *body, size_t size, uint64_t number) {
    for (size_t i = 0; i < size; i++)
        body[i] = (char)(number * 7 + i);
}

static void put_sized(struct scene *scene, uint64_t number, size_t size) {
    char id[32];
    char *body = memory_new(size);
    struct sent *sent = memory_new(sizeof *sent);
    *sent = (struct sent){scene, number};
    fill_body(body, size, number);
    snprintf(id, sizeof id, "evt_%llu", (unsigned long long)number);
    struct record record = {.received_ms = clock_wall_ms() - scene->received_ago_ms,
                            .endpoint = text_of("kula"),
                            .id = text_of(id),
                            .type = text_of("candidate.created"),
                            .window_ms = 1000,
                            .body = text_slice(body, size)};
    scene->open++;
    spool_put(scene->spool, &record, on_put, sent);
    free(body);
}

static bool is_settled(struct scene *scene) {
    return scene->open == 0;
}

static void put_many(struct scene *scene, uint64_t from, uint64_t up_to) {
    for (uint64_t number = from; number <= up_to; number++)
        put_sized(scene, number, body_size(number));
    assert_int_equal(scene->open, up_to - from + 1); /* nothing is called back before */
    wait_until(scene, is_settled);
}

/* ---------------------------------------------------------------- reading */

static void assert_record(const struct record *record, uint64_t number, size_t size) {
    char id[32];
    char *body = memory_new(size);
    fill_body(body, size, number);
    snprintf(id, sizeof id, "evt_%llu", (unsigned long long)number);
    assert_int_equal(record->sequence, number);
    assert_true(text_is(record->id, id));
    assert_true(text_equal(record->body, text_slice(body, size)));
    free(body);
}

/* All behind `after`; returns the last. */
static uint64_t read_from(struct spool *spool, uint64_t after) {
    struct record records[BATCH];
    int count;
    while ((count = spool_read(spool, after, records, BATCH, BATCH_BYTES)) > 0)
        for (int i = 0; i < count; i++) {
            after++;
            assert_record(&records[i], after, body_size(after));
        }
    assert_int_equal(count, 0);
    return after;
}

static int adopt(struct scene *scene, struct spool ***adopted) {
    struct string why = {0};
    int count = spool_adopt(scene->loop, &scene->options, adopted, &why);
    if (count < 0)
        fail_msg("%s", why.data);
    string_finish(&why);
    return count;
}

static struct spool *adopt_one(struct scene *scene) {
    struct spool **adopted;
    assert_int_equal(adopt(scene, &adopted), 1);
    struct spool *spool = adopted[0];
    free(adopted);
    return spool;
}

static bool is_removed(struct scene *scene) {
    return spool_remove(&scene->leaving);
}

static void remove_it(struct scene *scene, struct spool *done) {
    assert_true(spool_is_done(done));
    scene->leaving = done;
    wait_until(scene, is_removed);
    assert_null(scene->leaving);
}

/* ---------------------------------------------------------------- the promises */

static void test_what_is_put_is_read_in_order(void **state) {
    struct scene *scene = *state;
    struct spool_figures figures;
    start(scene);
    assert_int_equal(strlen(spool_id(scene->spool)), 16);
    assert_int_equal(read_from(scene->spool, 0), 0);
    put_many(scene, 1, 500);
    assert_int_equal(scene->outcomes[SPOOL_SYNCED], 500);
    assert_true(scene->in_order);
    assert_true(scene->readable > 0);
    assert_int_equal(spool_last(scene->spool), 500);
    assert_int_equal(spool_removed(scene->spool), 0);
    assert_int_equal(read_from(scene->spool, 0), 500);
    spool_figures(scene->spool, &figures);
    assert_int_equal(figures.records, 500);
    assert_int_equal(figures.undrained, 500);
    assert_true(figures.oldest_undrained_ms > 0);
    assert_int_equal(figures.damaged_records, 0);
}

static void test_a_thousand_puts_share_a_few_syncs(void **state) {
    struct scene *scene = *state;
    struct spool_figures figures;
    scene->options.segment_bytes = 0;
    start(scene);
    put_many(scene, 1, 1000);
    assert_int_equal(scene->outcomes[SPOOL_SYNCED], 1000);
    spool_figures(scene->spool, &figures);
    assert_in_range(figures.syncs, 1, 100);
}

/* Drained records leave the memory: what is read again then comes from the files. */
static void test_memory_and_files_give_the_same(void **state) {
    struct scene *scene = *state;
    scene->options.keep_ms = 3600000;
    start(scene);
    put_many(scene, 1, 700);
    assert_int_equal(read_from(scene->spool, 0), 700);
    spool_drained(scene->spool, 650);
    assert_int_equal(read_from(scene->spool, 0), 700);
    assert_int_equal(read_from(scene->spool, 333), 700);
    spool_drained(scene->spool, 100); /* the ledger forgot */
    put_many(scene, 701, 720);
    assert_int_equal(read_from(scene->spool, 100), 720);
    assert_int_equal(read_from(scene->spool, 719), 720);
}

static void test_one_who_falls_behind_the_memory_reads_on_from_the_files(void **state) {
    struct scene *scene = *state;
    struct record record;
    enum { BODY = 1 << 20, COUNT = 24 };
    scene->options.segment_bytes = 0;
    start(scene);
    for (uint64_t number = 1; number <= COUNT; number++)
        put_sized(scene, number, BODY);
    wait_until(scene, is_settled);
    for (uint64_t number = 1; number <= COUNT; number++) {
        assert_int_equal(spool_read(scene->spool, number - 1, &record, 1, 1), 1);
        assert_record(&record, number, BODY);
    }
    assert_int_equal(spool_read(scene->spool, COUNT, &record, 1, 1), 0);
}

static void test_a_record_longer_than_a_segment_stands_between_the_others(void **state) {
    struct scene *scene = *state;
    struct record records[5];
    static const size_t sizes[] = {10, 100000, 20, 300000, 30};
    scene->options.keep_ms = 3600000;
    start(scene);
    for (uint64_t number = 1; number <= 5; number++)
        put_sized(scene, number, sizes[number - 1]);
    wait_until(scene, is_settled);
    assert_int_equal(scene->outcomes[SPOOL_SYNCED], 5);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(spool_read(scene->spool, 0, records, 5, SIZE_MAX), 5);
        for (uint64_t number = 1; number <= 5; number++)
            assert_record(&records[number - 1], number, sizes[number - 1]);
        spool_drained(scene->spool, 5);
    }
    end(scene);
    struct spool *left = adopt_one(scene);
    assert_int_equal(spool_read(left, 0, records, 5, SIZE_MAX), 5);
    assert_record(&records[3], 4, sizes[3]);
    spool_destroy(left);
}

static void test_the_next_start_finds_what_was_not_drained(void **state) {
    struct scene *scene = *state;
    struct spool_figures figures;
    start(scene);
    put_many(scene, 1, 400);
    spool_drained(scene->spool, 150);
    char id[17];
    memcpy(id, spool_id(scene->spool), sizeof id);
    end(scene);
    start(scene); /* another one, that knows nothing of it */
    assert_string_not_equal(spool_id(scene->spool), id);
    struct spool *left = adopt_one(scene);
    assert_string_equal(spool_id(left), id);
    assert_false(spool_writable(left));
    assert_int_equal(spool_last(left), 400);
    spool_figures(left, &figures);
    assert_int_equal(figures.undrained, 250);
    assert_int_equal(figures.damaged_bytes + figures.damaged_records, 0);
    assert_false(spool_is_done(left));
    assert_int_equal(read_from(left, 150), 400);
    spool_drained(left, 400);
    remove_it(scene, left);
    struct spool **adopted;
    assert_int_equal(adopt(scene, &adopted), 0);
    free(adopted);
}

static void test_what_is_held_or_young_is_not_done(void **state) {
    struct scene *scene = *state;
    int64_t before_ms = clock_wall_ms();
    start(scene);
    put_many(scene, 1, 300);
    end(scene);
    struct spool *left = adopt_one(scene);
    spool_hold(left, before_ms);
    spool_drained(left, 300);
    assert_false(spool_is_done(left));
    assert_int_equal(read_from(left, 0), 300);
    spool_hold(left, INT64_MAX);
    assert_true(spool_is_done(left));
    spool_destroy(left);
    scene->options.keep_ms = 3600000;
    left = adopt_one(scene);
    assert_false(spool_is_done(left));
    assert_int_equal(read_from(left, 0), 300);
    spool_destroy(left);
}

/* An outage that was longer than `keep`, and a ledger that forgets just then. */
static void test_what_waited_for_long_is_kept_from_when_the_ledger_got_it(void **state) {
    struct scene *scene = *state;
    enum { KEEP_MS = 3600000, COUNT = 1000 };
    scene->options.keep_ms = KEEP_MS;
    scene->received_ago_ms = 2 * KEEP_MS;
    start(scene);
    put_many(scene, 1, COUNT);
    spool_drained(scene->spool, COUNT);
    assert_int_equal(spool_removed(scene->spool), 0);
    spool_drained(scene->spool, 0);
    assert_int_equal(read_from(scene->spool, 0), COUNT);
    end(scene);
    struct spool *left = adopt_one(scene);
    spool_drained(left, COUNT);
    assert_false(spool_is_done(left));
    spool_drained(left, 0);
    assert_int_equal(read_from(left, 0), COUNT);
    spool_destroy(left);
}

static void test_what_waited_for_long_is_held_from_when_the_ledger_got_it(void **state) {
    struct scene *scene = *state;
    scene->received_ago_ms = 7200000;
    start(scene);
    put_many(scene, 1, 300);
    end(scene);
    struct spool *left = adopt_one(scene);
    spool_hold(left, clock_wall_ms() - 60000);
    spool_drained(left, 300);
    assert_false(spool_is_done(left));
    spool_hold(left, clock_wall_ms() + 60000);
    remove_it(scene, left);
}

/* Neither is it forgotten, nor does each start begin anew. */
static void test_since_when_the_ledger_has_it_outlives_a_start(void **state) {
    struct scene *scene = *state;
    enum { KEEP_MS = 3600000 };
    scene->options.keep_ms = KEEP_MS;
    scene->received_ago_ms = 2 * KEEP_MS;
    start(scene);
    put_many(scene, 1, 300);
    spool_drained(scene->spool, 300);
    int64_t drained_ms = clock_wall_ms();
    end(scene);
    struct spool *left = adopt_one(scene);
    spool_drained(left, 300);
    assert_false(spool_is_done(left));
    spool_destroy(left);
    scene->options.keep_ms = 0;
    left = adopt_one(scene);
    spool_drained(left, 300);
    spool_hold(left, drained_ms + 1);
    remove_it(scene, left);
}

static void test_drained_segments_go(void **state) {
    struct scene *scene = *state;
    struct spool_figures figures;
    start(scene);
    for (uint64_t from = 1; from <= 5000; from += 500) {
        put_many(scene, from, from + 499);
        assert_int_equal(read_from(scene->spool, from - 1), from + 499);
        spool_drained(scene->spool, from + 499);
        spool_figures(scene->spool, &figures);
        assert_in_range(figures.bytes, 1, 2 * scene->options.segment_bytes);
    }
    assert_true(spool_removed(scene->spool) >= 4000);
    assert_int_equal(figures.undrained, 0);
}

static bool is_writable(struct scene *scene) {
    return spool_writable(scene->spool);
}

static void test_a_full_spool_refuses_until_it_is_drained(void **state) {
    struct scene *scene = *state;
    struct spool_figures figures;
    scene->options.max_bytes = 4 * scene->options.segment_bytes;
    start(scene);
    put_many(scene, 1, 1000);
    assert_true(scene->outcomes[SPOOL_REFUSED] > 0);
    assert_int_equal(scene->outcomes[SPOOL_UNKNOWN], 0);
    assert_int_equal(spool_last(scene->spool), scene->outcomes[SPOOL_SYNCED]);
    assert_false(spool_writable(scene->spool));
    assert_true(spool_trouble(scene->spool).size > 0);
    spool_figures(scene->spool, &figures);
    assert_in_range(figures.bytes, 1, scene->options.max_bytes);
    spool_drained(scene->spool, read_from(scene->spool, 0));
    wait_until(scene, is_writable);
    size_t synced = scene->outcomes[SPOOL_SYNCED];
    put_sized(scene, 1001, 10);
    wait_until(scene, is_settled);
    assert_int_equal(scene->outcomes[SPOOL_SYNCED], synced + 1);
}

/* Only what is kept, and not owed, makes room. */
static void test_kept_segments_make_room_the_oldest_first(void **state) {
    struct scene *scene = *state;
    struct spool_figures figures;
    scene->options.max_bytes = 6 * scene->options.segment_bytes;
    scene->options.keep_ms = 3600000;
    start(scene);
    for (uint64_t from = 1; from <= 4000; from += 100) {
        put_many(scene, from, from + 99);
        spool_drained(scene->spool, from + 99);
    }
    assert_int_equal(scene->outcomes[SPOOL_SYNCED], 4000);
    spool_figures(scene->spool, &figures);
    assert_in_range(figures.bytes, 4 * scene->options.segment_bytes, scene->options.max_bytes);
    uint64_t removed = spool_removed(scene->spool);
    assert_in_range(removed, 3000, 3999);
    assert_int_equal(read_from(scene->spool, removed), 4000);
}

static void test_what_is_owed_makes_room_last_and_is_counted(void **state) {
    struct scene *scene = *state;
    struct spool_figures figures;
    scene->options.max_bytes = 6 * scene->options.segment_bytes;
    start(scene);
    spool_hold(scene->spool, 0); /* all of it */
    for (uint64_t from = 1; from <= 4000; from += 100) {
        put_many(scene, from, from + 99);
        spool_drained(scene->spool, from + 99);
    }
    assert_int_equal(scene->outcomes[SPOOL_SYNCED], 4000);
    spool_figures(scene->spool, &figures);
    assert_in_range(figures.bytes, 4 * scene->options.segment_bytes, scene->options.max_bytes);
    assert_int_equal(figures.owed_let_go, spool_removed(scene->spool));
}

static void test_a_spool_has_one_owner(void **state) {
    struct scene *scene = *state;
    struct spool **adopted;
    start(scene);
    put_many(scene, 1, 10);
    assert_int_equal(adopt(scene, &adopted), 0);
    free(adopted);
    end(scene);
    struct spool *left = adopt_one(scene);
    assert_int_equal(adopt(scene, &adopted), 0);
    free(adopted);
    spool_destroy(left);
}

static void test_nothing_is_left_of_a_start_that_put_nothing(void **state) {
    struct scene *scene = *state;
    struct spool **adopted;
    start(scene);
    end(scene);
    assert_int_equal(adopt(scene, &adopted), 0);
    free(adopted);
}

static void test_open_puts_are_unknown_when_it_is_destroyed(void **state) {
    struct scene *scene = *state;
    start(scene);
    for (uint64_t number = 1; number <= 20; number++)
        put_sized(scene, number, 100);
    end(scene);
    assert_int_equal(scene->outcomes[SPOOL_UNKNOWN], 20);
    struct spool *left = adopt_one(scene);
    assert_int_equal(spool_last(left), 20); /* they were written all the same */
    spool_destroy(left);
}

static void test_a_directory_that_cannot_be_made_is_told(void **state) {
    struct scene *scene = *state;
    struct string why = {0};
    char path[128];
    snprintf(path, sizeof path, "%s/file", scene->folder);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    snprintf(path, sizeof path, "%s/file/spool", scene->folder);
    scene->options.directory = path;
    assert_null(spool_create(scene->loop, &scene->options, &why));
    assert_non_null(strstr(why.data, path));
    string_finish(&why);
}

static void test_missing_folders_above_are_made(void **state) {
    struct scene *scene = *state;
    char path[128];
    snprintf(path, sizeof path, "%s/a/b/", scene->folder);
    scene->options.directory = path;
    start(scene);
    put_many(scene, 1, 3);
    end(scene);
    spool_destroy(adopt_one(scene));
}

/* ---------------------------------------------------------------- taken away */

static void put_until_it_cannot_write(struct scene *scene, uint64_t *number) {
    int64_t until_ms = clock_steady_ms() + PATIENCE_MS;
    while (spool_writable(scene->spool)) {
        assert_true(clock_steady_ms() < until_ms);
        ++*number;
        put_sized(scene, *number, body_size(*number));
        wait_until(scene, is_settled);
    }
    assert_non_null(memmem(spool_trouble(scene->spool).data, spool_trouble(scene->spool).size,
                           "is gone", strlen("is gone")));
}

static void test_a_folder_that_was_moved_away_is_noticed_and_written_when_it_is_back(void **state) {
    struct scene *scene = *state;
    char here[128], away[128];
    uint64_t number = 0;
    start(scene);
    put_many(scene, 1, number = 10);
    snprintf(here, sizeof here, "%s/%s", scene->folder, spool_id(scene->spool));
    snprintf(away, sizeof away, "%s/away", scene->folder);
    assert_int_equal(rename(here, away), 0);
    put_until_it_cannot_write(scene, &number);
    struct record record;
    spool_drained(scene->spool, 10);
    assert_int_equal(spool_read(scene->spool, 0, &record, 1, 1), -1); /* and is not called lost */
    assert_int_equal(rename(away, here), 0);
    assert_int_equal(read_from(scene->spool, 0), spool_last(scene->spool));
    wait_until(scene, is_writable);
    put_sized(scene, number + 1, 10);
    wait_until(scene, is_settled);
    size_t synced = scene->outcomes[SPOOL_SYNCED];
    end(scene);
    struct spool *left = adopt_one(scene);
    struct spool_figures figures;
    spool_figures(left, &figures);
    assert_int_equal(figures.records, synced);
    assert_int_equal(figures.damaged_records, 0);
    spool_destroy(left);
}

static void test_a_folder_that_was_removed_is_noticed(void **state) {
    struct scene *scene = *state;
    char path[128];
    uint64_t number = 0;
    start(scene);
    put_many(scene, 1, number = 10);
    snprintf(path, sizeof path, "%s/%s", scene->folder, spool_id(scene->spool));
    while (!scratch_remove(path)) /* again, where the next segment was made meanwhile */
        assert_true(errno == ENOTEMPTY || errno == ENOENT);
    put_until_it_cannot_write(scene, &number);
    put_sized(scene, number + 1, 10);
    wait_until(scene, is_settled);
    assert_int_equal(scene->outcomes[SPOOL_REFUSED], 2);
    /* In memory they still are, for a ledger that is there. */
    assert_int_equal(read_from(scene->spool, 0), spool_last(scene->spool));
}

/* ---------------------------------------------------------------- versions and damage */

/* The spool's one segment file that has records. */
static int open_segment(const struct scene *scene, const char *id) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s/segment-0000000001", scene->folder, id);
    int file = open(path, O_RDWR);
    assert_true(file >= 0);
    return file;
}

static void leave_some(struct scene *scene, char id[17], uint64_t count) {
    start(scene);
    memcpy(id, spool_id(scene->spool), 17);
    put_many(scene, 1, count);
    end(scene);
}

static void test_damage_is_copied_aside_and_costs_one_record(void **state) {
    struct scene *scene = *state;
    struct spool_figures figures;
    struct record records[BATCH];
    char id[17], path[256];
    leave_some(scene, id, 20);
    int file = open_segment(scene, id);
    assert_int_equal(pwrite(file, "spoilt", 6, 64 + 90), 6);
    close(file);
    struct spool *left = adopt_one(scene);
    spool_figures(left, &figures);
    assert_int_equal(figures.damaged_records, 1);
    assert_int_equal(spool_read(left, 0, records, BATCH, BATCH_BYTES), 19);
    assert_int_equal(records[0].sequence, 2);
    snprintf(path, sizeof path, "%s/%s/damaged-1-64", scene->folder, id);
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_size, figures.damaged_bytes);
    spool_drained(left, 20);
    remove_it(scene, left);
    /* The copy stays for a person, and is in nobody's way. */
    assert_int_equal(stat(path, &about), 0);
    struct spool **adopted;
    assert_int_equal(adopt(scene, &adopted), 0);
    free(adopted);
}

/* As a later program might write it: the header is whole, and says 2. */
static void test_a_version_that_is_not_known_is_refused_with_a_sentence(void **state) {
    struct scene *scene = *state;
    struct string why = {0};
    struct spool **adopted;
    char id[17], header[64];
    leave_some(scene, id, 3);
    int file = open_segment(scene, id);
    assert_int_equal(pread(file, header, sizeof header, 0), sizeof header);
    header[8] = 2;
    uint32_t crc = crc_add(crc_add(0, header, 12), header + 16, sizeof header - 16);
    for (int i = 0; i < 4; i++)
        header[12 + i] = (char)(crc >> 8 * i);
    assert_int_equal(pwrite(file, header, sizeof header, 0), sizeof header);
    close(file);
    assert_int_equal(spool_adopt(scene->loop, &scene->options, &adopted, &why), -1);
    assert_non_null(strstr(why.data, "segment-0000000001"));
    assert_non_null(strstr(why.data, "version"));
    assert_non_null(strstr(why.data, "elsewhere")); /* and what to do */
    string_finish(&why);
}

/* ---------------------------------------------------------------- killed */

static void on_acknowledged(void *arg, enum spool_put outcome) {
    struct sent *sent = arg;
    struct scene *scene = sent->scene;
    scene->open--;
    if (outcome == SPOOL_SYNCED &&
        write(scene->told, &sent->number, sizeof sent->number) != sizeof sent->number)
        _exit(1);
    free(sent);
}

/* Puts for ever, and tells the pipe what was acknowledged. */
static void serve_until_killed(struct scene *scene, int pipe_end) {
    char body[200];
    struct spool *spool;
    struct string why = {0};
    struct loop *loop = loop_create();
    scene->told = pipe_end;
    spool = spool_create(loop, &scene->options, &why);
    if (!spool)
        _exit(1);
    for (uint64_t number = 1;;) {
        for (; scene->open < 50; number++) {
            size_t size = number % sizeof body;
            struct sent *sent = memory_new(sizeof *sent);
            *sent = (struct sent){scene, number};
            fill_body(body, size, number);
            struct record record = {.received_ms = clock_wall_ms(), .body = text_slice(body, size)};
            scene->open++;
            spool_put(spool, &record, on_acknowledged, sent);
        }
        loop_turn(loop);
    }
}

static uint64_t kill_after(pid_t child, int pipe_end, uint64_t acknowledged) {
    uint64_t number, last = 0;
    while (last < acknowledged) {
        assert_int_equal(read(pipe_end, &number, sizeof number), sizeof number);
        last = number;
    }
    kill(child, SIGKILL);
    while (read(pipe_end, &number, sizeof number) == sizeof number)
        last = number; /* what it still had told */
    waitpid(child, NULL, 0);
    return last;
}

static void test_what_a_killed_process_acknowledged_is_there(void **state) {
    struct scene *scene = *state;
    struct record records[BATCH];
    int ends[2], count;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        serve_until_killed(scene, ends[1]);
    }
    close(ends[1]);
    uint64_t acknowledged = kill_after(child, ends[0], 2000), after = 0;
    close(ends[0]);
    struct spool *left = adopt_one(scene);
    assert_true(spool_last(left) >= acknowledged);
    while ((count = spool_read(left, after, records, BATCH, BATCH_BYTES)) > 0)
        for (int i = 0; i < count; i++) {
            char body[200];
            after++;
            fill_body(body, after % sizeof body, after);
            assert_int_equal(records[i].sequence, after);
            assert_true(text_equal(records[i].body, text_slice(body, after % sizeof body)));
        }
    assert_true(after >= acknowledged);
    spool_destroy(left);
}

int main(void) {
#define PROMISE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        PROMISE(test_what_is_put_is_read_in_order),
        PROMISE(test_a_thousand_puts_share_a_few_syncs),
        PROMISE(test_memory_and_files_give_the_same),
        PROMISE(test_one_who_falls_behind_the_memory_reads_on_from_the_files),
        PROMISE(test_a_record_longer_than_a_segment_stands_between_the_others),
        PROMISE(test_the_next_start_finds_what_was_not_drained),
        PROMISE(test_what_is_held_or_young_is_not_done),
        PROMISE(test_what_waited_for_long_is_kept_from_when_the_ledger_got_it),
        PROMISE(test_what_waited_for_long_is_held_from_when_the_ledger_got_it),
        PROMISE(test_since_when_the_ledger_has_it_outlives_a_start),
        PROMISE(test_drained_segments_go),
        PROMISE(test_a_full_spool_refuses_until_it_is_drained),
        PROMISE(test_kept_segments_make_room_the_oldest_first),
        PROMISE(test_what_is_owed_makes_room_last_and_is_counted),
        PROMISE(test_a_spool_has_one_owner),
        PROMISE(test_nothing_is_left_of_a_start_that_put_nothing),
        PROMISE(test_open_puts_are_unknown_when_it_is_destroyed),
        PROMISE(test_a_directory_that_cannot_be_made_is_told),
        PROMISE(test_missing_folders_above_are_made),
        PROMISE(test_a_folder_that_was_moved_away_is_noticed_and_written_when_it_is_back),
        PROMISE(test_a_folder_that_was_removed_is_noticed),
        PROMISE(test_damage_is_copied_aside_and_costs_one_record),
        PROMISE(test_a_version_that_is_not_known_is_refused_with_a_sentence),
        PROMISE(test_what_a_killed_process_acknowledged_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
