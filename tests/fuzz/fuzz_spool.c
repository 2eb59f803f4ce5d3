/* The spool's reader on bytes that somebody has made up: it may find nothing or
 * much, but it stays within them, comes to an end, and gives out only whole
 * records in order.
 *
 * The input is read twice: as the bytes of records, and as a list of commands
 * that change the files of a spool made here, so that checksums which no chance
 * would hit are right where nothing was changed. */
#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "disk_sim.h"
#include "net/loop.h"
#include "spool/segment.h"
#include "spool/spool.h"

enum { SEGMENT_BYTES = 2048, RECORDS = 9, BATCH = 4, READS_MOST = 100000, FILE_MOST = 1 << 16 };

static struct loop *loop;
static struct disk_sim *model; /* the undamaged spool */
static uint64_t model_id;
static char **paths;
static size_t path_count;

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

static void make_model(void) {
    struct disk_sim *sim = disk_sim_create();
    struct spool_options options = options_on(sim);
    struct string why = {0};
    log_start("fuzz", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    loop = loop_create();
    struct spool *spool = spool_create(loop, &options, &why);
    assert(spool);
    model_id = strtoull(spool_id(spool), NULL, 16);
    fill(spool);
    model = disk_sim_copy(sim); /* as a process leaves it that is killed */
    path_count = disk_sim_files(model, &paths);
    spool_destroy(spool);
    disk_sim_destroy(sim);
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
    memcpy(content, old.data, old.size);
    if (bytes.size)
        memcpy(content + at, bytes.data, bytes.size);
    disk_sim_put(sim, path, text_slice(content, size));
    free(content);
}

/* A record with a right checksum, wherever, of whatever number, in whatever segment. */
static void write_record(struct disk_sim *sim, const char *path, struct input *input) {
    size_t at = take_size(input) / RECORD_ALIGN * RECORD_ALIGN;
    uint64_t segment = segment_key(model_id, take(input) % 5);
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

static void one_command(struct disk_sim *sim, struct input *input) {
    enum { WRITE, RECORD, CUT, ZEROS, REPLACE, EXCHANGE, FLIP, COMMANDS };
    unsigned command = take(input) % COMMANDS;
    const char *path = paths[take(input) % path_count];
    struct text content = disk_sim_content(sim, path);
    size_t at;
    switch (command) {
    case WRITE:
        at = take_size(input);
        write_into(sim, path, at, take_text(input, take(input)));
        break;
    case RECORD:
        write_record(sim, path, input);
        break;
    case CUT:
        at = take_size(input);
        disk_sim_put(sim, path, text_slice(content.data, at < content.size ? at : content.size));
        break;
    case ZEROS:
        at = take_size(input);
        write_into(sim, path, at, text_slice((const char[256]){0}, take(input)));
        break;
    case REPLACE:
        disk_sim_put(sim, path, take_text(input, take_size(input)));
        break;
    case EXCHANGE:
        exchange(sim, path, paths[take(input) % path_count]);
        break;
    case FLIP:
        at = take_size(input);
        if (at < content.size)
            write_into(sim, path, at,
                       text_slice(&(char){(char)(content.data[at] ^ 1 << at % 8)}, 1));
        break;
    default:
        break;
    }
}

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
        }
    }
    spool_drained(spool, after);
}

static void adopt_and_read(struct disk_sim *sim) {
    struct spool_options options = options_on(sim);
    struct spool_figures figures;
    struct spool **adopted = NULL;
    struct string why = {0};
    int count = spool_adopt(loop, &options, &adopted, &why);
    assert(count >= 0 || why.size > 0);
    for (int i = 0; i < count; i++) {
        read_all(adopted[i]);
        spool_figures(adopted[i], &figures);
        if (spool_is_done(adopted[i]))
            spool_remove(&adopted[i]);
        else
            spool_destroy(adopted[i]);
    }
    free(adopted);
    string_finish(&why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!model)
        make_model();
    decode_all(text_slice((const char *)data, size));
    struct disk_sim *sim = disk_sim_copy(model);
    struct input input = {data, data + size};
    for (int commands = 0; input.at < input.end && commands < 32; commands++)
        one_command(sim, &input);
    adopt_and_read(sim);
    adopt_and_read(sim); /* what the first start made of it */
    disk_sim_destroy(sim);
    return 0;
}
