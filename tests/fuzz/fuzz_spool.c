/* The spool's reader on bytes that somebody has made up: it may find nothing or
 * much, but it stays within them, comes to an end, and gives out only whole
 * records in order; and what no command has hit, it gives out.
 *
 * The input is read twice: as the bytes of records, and as a list of commands
 * that change the files of a spool made here, so that checksums which no chance
 * would hit are right where nothing was changed. Its last byte says which spool:
 * one of which nothing was drained, or one of which all was, and then forgotten. */
#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "disk_sim.h"
#include "net/loop.h"
#include "spool/checkpoint.h"
#include "spool/recover.h"
#include "spool/segment.h"
#include "spool/spool.h"

enum {
    SEGMENT_BYTES = 1024,
    RECORDS = 11,
    BATCH = 4,
    READS_MOST = 100000,
    FILE_MOST = 1 << 16,
    COMMANDS_MOST = 32,
    FOLDER_SIZE = 6 + 1 + 16, /* "/spool", a slash, the id */
};

/* An undamaged spool, as it lies on a disk. */
struct model {
    struct disk_sim *sim;
    uint64_t id;
    char **paths;
    size_t path_count;
    struct {
        size_t file, start, end;
    } places[RECORDS]; /* of its records */
};

static struct loop *loop;
static struct model models[2]; /* not drained; drained */
static struct model *model;    /* the one of this input */

/* What became of the records of the model, while nothing but damage was done. */
static bool honest;
static bool hit[RECORDS], read_back[RECORDS];

static struct spool_options options_on(struct disk_sim *sim) {
    return (struct spool_options){
        .directory = "/spool",
        .max_bytes = 1 << 20,
        .keep_ms = INT64_C(100) * 365 * 24 * 3600 * 1000,
        .least_free_bytes = 1,
        .segment_bytes = SEGMENT_BYTES,
        .disk = disk_sim_disk(sim),
    };
}

/* ---------------------------------------------------------------- the model */

static void on_put(void *arg, enum spool_put outcome) {
    unsigned *ended = arg;
    assert(outcome == SPOOL_SYNCED);
    ++*ended;
}

static void put_one(struct spool *spool, size_t number, unsigned *ended) {
    static const char body[] =
        "{\"id\":\"evt_1\",\"type\":\"candidate.created\",\"data\":{\"x\":\"yyyyyyyy"
        "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\"}}";
    struct record record = {.received_ms = 1764000000000,
                            .kind = number % 4 ? RECORD_EVENT : RECORD_PEN,
                            .endpoint = text_of("/kula"),
                            .body = text_slice(body, sizeof body - 1 - number)};
    if (record.kind == RECORD_EVENT)
        record.id = text_of("evt_1");
    else
        record.reason = text_of("not JSON");
    spool_put(spool, &record, on_put, ended);
}

static void fill(struct spool *spool) {
    unsigned ended = 0;
    for (unsigned i = 0; i < RECORDS; i++) {
        put_one(spool, i, &ended);
        while (ended <= i)
            loop_turn(loop);
    }
}

static uint64_t number_of(const char *path) {
    uint64_t number;
    const char *name = strrchr(path, '/') + 1;
    return segment_name_parse(name, &number) ? number : 0;
}

/* Fills in where the records of one file are. */
static void find_places(struct model *made, size_t file) {
    struct text rest = disk_sim_content(made->sim, made->paths[file]);
    const char *begin = rest.data;
    uint64_t key = segment_key(made->id, number_of(made->paths[file]));
    struct record record;
    size_t bytes;
    for (; rest.size; rest = text_slice(rest.data + bytes, rest.size - bytes)) {
        if (record_decode(rest, key, &record, &bytes) != RECORD_WHOLE)
            continue;
        size_t at = (size_t)(rest.data - begin);
        made->places[record.sequence - 1].file = file;
        made->places[record.sequence - 1].start = at;
        made->places[record.sequence - 1].end = at + bytes;
    }
}

static void make_model(struct model *made, bool drained) {
    struct disk_sim *sim = disk_sim_create();
    struct spool_options options = options_on(sim);
    struct string why = {0};
    struct spool *spool = spool_create(loop, &options, &why);
    assert(spool);
    made->id = strtoull(spool_id(spool), NULL, 16);
    fill(spool);
    if (drained)
        spool_drained(spool, RECORDS);
    else
        made->sim = disk_sim_copy(sim); /* as a process leaves it that is killed */
    spool_destroy(spool);
    if (drained)
        made->sim = disk_sim_copy(sim);
    disk_sim_destroy(sim);
    made->path_count = disk_sim_files(made->sim, &made->paths);
    for (size_t i = 0; i < made->path_count; i++)
        find_places(made, i);
    assert(made->places[0].file != made->places[RECORDS / 2].file);
    assert(made->places[RECORDS / 2].file != made->places[RECORDS - 1].file);
}

static void make_models(void) {
    log_start("fuzz", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    loop = loop_create();
    make_model(&models[0], false);
    make_model(&models[1], true);
}

/* ---------------------------------------------------------------- records */

static bool is_within(struct text part, struct text all) {
    return part.size == 0 || (part.data >= all.data && part.size <= all.size &&
                              part.data - all.data <= (ptrdiff_t)(all.size - part.size));
}

static void check_whole(struct text from, const struct record *record, size_t bytes) {
    const struct text texts[] = {record->endpoint, record->id,        record->type,
                                 record->account,  record->created,   record->trace,
                                 record->reason,   record->signature, record->body};
    assert(bytes <= from.size && bytes == record_bytes(record));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert(is_within(texts[i], text_slice(from.data, bytes)));
}

/* With the length that it has and the checksums that it should have. */
static void seal(char *record, size_t size, uint64_t segment) {
    enum { LENGTH_AT = 12 };
    uint32_t length = htole32((uint32_t)(size / RECORD_ALIGN * RECORD_ALIGN));
    memcpy(record + LENGTH_AT, &length, sizeof length);
    record_seal(record, segment);
}

static void decode_all(struct text from) {
    uint64_t segment = from.size ? (uint64_t)(unsigned char)from.data[0] % 3 : 0;
    char *copy = memory_new(from.size ? from.size : 1);
    memcpy(copy, from.data, from.size);
    struct text all = text_slice(copy, from.size);
    struct record record;
    size_t bytes;
    /* Nobody's checksum is right by chance: the second time round, it is made so. */
    for (int i = 0; i < 2; i++) {
        for (struct text rest = all; rest.size > 0;
             rest = text_slice(rest.data + bytes, rest.size - bytes)) {
            enum record_found found = record_decode(rest, segment, &record, &bytes);
            assert(bytes > 0 && bytes <= rest.size);
            if (found == RECORD_WHOLE)
                check_whole(rest, &record, bytes);
        }
        if (all.size >= RECORD_HEAD)
            seal(copy, all.size, segment);
    }
    free(copy);
}

/* ---------------------------------------------------------------- a spool's folder */

struct input {
    const unsigned char *at, *end;
};

static unsigned take(struct input *input) {
    return input->at < input->end ? *input->at++ : 0;
}

static size_t take_size(struct input *input) {
    size_t high = take(input);
    return high << 8 | take(input);
}

static struct text take_text(struct input *input, size_t most) {
    size_t left = (size_t)(input->end - input->at), size = most < left ? most : left;
    struct text text = text_slice((const char *)input->at, size);
    input->at += size;
    return text;
}

static void write_into(struct disk_sim *sim, const char *path, size_t at, struct text bytes) {
    struct text old = disk_sim_content(sim, path);
    size_t size = at + bytes.size > old.size ? at + bytes.size : old.size;
    char *content = memory_new(size + 1);
    assert(size <= 2 * FILE_MOST);
    if (old.size)
        memcpy(content, old.data, old.size);
    if (bytes.size)
        memcpy(content + at, bytes.data, bytes.size);
    disk_sim_put(sim, path, text_slice(content, size));
    free(content);
}

/* The bytes of this file from `from` up to `to` are not what they were. */
static void note_hit(const char *path, size_t from, size_t to) {
    for (size_t i = 0; i < RECORDS; i++)
        if (strcmp(model->paths[model->places[i].file], path) == 0 && from < model->places[i].end &&
            to > model->places[i].start)
            hit[i] = true;
}

/* A record with a right checksum, wherever, of whatever number, in whatever segment. */
static void write_record(struct disk_sim *sim, const char *path, struct input *input) {
    size_t at = take_size(input) / RECORD_ALIGN * RECORD_ALIGN;
    uint64_t segment = segment_key(model->id, take(input) % 5);
    struct record record = {.kind = RECORD_EVENT, .received_ms = 1764000000000};
    record.sequence = take(input) % 2 ? UINT64_MAX - take(input) : take(input);
    record.id = take_text(input, take(input) % 20);
    record.body = take_text(input, take_size(input) % 500);
    char *bytes = memory_new(record_bytes(&record));
    record_encode(&record, segment, bytes);
    write_into(sim, path, at, text_slice(bytes, record_bytes(&record)));
    free(bytes);
}

static void exchange(struct disk_sim *sim, const char *one, const char *other) {
    struct text content = disk_sim_content(sim, one);
    char *copy = memory_copy(content.data, content.size);
    size_t size = content.size;
    disk_sim_put(sim, one, disk_sim_content(sim, other));
    disk_sim_put(sim, other, text_slice(copy, size));
    free(copy);
}

static uint64_t take_number(struct input *input) {
    unsigned number = take(input);
    return number < 128 ? number : UINT64_MAX - (255 - number);
}

static int64_t take_bytes(struct input *input) {
    enum { MOST = 127 };
    uint64_t number = take_number(input);
    return number == MOST ? INT64_MAX : (int64_t)number * 64;
}

/* With right checksums, and whatever in them. */
static void write_header(struct disk_sim *sim, const char *path, struct input *input) {
    char bytes[SEGMENT_HEADER];
    struct segment_header header = {
        .number = number_of(path),
        .first = take_number(input),
        .after = take_number(input),
        .bytes = take_bytes(input),
    };
    segment_header_encode(&header, model->id, bytes);
    write_into(sim, path, 0, text_slice(bytes, sizeof bytes));
}

/* Of an open spool or, where it tells how many bytes its newest segment takes, of a closed one. */
static void write_checkpoint(struct disk_sim *sim, struct input *input) {
    char folder[FOLDER_SIZE + 1] = {0};
    struct checkpoint checkpoint = {
        .generation = take_number(input),
        .drained = take_number(input),
        .removed = take_number(input),
        .last = take_number(input),
        .newest = take_number(input),
        .newest_bytes = take_bytes(input),
        .newest_ms = (int64_t)take_number(input) * 14000000000, /* up to now, about */
    };
    memcpy(folder, model->paths[0], FOLDER_SIZE);
    checkpoint_write(disk_sim_disk(sim), folder, model->id, &checkpoint);
}

static bool is_there(struct disk_sim *sim, const char *path) {
    char **found;
    size_t count = disk_sim_files(sim, &found);
    bool there = false;
    for (size_t i = 0; i < count; i++) {
        there = there || strcmp(found[i], path) == 0;
        free(found[i]);
    }
    free(found);
    return there;
}

enum command {
    WRITE,
    RECORD,
    CUT,
    ZEROS,
    REPLACE,
    EXCHANGE,
    FLIP,
    HEADER,
    CHECKPOINT,
    REMOVE,
    ADOPT, /* what follows happens after the adoption */
    COMMANDS,
};

/* What may make bytes right that were not there: then nothing is said of what is read. */
static bool is_forgery(enum command command) {
    return command == RECORD || command == REPLACE || command == EXCHANGE || command == HEADER ||
           command == CHECKPOINT;
}

static void damage(struct disk_sim *sim, const char *path, enum command command,
                   struct input *input) {
    struct text content = disk_sim_content(sim, path), bytes;
    size_t at = take_size(input);
    size_t cut = at < content.size ? at : content.size;
    switch (command) {
    case WRITE:
        bytes = take_text(input, take(input));
        note_hit(path, at, at + bytes.size);
        write_into(sim, path, at, bytes);
        break;
    case CUT:
        note_hit(path, cut, SIZE_MAX);
        disk_sim_put(sim, path, text_slice(content.data, cut));
        break;
    case ZEROS:
        bytes = text_slice((const char[256]){0}, take(input));
        note_hit(path, at, at + bytes.size);
        write_into(sim, path, at, bytes);
        break;
    default: /* FLIP */
        note_hit(path, at, at + 1);
        if (at < content.size)
            write_into(sim, path, at,
                       text_slice(&(char){(char)(content.data[at] ^ 1 << at % 8)}, 1));
        break;
    }
}

static void remove_file(struct disk_sim *sim, const char *path) {
    const struct disk *disk = disk_sim_disk(sim);
    disk->remove(disk->arg, path);
    note_hit(path, 0, SIZE_MAX);
}

/* False: the rest is for after the adoption. */
static bool one_command(struct disk_sim *sim, struct input *input) {
    enum command command = (enum command)(take(input) % COMMANDS);
    if (command == ADOPT)
        return false;
    const char *path = model->paths[take(input) % model->path_count];
    if (command == CHECKPOINT)
        write_checkpoint(sim, input);
    honest = honest && !is_forgery(command);
    if (!is_there(sim, path))
        return true;
    if (command == RECORD)
        write_record(sim, path, input);
    else if (command == HEADER)
        write_header(sim, path, input);
    else if (command == REPLACE)
        disk_sim_put(sim, path, take_text(input, take_size(input)));
    else if (command == EXCHANGE) {
        const char *other = model->paths[take(input) % model->path_count];
        if (is_there(sim, other))
            exchange(sim, path, other);
    } else if (command == REMOVE)
        remove_file(sim, path);
    else if (command != CHECKPOINT)
        damage(sim, path, command, input);
    return true;
}

static void run_commands(struct disk_sim *sim, struct input *input) {
    for (int i = 0; input->at < input->end && i < COMMANDS_MOST; i++)
        if (!one_command(sim, input))
            return;
}

/* ---------------------------------------------------------------- reading it */

static void read_all(struct spool *spool) {
    struct record records[BATCH];
    uint64_t after = 0;
    unsigned reads = 0;
    int count;
    while ((count = spool_read(spool, after, records, BATCH, SEGMENT_BYTES)) > 0) {
        reads++;
        assert(count <= BATCH && reads < READS_MOST);
        for (int i = 0; i < count; i++) {
            assert(records[i].sequence > after);
            after = records[i].sequence;
            free(memory_copy(records[i].body.data, records[i].body.size));
            free(memory_copy(records[i].id.data, records[i].id.size));
            if (after >= 1 && after <= RECORDS)
                read_back[after - 1] = true;
        }
    }
    spool_drained(spool, after);
}

static void check_survey(struct disk_sim *sim) {
    char folder[FOLDER_SIZE + 1] = {0};
    struct string why = {0};
    memcpy(folder, model->paths[0], FOLDER_SIZE);
    struct recovery recovery = {
        .disk = disk_sim_disk(sim), .folder = folder, .spool = model->id, .survey = true};
    uint64_t records = 0;
    const struct segment *segment;
    bool good = recover(&recovery, &why);
    assert(good || why.size > 0);
    TAILQ_FOREACH (segment, &recovery.segments, segments) {
        records += segment->records;
        assert(segment->records > 0);
    }
    if (good)
        assert(recovery.undrained <= records);
    assert(recovery.damage_count <= SPOOL_DAMAGE_MOST);
    recovery_finish(&recovery);
    string_finish(&why);
}

static void check_read_back(void) {
    for (size_t i = 0; honest && i < RECORDS; i++)
        assert(hit[i] || read_back[i]);
}

/* Twice: the second time, of what the first start made of it. */
static void adopt_and_read(struct disk_sim *sim, struct input *input) {
    struct spool_options options = options_on(sim);
    struct spool_figures figures;
    struct spool **adopted = NULL;
    struct string why = {0};
    int count = spool_adopt(loop, &options, &adopted, &why);
    assert(count >= 0 || why.size > 0);
    run_commands(sim, input);
    memset(read_back, 0, sizeof read_back);
    for (int i = 0; i < count; i++) {
        spool_drained(adopted[i], 0);
        read_all(adopted[i]);
        spool_figures(adopted[i], &figures);
        assert(figures.bytes >= 0 && figures.undrained <= figures.records);
        if (!spool_is_done(adopted[i]) || !spool_remove(&adopted[i]))
            spool_destroy(adopted[i]);
    }
    if (count >= 0)
        check_read_back();
    free(adopted);
    string_finish(&why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!loop)
        make_models();
    model = &models[size ? data[size - 1] % 2 : 0];
    honest = true;
    memset(hit, 0, sizeof hit);
    decode_all(text_slice((const char *)data, size));
    struct disk_sim *sim = disk_sim_copy(model->sim);
    struct input input = {data, data + size};
    run_commands(sim, &input);
    check_survey(sim);
    adopt_and_read(sim, &input);
    adopt_and_read(sim, &input);
    disk_sim_destroy(sim);
    return 0;
}
