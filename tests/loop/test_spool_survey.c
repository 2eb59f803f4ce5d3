/* What `kula-relay spool` is told of a folder on a real disk: what is in it, since
 * when something waits, and where it is damaged. */
#include "spool_house.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "scratch.h"
#include "spool/recover.h"

enum { RECORDS = 20, BODY_AT = 90 };

static const int64_t FOREVER_MS = INT64_C(100) * 365 * 24 * 3600 * 1000;

struct scene {
    struct spool_house house;
    char folder[64];
    char id[17]; /* of the spool that was left */
};

static int set_up(void **state) {
    struct scene *scene = memory_new(sizeof *scene);
    strcpy(scene->folder, "/tmp/kr-survey-XXXXXX");
    assert_non_null(mkdtemp(scene->folder));
    spool_house_open(&scene->house);
    scene->house.options.directory = scene->folder;
    scene->house.options.disk = &disk_real;
    scene->house.options.keep_ms = FOREVER_MS;
    *state = scene;
    return 0;
}

static int tear_down(void **state) {
    struct scene *scene = *state;
    spool_house_close(&scene->house);
    scratch_remove(scene->folder);
    free(scene);
    return 0;
}

static void start(struct scene *scene, size_t count) {
    assert_true(spool_house_start(&scene->house));
    memcpy(scene->id, spool_id(scene->house.spool), sizeof scene->id);
    spool_house_put(&scene->house, count);
    spool_house_settle(&scene->house);
}

/* The one spool that there is. */
static struct spool_survey *survey_one(struct scene *scene) {
    struct string why = {0};
    struct spool_survey *survey;
    assert_int_equal(spool_survey(scene->folder, &survey, &why), 1);
    string_finish(&why);
    return survey;
}

/* As a start of serve does, that ends at once. */
static void adopt_all(struct scene *scene) {
    struct string why = {0};
    struct spool **adopted;
    int count = spool_adopt(scene->house.loop, &scene->house.options, &adopted, &why);
    assert_true(count >= 0);
    for (int i = 0; i < count; i++)
        spool_destroy(adopted[i]);
    free(adopted);
    string_finish(&why);
}

/* ---------------------------------------------------------------- what is there */

static void test_it_sees_the_same_held_or_not(void **state) {
    struct scene *scene = *state;
    start(scene, RECORDS);
    for (int held = 1; held >= 0; held--) {
        struct spool_survey *survey = survey_one(scene);
        assert_string_equal(survey->id, scene->id);
        assert_int_equal(survey->held, held);
        assert_int_equal(survey->broken.size, 0);
        assert_int_equal(survey->records, RECORDS);
        assert_int_equal(survey->undrained, RECORDS);
        assert_int_equal(survey->first, 1);
        assert_int_equal(survey->last, RECORDS);
        assert_int_equal(survey->newest_ms - survey->oldest_ms, RECORDS - 1);
        assert_int_equal(survey->oldest_undrained_ms, survey->oldest_ms);
        assert_int_equal(survey->damage_count + survey->damage_untold + survey->copies, 0);
        assert_int_equal(survey->damaged_bytes + survey->damaged_records, 0);
        assert_false(survey->checkpoint_damaged);
        assert_true(survey->bytes > 0);
        spool_survey_free(survey, 1);
        spool_house_end(&scene->house);
    }
}

static void forget_it(const struct scene *scene) {
    char path[96];
    snprintf(path, sizeof path, "%s/%s", scene->folder, scene->id);
    assert_true(scratch_remove(path));
}

static void test_it_dates_the_oldest_that_is_undrained(void **state) {
    static const uint64_t drained[] = {0, 1, 9, RECORDS - 1, RECORDS};
    struct scene *scene = *state;
    for (size_t i = 0; i < sizeof drained / sizeof *drained; i++) {
        start(scene, RECORDS);
        spool_drained(scene->house.spool, drained[i]);
        spool_house_end(&scene->house);
        struct spool_survey *survey = survey_one(scene);
        int64_t age_ms = survey->oldest_undrained_ms - survey->oldest_ms;
        assert_int_equal(survey->records, RECORDS);
        assert_int_equal(survey->undrained, RECORDS - drained[i]);
        if (drained[i] == RECORDS)
            assert_int_equal(survey->oldest_undrained_ms, 0);
        else
            assert_int_equal(age_ms, drained[i]);
        spool_survey_free(survey, 1);
        forget_it(scene);
    }
}

/* A number was given to each put that was refused: nothing waits under it. */
static void test_it_does_not_count_what_was_never_written(void **state) {
    struct scene *scene = *state;
    struct spool_house *house = &scene->house;
    house->options.max_bytes = (int64_t)4 * 4096;
    start(scene, 100);
    uint64_t last = spool_last(house->spool);
    assert_in_range(last, 10, 99);
    spool_drained(house->spool, last - 3);
    spool_house_wait(house, spool_house_is_writable);
    spool_house_put(house, 1);
    spool_house_settle(house);
    assert_true(spool_last(house->spool) > last + 1);
    spool_house_end(house);
    struct spool_survey *survey = survey_one(scene);
    assert_int_equal(survey->undrained, 4);
    spool_survey_free(survey, 1);
}

/* As one that serve removes between the listing and the look. */
static void test_it_passes_over_a_spool_that_has_just_gone(void **state) {
    struct scene *scene = *state;
    char path[128];
    start(scene, RECORDS);
    snprintf(path, sizeof path, "%s/0123456789abcdef", scene->folder);
    assert_int_equal(symlink("nowhere", path), 0);
    snprintf(path, sizeof path, "%s/fedcba9876543210", scene->folder);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    struct spool_survey *survey = survey_one(scene);
    assert_int_equal(survey->records, RECORDS);
    spool_survey_free(survey, 1);
}

static void test_one_that_cannot_be_read_does_not_hide_the_others(void **state) {
    struct scene *scene = *state;
    struct spool_survey *surveys;
    struct string why = {0};
    char path[128];
    start(scene, RECORDS);
    snprintf(path, sizeof path, "%s/0000000000000000", scene->folder);
    assert_int_equal(mkdir(path, 0700), 0);
    strcat(path, "/segment-0000000001"); /* a folder: to read it fails */
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(spool_survey(scene->folder, &surveys, &why), 2);
    assert_non_null(strstr(surveys[0].broken.data, path));
    assert_int_equal(surveys[0].records, 0);
    assert_int_equal(surveys[1].broken.size, 0);
    assert_int_equal(surveys[1].records, RECORDS);
    spool_survey_free(surveys, 2);
    string_finish(&why);
}

/* ---------------------------------------------------------------- where it is damaged */

static void flip(const struct scene *scene, const char *file, int64_t at) {
    char path[128], byte;
    snprintf(path, sizeof path, "%s/%s/%s", scene->folder, scene->id, file);
    int opened = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(opened, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(opened, &byte, 1, at), 1);
    close(opened);
}

/* Damages every second record, and tells where the first of these begins. */
static int64_t flip_every_second(struct scene *scene) {
    struct record records[2];
    int64_t at = SEGMENT_HEADER, first_at = 0;
    for (uint64_t after = 0; spool_read(scene->house.spool, after, records, 2, SIZE_MAX) == 2;
         after += 2) {
        at += (int64_t)record_bytes(&records[0]);
        if (!first_at)
            first_at = at;
        flip(scene, "segment-0000000001", at + BODY_AT);
        at += (int64_t)record_bytes(&records[1]);
    }
    return first_at;
}

static void test_it_says_where_the_damage_is_and_whose_and_which_copy_there_is(void **state) {
    struct scene *scene = *state;
    scene->house.options.segment_bytes = 65536;
    start(scene, 3);
    int64_t at = flip_every_second(scene);
    spool_house_end(&scene->house);
    for (size_t copies = 0; copies < 2; copies++) {
        struct spool_survey *survey = survey_one(scene);
        assert_int_equal(survey->records, 2);
        assert_int_equal(survey->damaged_records, 1);
        assert_int_equal(survey->damage_count, 1);
        const struct spool_damage *damage = &survey->damage[0];
        assert_string_equal(damage->file, "segment-0000000001");
        assert_int_equal(damage->at, at);
        assert_int_equal(damage->bytes, survey->damaged_bytes);
        assert_int_equal(damage->first, 2);
        assert_int_equal(damage->last, 2);
        char copy[64] = "";
        if (copies)
            snprintf(copy, sizeof copy, "damaged-1-%lld", (long long)at);
        assert_string_equal(damage->copy, copy);
        assert_int_equal(survey->copies, copies);
        spool_survey_free(survey, 1);
        adopt_all(scene);
    }
}

/* Nothing but their order tells whose the bytes are. */
static void test_of_two_damaged_neighbours_each_is_told_by_its_number(void **state) {
    struct scene *scene = *state;
    struct record records[2];
    start(scene, 4);
    assert_int_equal(spool_read(scene->house.spool, 0, records, 2, SIZE_MAX), 2);
    int64_t at = SEGMENT_HEADER;
    for (int i = 0; i < 2; i++) {
        flip(scene, "segment-0000000001", at + BODY_AT);
        at += (int64_t)record_bytes(&records[i]);
    }
    struct spool_survey *survey = survey_one(scene);
    assert_int_equal(survey->damage_count, 2);
    for (uint64_t i = 0; i < 2; i++) {
        assert_int_equal(survey->damage[i].first, i + 1);
        assert_int_equal(survey->damage[i].last, i + 1);
    }
    spool_survey_free(survey, 1);
}

static void test_of_much_damage_it_tells_the_first_hundred_places(void **state) {
    struct scene *scene = *state;
    scene->house.options.segment_bytes = 1 << 20;
    start(scene, 301);
    flip_every_second(scene);
    struct spool_survey *survey = survey_one(scene);
    assert_int_equal(survey->damaged_records, 150);
    assert_int_equal(survey->records, 151);
    assert_int_equal(survey->damage_count, SPOOL_DAMAGE_MOST);
    assert_int_equal(survey->damage_untold, 150 - SPOOL_DAMAGE_MOST);
    assert_int_equal(survey->damage[SPOOL_DAMAGE_MOST - 1].last, 2 * SPOOL_DAMAGE_MOST);
    spool_survey_free(survey, 1);
}

static void test_a_missing_file_is_told_by_the_records_that_were_in_it(void **state) {
    struct scene *scene = *state;
    char path[128];
    start(scene, 60);
    snprintf(path, sizeof path, "%s/%s/segment-0000000001", scene->folder, scene->id);
    assert_int_equal(unlink(path), 0);
    spool_house_end(&scene->house);
    struct spool_survey *survey = survey_one(scene);
    assert_int_equal(survey->damage_count, 1);
    assert_string_equal(survey->damage[0].file, "");
    assert_int_equal(survey->damage[0].first, 1);
    assert_int_equal(survey->damage[0].last, survey->first - 1);
    assert_int_equal(survey->damaged_records, survey->first - 1);
    assert_int_equal(survey->records + survey->first - 1, 60);
    spool_survey_free(survey, 1);
}

static void test_a_file_cut_short_is_told_with_what_is_missing(void **state) {
    struct scene *scene = *state;
    char path[128];
    start(scene, 60);
    spool_house_end(&scene->house);
    snprintf(path, sizeof path, "%s/%s/segment-0000000001", scene->folder, scene->id);
    assert_int_equal(truncate(path, 1000), 0);
    struct spool_survey *survey = survey_one(scene);
    assert_string_equal(survey->damage[0].file, "segment-0000000001");
    assert_int_equal(survey->damage[0].at, 1000);
    assert_int_equal(survey->damage[0].bytes, 4096 - 1000);
    assert_true(survey->damaged_records > 0);
    assert_int_equal(survey->records + (uint64_t)survey->damaged_records, 60);
    spool_survey_free(survey, 1);
}

static void test_a_checkpoint_that_is_damaged_or_missing_is_told(void **state) {
    static const int64_t slots[] = {0, 4096};
    struct scene *scene = *state;
    char path[128];
    start(scene, RECORDS);
    spool_house_end(&scene->house);
    for (size_t i = 0; i <= 2; i++) {
        struct spool_survey *survey = survey_one(scene);
        assert_int_equal(survey->checkpoint_damaged, i > 0);
        assert_int_equal(survey->records, RECORDS);
        assert_int_equal(survey->damaged_records + survey->damaged_bytes, 0);
        spool_survey_free(survey, 1);
        if (i < 2)
            flip(scene, "checkpoint", slots[i] + 30);
    }
    snprintf(path, sizeof path, "%s/%s/checkpoint", scene->folder, scene->id);
    assert_int_equal(unlink(path), 0);
    struct spool_survey *survey = survey_one(scene);
    assert_true(survey->checkpoint_damaged);
    spool_survey_free(survey, 1);
}

/* ---------------------------------------------------------------- while it is written */

/* A disk below a survey, that lets its spool write, drain, remove and use files again just before
 * the survey's nth call. */
struct busy_disk {
    struct disk disk;
    const struct disk *below;
    struct spool_house *house;
    int calls, nth;
    size_t puts;
};

static const struct disk *next_call(void *arg) {
    struct busy_disk *busy = arg;
    if (++busy->calls != busy->nth)
        return busy->below;
    spool_house_put(busy->house, busy->puts);
    spool_house_settle(busy->house);
    spool_house_drain(busy->house);
    spool_house_put(busy->house, 1); /* settled when what was drained has been removed */
    spool_house_settle(busy->house);
    return busy->below;
}

static int on_open(void *arg, const char *path, int flags) {
    const struct disk *disk = next_call(arg);
    return disk->open(disk->arg, path, flags);
}

static ssize_t on_read(void *arg, int file, void *data, size_t size, int64_t at) {
    const struct disk *disk = next_call(arg);
    return disk->read(disk->arg, file, data, size, at);
}

static int on_list(void *arg, const char *path, disk_name_fn *each, void *each_arg) {
    const struct disk *disk = next_call(arg);
    return disk->list(disk->arg, path, each, each_arg);
}

static int on_close(void *arg, int file) {
    const struct disk *disk = ((struct busy_disk *)arg)->below;
    return disk->close(disk->arg, file);
}

/* Whether the survey had so many calls. */
static bool survey_with_work_before(struct spool_house *house, int nth, size_t puts) {
    struct string why = {0}, folder = {0};
    struct busy_disk busy = {
        .disk =
            {.arg = &busy, .open = on_open, .read = on_read, .list = on_list, .close = on_close},
        .below = disk_sim_disk(house->sim),
        .house = house,
        .nth = nth,
        .puts = puts,
    };
    string_addf(&folder, "/spool/%s", spool_id(house->spool));
    struct recovery recovery = {
        .disk = &busy.disk,
        .folder = folder.data,
        .spool = strtoull(spool_id(house->spool), NULL, 16),
        .survey = true,
    };
    assert_true(recover(&recovery, &why));
    if (recovery.damage_count)
        print_error("before call %d: %s at %lld, %lld bytes, records %llu to %llu\n", nth,
                    recovery.damage[0].file, (long long)recovery.damage[0].at,
                    (long long)recovery.damage[0].bytes,
                    (unsigned long long)recovery.damage[0].first,
                    (unsigned long long)recovery.damage[0].last);
    assert_int_equal(recovery.damage_count, 0);
    assert_int_equal(recovery.damaged_records + recovery.damaged_bytes, 0);
    assert_false(recovery.checkpoint_damaged);
    recovery_finish(&recovery);
    string_finish(&folder);
    string_finish(&why);
    return busy.calls >= nth;
}

static void survey_at_each_moment(struct spool_house *house, size_t before, size_t meanwhile) {
    house->options.directory = "/spool";
    house->options.keep_ms = 0;
    bool worked = true;
    for (int nth = 1; worked; nth++) {
        spool_house_use(house, disk_sim_create());
        assert_true(spool_house_start(house));
        spool_house_put(house, before);
        spool_house_settle(house);
        worked = survey_with_work_before(house, nth, meanwhile);
    }
}

static void test_files_that_are_begun_removed_and_used_again_are_not_called_damaged(void **state) {
    struct scene *scene = *state;
    for (size_t meanwhile = 1; meanwhile < 60; meanwhile += 13)
        survey_at_each_moment(&scene->house, 20, meanwhile);
}

static void test_a_file_that_grows_is_not_called_damaged(void **state) {
    struct scene *scene = *state;
    scene->house.options.segment_bytes = 1 << 20;
    scene->house.options.max_bytes = 16 << 20;
    survey_at_each_moment(&scene->house, 100, 400);
}

int main(void) {
#define PROMISE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        PROMISE(test_it_sees_the_same_held_or_not),
        PROMISE(test_it_dates_the_oldest_that_is_undrained),
        PROMISE(test_it_does_not_count_what_was_never_written),
        PROMISE(test_it_passes_over_a_spool_that_has_just_gone),
        PROMISE(test_one_that_cannot_be_read_does_not_hide_the_others),
        PROMISE(test_it_says_where_the_damage_is_and_whose_and_which_copy_there_is),
        PROMISE(test_of_two_damaged_neighbours_each_is_told_by_its_number),
        PROMISE(test_of_much_damage_it_tells_the_first_hundred_places),
        PROMISE(test_a_missing_file_is_told_by_the_records_that_were_in_it),
        PROMISE(test_a_file_cut_short_is_told_with_what_is_missing),
        PROMISE(test_a_checkpoint_that_is_damaged_or_missing_is_told),
        PROMISE(test_files_that_are_begun_removed_and_used_again_are_not_called_damaged),
        PROMISE(test_a_file_that_grows_is_not_called_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
