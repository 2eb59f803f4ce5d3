/* A spool of three segments is damaged at every byte, cut at every length,
 * robbed of sectors and of whole files: what is not hit is read, what is hit is
 * reported, and nothing comes out altered. */
#include "spool_house.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "spool/segment.h"

enum { RECORDS_MOST = 64, SECTOR = 512, SEGMENTS = 3 };

static const int64_t FOREVER_MS = INT64_C(100) * 365 * 24 * 3600 * 1000;

/* Where a record lies. */
struct place {
    size_t file; /* of scene->paths */
    size_t start, end;
};

struct scene {
    struct spool_house house;
    struct disk_sim *whole; /* the undamaged disk */
    char **paths;
    size_t path_count;
    struct place places[RECORDS_MOST]; /* by number */
    size_t record_count;
    int silenced; /* where stderr is meanwhile; 0: it speaks */
};

/* What is done to one file: bytes from `start` up to `end` do not hold what they held. */
struct damage {
    size_t file, start, end;
};

/* ---------------------------------------------------------------- the scene */

static bool lies_in(struct scene *scene, const char *mark, size_t *file, size_t *at) {
    for (*file = 0; *file < scene->path_count; ++*file) {
        struct text content = disk_sim_content(scene->house.sim, scene->paths[*file]);
        const char *found =
            content.size ? memmem(content.data, content.size, mark, strlen(mark)) : NULL;
        if (!found)
            continue;
        *at = (size_t)(found - content.data);
        return true;
    }
    return false;
}

/* A record's last text is its body, and each record but a file's first follows on another. */
static void find_place(struct scene *scene, const struct record *record, size_t number) {
    char mark[11];
    size_t at = 0;
    struct place *place = &scene->places[number];
    memcpy(mark, record->body.data, 10);
    mark[10] = '\0';
    assert_true(lies_in(scene, mark, &place->file, &at));
    size_t end = at + record->body.size;
    place->end = (end + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
    place->start = place->end - record_bytes(record);
    if (number && place[-1].file == place->file)
        assert_int_equal(place[-1].end, place->start);
}

static void find_places(struct scene *scene) {
    struct record record;
    uint64_t after = 0;
    scene->record_count = 0;
    while (spool_read(scene->house.spool, after, &record, 1, 1) == 1) {
        assert_true(scene->record_count < RECORDS_MOST);
        find_place(scene, &record, scene->record_count++);
        after = record.sequence;
    }
    assert_int_equal(scene->record_count, scene->house.sent_count);
}

static void forget_paths(struct scene *scene) {
    for (size_t i = 0; i < scene->path_count; i++)
        free(scene->paths[i]);
    free(scene->paths);
    scene->paths = NULL;
    scene->path_count = 0;
}

static size_t segments_used(const struct scene *scene) {
    size_t count = 0;
    for (size_t i = 0; i < scene->record_count; i++)
        count += i == 0 || scene->places[i].file != scene->places[i - 1].file;
    return count;
}

static void put_and_look(struct scene *scene) {
    spool_house_put(&scene->house, 1);
    spool_house_settle(&scene->house);
    forget_paths(scene);
    scene->path_count = disk_sim_files(scene->house.sim, &scene->paths);
    find_places(scene);
}

static bool third_segment_is_half_full(const struct scene *scene) {
    return segments_used(scene) == SEGMENTS && scene->places[scene->record_count - 1].end >
                                                   (size_t)scene->house.options.segment_bytes / 2;
}

static struct scene *scene_create(void) {
    struct scene *scene = memory_new(sizeof *scene);
    spool_house_open(&scene->house);
    scene->house.options.keep_ms = FOREVER_MS;
    assert_true(spool_house_start(&scene->house));
    do
        put_and_look(scene);
    while (!third_segment_is_half_full(scene));
    return scene;
}

/* As a process leaves it that is killed. */
static int set_up(void **state) {
    struct scene *scene = scene_create();
    scene->whole = disk_sim_copy(scene->house.sim);
    spool_house_end(&scene->house);
    *state = scene;
    return 0;
}

/* Closed, and the checkpoint says that the ledger has all of it; and then the ledger has forgotten.
 */
static int set_up_drained(void **state) {
    struct scene *scene = scene_create();
    spool_drained(scene->house.spool, spool_last(scene->house.spool));
    spool_house_end(&scene->house);
    forget_paths(scene); /* what was made ready is gone, behind all the others */
    scene->path_count = disk_sim_files(scene->house.sim, &scene->paths);
    scene->whole = disk_sim_copy(scene->house.sim);
    *state = scene;
    return 0;
}

/* ---------------------------------------------------------------- judging one damage */

static void show(const struct scene *scene, const struct damage *damage) {
    print_error("%s from %zu to %zu:\n", scene->paths[damage->file], damage->start, damage->end);
}

static bool is_hit(const struct scene *scene, size_t number, const struct damage *damage) {
    const struct place *place = &scene->places[number];
    return place->file == damage->file && place->start < damage->end && place->end > damage->start;
}

/* A line in the log for each of ten thousand damages is right, and nobody wants to read it. */
static void silence(struct scene *scene) {
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    scene->silenced = dup(STDERR_FILENO);
    assert_true(scene->silenced > 0 && nowhere >= 0);
    dup2(nowhere, STDERR_FILENO);
    close(nowhere);
}

static void end_silence(struct scene *scene) {
    if (!scene->silenced)
        return;
    dup2(scene->silenced, STDERR_FILENO);
    close(scene->silenced);
    scene->silenced = 0;
}

/* Of all that can be adopted: how much was damaged, and which numbers were read. -1: it could not
 * be adopted. */
static int64_t adopt_and_read(struct scene *scene, bool *read) {
    struct spool **adopted = NULL;
    struct string why = {0};
    size_t numbers[SPOOL_HOUSE_PUTS];
    int64_t reported = 0;
    int count = spool_adopt(scene->house.loop, &scene->house.options, &adopted, &why);
    if (count < 0)
        reported = -1;
    for (int i = 0; i < count; i++) {
        struct spool_figures figures;
        size_t found = spool_house_read_all(adopted[i], numbers);
        for (size_t at = 0; at < found; at++)
            read[numbers[at]] = true;
        spool_figures(adopted[i], &figures);
        reported += figures.damaged_records + figures.damaged_bytes;
        spool_destroy(adopted[i]);
    }
    free(adopted);
    string_finish(&why);
    return reported;
}

static void judge(const struct scene *scene, const struct damage *damage, const bool *read,
                  int64_t reported) {
    bool followed = false; /* by one that was read: then it is no tail */
    for (size_t i = scene->record_count; i-- > 0;) {
        if (!read[i] && !is_hit(scene, i, damage)) {
            show(scene, damage);
            fail_msg("record %zu was not hit, and is lost", i);
        }
        if (!read[i] && followed && !reported) {
            show(scene, damage);
            fail_msg("record %zu is lost, and nobody says so", i);
        }
        followed = followed || read[i];
    }
}

/* Now and then twice: what the first start made of it must not stop the second. */
static void adopt_and_judge(struct scene *scene, const struct damage *damage) {
    int starts = damage->start % 16 == 0 ? 2 : 1;
    for (int i = 0; i < starts; i++) {
        bool read[SPOOL_HOUSE_PUTS] = {false};
        silence(scene);
        int64_t reported = adopt_and_read(scene, read);
        end_silence(scene);
        if (reported < 0) {
            show(scene, damage);
            fail_msg("it was not adopted");
        }
        judge(scene, damage, read, reported);
    }
}

/* The disk as it was, but for this file; NULL data: which is gone. */
static void damage_file(struct scene *scene, const struct damage *damage, struct text content) {
    struct disk_sim *sim = disk_sim_copy(scene->whole);
    const struct disk *disk = disk_sim_disk(sim);
    const char *path = scene->paths[damage->file];
    if (content.data)
        disk_sim_put(sim, path, content);
    else
        assert_int_equal(disk->remove(disk->arg, path), 0);
    disk_sim_destroy(scene->house.sim);
    scene->house.sim = sim;
    scene->house.options.disk = disk;
    adopt_and_judge(scene, damage);
}

static struct text whole_file(struct scene *scene, size_t file) {
    return disk_sim_content(scene->whole, scene->paths[file]);
}

static int tear_down(void **state) {
    struct scene *scene = *state;
    end_silence(scene); /* a failed test leaves it */
    forget_paths(scene);
    disk_sim_destroy(scene->whole);
    spool_house_close(&scene->house);
    free(scene);
    return 0;
}

/* ---------------------------------------------------------------- the promises */

static void test_the_scene_is_whole(void **state) {
    struct scene *scene = *state;
    struct damage none = {0};
    bool read[SPOOL_HOUSE_PUTS] = {false};
    damage_file(scene, &none, whole_file(scene, 0));
    assert_int_equal(adopt_and_read(scene, read), 0);
}

/* Where a file holds no record, one unused byte is as good as the next. */
static bool is_worth_it(const struct scene *scene, size_t file, struct text content, size_t at) {
    for (size_t i = 0; i < scene->record_count; i++)
        if (scene->places[i].file == file)
            return true;
    return content.data[at] || at % 13 == 0;
}

static void flip_each_byte(struct scene *scene, size_t file, size_t most) {
    struct text content = whole_file(scene, file);
    char *copy = memory_copy(content.data, content.size);
    for (size_t at = 0; at < content.size && at < most; at++) {
        struct damage damage = {file, at, at + 1};
        if (!is_worth_it(scene, file, content, at))
            continue;
        /* One bit, another one at each byte; now and then all of them. */
        char mask = (char)(at % 9 == 8 ? 0xff : 1 << at % 9);
        copy[at] = (char)(copy[at] ^ mask);
        damage_file(scene, &damage, text_slice(copy, content.size));
        copy[at] = (char)(copy[at] ^ mask);
    }
    free(copy);
}

static void test_a_flipped_byte_costs_at_most_its_record(void **state) {
    struct scene *scene = *state;
    for (size_t file = 0; file < scene->path_count; file++)
        flip_each_byte(scene, file, SIZE_MAX);
}

/* Of a drained segment nobody reads more than its header, until the ledger wants it again. */
static void test_a_flipped_byte_in_a_header_costs_nothing_that_was_drained(void **state) {
    struct scene *scene = *state;
    for (size_t file = 0; file < scene->path_count; file++)
        flip_each_byte(scene, file, SEGMENT_HEADER);
}

static void test_a_file_cut_short_costs_only_what_was_cut_off(void **state) {
    struct scene *scene = *state;
    for (size_t file = 0; file < scene->path_count; file++) {
        struct text content = whole_file(scene, file);
        for (size_t size = 0; size < content.size; size++) {
            struct damage damage = {file, size, content.size};
            if (!is_worth_it(scene, file, content, size))
                continue;
            damage_file(scene, &damage, text_slice(content.data, size));
        }
    }
}

static void fill_each_sector(struct scene *scene, size_t file, int byte) {
    struct text content = whole_file(scene, file);
    for (size_t at = 0; at < content.size; at += SECTOR) {
        struct damage damage = {file, at, at + SECTOR < content.size ? at + SECTOR : content.size};
        char *copy = memory_copy(content.data, content.size);
        memset(copy + at, byte, damage.end - at);
        damage_file(scene, &damage, text_slice(copy, content.size));
        free(copy);
    }
}

static void test_a_lost_sector_costs_only_the_records_in_it(void **state) {
    struct scene *scene = *state;
    for (size_t file = 0; file < scene->path_count; file++) {
        fill_each_sector(scene, file, 0);
        fill_each_sector(scene, file, 0xa5);
    }
}

static void test_a_lost_file_costs_only_what_was_in_it(void **state) {
    struct scene *scene = *state;
    for (size_t file = 0; file < scene->path_count; file++) {
        struct damage damage = {file, 0, whole_file(scene, file).size};
        damage_file(scene, &damage, (struct text){0});
    }
}

static void put_beside_the_first_file(struct scene *scene, const char *name) {
    struct string path = {0};
    const char *first = scene->paths[0];
    string_addf(&path, "%.*s/%s", (int)(strrchr(first, '/') - first), first, name);
    disk_sim_put(scene->whole, path.data, text_of("not ours"));
    string_finish(&path);
}

static void test_what_is_no_file_of_ours_is_in_nobodys_way(void **state) {
    static const char *const names[] = {"notes",
                                        "segment-",
                                        "segment-1",
                                        "segment-00000000001",
                                        "segment-0000000001~",
                                        "segment--000000001"};
    struct scene *scene = *state;
    struct damage none = {0};
    bool read[SPOOL_HOUSE_PUTS];
    const struct disk *disk = disk_sim_disk(scene->whole);
    disk_sim_put(scene->whole, "/spool/README", text_of("not a spool"));
    assert_int_equal(disk->make_folder(disk->arg, "/spool/lost+found"), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        put_beside_the_first_file(scene, names[i]);
    damage_file(scene, &none, whole_file(scene, 0));
    assert_int_equal(adopt_and_read(scene, read), 0);
}

/* ---------------------------------------------------------------- after it was found whole */

static void spoil_record(struct scene *scene, size_t number) {
    const struct place *place = &scene->places[number];
    struct text content = disk_sim_content(scene->house.sim, scene->paths[place->file]);
    char *copy = memory_copy(content.data, content.size);
    copy[place->end - 12] ^= 1;
    disk_sim_put(scene->house.sim, scene->paths[place->file], text_slice(copy, content.size));
    free(copy);
}

static void remove_file(struct scene *scene, size_t file) {
    const struct disk *disk = disk_sim_disk(scene->house.sim);
    assert_int_equal(disk->remove(disk->arg, scene->paths[file]), 0);
}

/* As whoever drains it does; how many there were. */
static size_t drain_again_from_the_start(struct scene *scene, struct spool *spool) {
    size_t numbers[SPOOL_HOUSE_PUTS];
    spool_drained(spool, 0);
    silence(scene);
    size_t found = spool_house_read_all(spool, numbers);
    end_silence(scene);
    spool_drained(spool, numbers[found - 1] + 1);
    return found;
}

static void judge_what_is_left(const struct spool *spool, size_t found, size_t lost) {
    struct spool_figures figures;
    spool_figures(spool, &figures);
    assert_int_equal(figures.damaged_records, lost);
    assert_int_equal(figures.undrained, 0);
    assert_int_equal(figures.oldest_undrained_ms, 0);
    assert_int_equal(spool_last(spool), found);
}

static struct spool *adopt_whole(struct scene *scene) {
    struct spool **adopted;
    struct string why = {0};
    damage_file(scene, &(struct damage){0}, whole_file(scene, 0));
    scene->house.options.keep_ms = 0;
    assert_int_equal(spool_adopt(scene->house.loop, &scene->house.options, &adopted, &why), 1);
    struct spool *spool = adopted[0];
    free(adopted);
    string_finish(&why);
    return spool;
}

static void test_records_spoilt_at_the_end_are_not_waited_for(void **state) {
    struct scene *scene = *state;
    size_t count = scene->record_count;
    struct spool *spool = adopt_whole(scene);
    spoil_record(scene, count - 2);
    spoil_record(scene, count - 1);
    assert_int_equal(drain_again_from_the_start(scene, spool), count - 2);
    judge_what_is_left(spool, count - 2, 2);
    assert_true(spool_is_done(spool));
    spool_destroy(spool);
}

static void test_the_records_of_a_last_file_that_is_gone_are_not_waited_for(void **state) {
    struct scene *scene = *state;
    size_t count = scene->record_count, lost = 0;
    size_t file = scene->places[count - 1].file;
    for (size_t i = 0; i < count; i++)
        lost += scene->places[i].file == file;
    struct spool *spool = adopt_whole(scene);
    remove_file(scene, file);
    assert_int_equal(drain_again_from_the_start(scene, spool), count - lost);
    judge_what_is_left(spool, count - lost, lost);
    assert_true(spool_is_done(spool));
    spool_destroy(spool);
}

/* What is put behind them is read all the same. */
static void test_records_lost_at_the_end_of_what_is_written_hold_up_no_others(void **state) {
    struct scene *scene = *state;
    struct spool_house *house = &scene->house;
    spool_house_use(house, disk_sim_create());
    assert_true(spool_house_start(house));
    forget_paths(scene);
    for (int i = 0; i < 5; i++)
        put_and_look(scene);
    spool_drained(house->spool, 5);
    spoil_record(scene, 3);
    spoil_record(scene, 4);
    assert_int_equal(drain_again_from_the_start(scene, house->spool), 3);
    judge_what_is_left(house->spool, 3, 2);
    struct record record;
    for (uint64_t number = 6; number < 9; number++) {
        spool_house_put(house, 1);
        spool_house_settle(house);
        assert_int_equal(spool_read(house->spool, number == 6 ? 3 : number - 1, &record, 1, 1), 1);
        assert_int_equal(record.sequence, number);
        spool_drained(house->spool, number);
    }
    spool_house_end(house);
}

/* ---------------------------------------------------------------- the checkpoint */

/* Of the files that there are, the first with this in its name; path_count: none. */
static size_t file_named(struct scene *scene, const char *word) {
    size_t file = 0;
    forget_paths(scene);
    scene->path_count = disk_sim_files(scene->house.sim, &scene->paths);
    while (file < scene->path_count && !strstr(scene->paths[file], word))
        file++;
    return file;
}

static bool the_first_segment_is_gone(struct scene *scene) {
    return file_named(scene, "/segment-0000000001") == scene->path_count;
}

/* Of what was put, the first segment is gone by the newest checkpoint, and not by the one before.
 */
static int set_up_partly_removed(void **state) {
    struct scene *scene = memory_new(sizeof *scene);
    struct spool_house *house = &scene->house;
    spool_house_open(house);
    assert_true(spool_house_start(house));
    do {
        spool_house_put(house, 5);
        spool_house_settle(house);
        spool_house_drain(house);
    } while (!the_first_segment_is_gone(scene));
    spool_house_put(house, 5);
    spool_house_settle(house);
    scene->whole = disk_sim_copy(house->sim);
    spool_house_end(house);
    *state = scene;
    return 0;
}

/* It says what was removed: without it, that is not taken for lost. */
static void test_a_damaged_checkpoint_makes_no_record_missing(void **state) {
    struct scene *scene = *state;
    size_t file = file_named(scene, "/checkpoint"), count = scene->house.sent_count;
    struct text content = whole_file(scene, file);
    char *copy = memory_copy(content.data, content.size);
    for (size_t at = 0; at < content.size; at++) {
        bool read[SPOOL_HOUSE_PUTS] = {false};
        struct damage damage = {file, at, at + 1};
        if (!is_worth_it(scene, file, content, at))
            continue;
        copy[at] ^= 1;
        damage_file(scene, &damage, text_slice(copy, content.size));
        copy[at] ^= 1;
        silence(scene);
        int64_t reported = adopt_and_read(scene, read);
        end_silence(scene);
        if (reported)
            show(scene, &damage);
        assert_int_equal(reported, 0);
        for (size_t i = count - 5; i < count; i++)
            assert_true(read[i]);
    }
    free(copy);
}

static void spoil_file(struct scene *scene, const char *word, size_t size) {
    size_t file = file_named(scene, word);
    struct text content = disk_sim_content(scene->whole, scene->paths[file]);
    char *copy = memory_copy(content.data, content.size);
    memset(copy, 0xa5, size < content.size ? size : content.size);
    disk_sim_put(scene->whole, scene->paths[file], text_slice(copy, content.size));
    free(copy);
}

static void test_without_a_checkpoint_and_a_first_header_nobody_knows_of_more(void **state) {
    struct scene *scene = *state;
    bool read[SPOOL_HOUSE_PUTS] = {false};
    spoil_file(scene, "/checkpoint", SIZE_MAX);
    spoil_file(scene, "/segment-", SEGMENT_HEADER);
    damage_file(scene, &(struct damage){0}, whole_file(scene, 0));
    silence(scene);
    int64_t reported = adopt_and_read(scene, read);
    end_silence(scene);
    assert_int_equal(reported, SEGMENT_HEADER);
    assert_true(read[scene->house.sent_count - 1]);
}

int main(void) {
#define PROMISE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define DRAINED(test) cmocka_unit_test_setup_teardown(test, set_up_drained, tear_down)
    const struct CMUnitTest tests[] = {
        PROMISE(test_the_scene_is_whole),
        PROMISE(test_a_flipped_byte_costs_at_most_its_record),
        PROMISE(test_a_file_cut_short_costs_only_what_was_cut_off),
        PROMISE(test_a_lost_sector_costs_only_the_records_in_it),
        PROMISE(test_a_lost_file_costs_only_what_was_in_it),
        PROMISE(test_what_is_no_file_of_ours_is_in_nobodys_way),
        PROMISE(test_records_spoilt_at_the_end_are_not_waited_for),
        PROMISE(test_the_records_of_a_last_file_that_is_gone_are_not_waited_for),
        PROMISE(test_records_lost_at_the_end_of_what_is_written_hold_up_no_others),
        cmocka_unit_test_setup_teardown(test_a_damaged_checkpoint_makes_no_record_missing,
                                        set_up_partly_removed, tear_down),
        cmocka_unit_test_setup_teardown(
            test_without_a_checkpoint_and_a_first_header_nobody_knows_of_more,
            set_up_partly_removed, tear_down),
        DRAINED(test_the_scene_is_whole),
        DRAINED(test_a_flipped_byte_in_a_header_costs_nothing_that_was_drained),
        DRAINED(test_a_lost_sector_costs_only_the_records_in_it),
        DRAINED(test_a_lost_file_costs_only_what_was_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
