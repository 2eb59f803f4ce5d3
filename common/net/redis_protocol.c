#include "net/redis_protocol.h"

#include <assert.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { HEADER_BYTES = TEXT_DIGITS + 3 }; /* "$", CR, LF */

size_t redis_command_bytes(const struct text *words, size_t count) {
    size_t bytes = HEADER_BYTES;
    for (size_t i = 0; i < count; i++)
        bytes += words[i].size + HEADER_BYTES;
    return bytes;
}

static char *add_header(char *to, char kind, size_t number) {
    char digits[TEXT_DIGITS];
    struct text shown = text_of_int((int64_t)number, digits);
    *to++ = kind;
    memcpy(to, shown.data, shown.size);
    memcpy(to + shown.size, "\r\n", 2);
    return to + shown.size + 2;
}

char *redis_command_begin(char *to, size_t count) {
    return add_header(to, '*', count);
}

char *redis_command_add(char *to, const struct text *words, size_t count) {
    for (size_t i = 0; i < count; i++) {
        to = add_header(to, '$', words[i].size);
        if (words[i].size)
            memcpy(to, words[i].data, words[i].size);
        to += words[i].size;
        memcpy(to, "\r\n", 2);
        to += 2;
    }
    return to;
}

/* More items than any reply of ours has; what claims so many is not our Redis. */
enum { MOST_ITEMS = 1024 * 1024 };

/* hiredis 1 counts in size_t and knows two more types, which RESP2 does not send. */
#if HIREDIS_MAJOR >= 1
typedef size_t item_count;
#else
typedef int item_count;
#endif

struct redis_reader {
    redisReader *reader;
};

/* The place of a value: in the array it belongs to, or by itself. hiredis only
 * ever frees the outermost one. */
static struct redis_value *place(const redisReadTask *task) {
    if (!task->parent)
        return memory_new(sizeof(struct redis_value));
    const struct redis_value *array = task->parent->obj;
    return (struct redis_value *)(uintptr_t)&array->items[task->idx];
}

static void *on_string(const redisReadTask *task, char *data, size_t size) {
    struct redis_value *value = place(task);
    value->kind = task->type == REDIS_REPLY_ERROR    ? REDIS_ERROR
                  : task->type == REDIS_REPLY_STATUS ? REDIS_STATUS
                                                     : REDIS_TEXT;
    value->text = text_slice(memory_copy(data, size), size);
    return value;
}

static void *on_array(const redisReadTask *task, item_count count) {
    if ((size_t)count > MOST_ITEMS)
        return NULL;
    struct redis_value *value = place(task);
    value->kind = REDIS_ARRAY;
    value->count = (size_t)count;
    value->items = memory_new((size_t)count * sizeof *value->items);
    return value;
}

static void *on_integer(const redisReadTask *task, long long integer) {
    struct redis_value *value = place(task);
    value->kind = REDIS_INTEGER;
    value->integer = integer;
    return value;
}

static void *on_nil(const redisReadTask *task) {
    return place(task); /* all zero is a NIL */
}

static void finish(const struct redis_value *value) {
    for (size_t i = 0; i < value->count; i++)
        finish(&value->items[i]);
    free((void *)(uintptr_t)value->items);
    free((void *)(uintptr_t)value->text.data);
}

static void on_free(void *value) {
    redis_value_destroy(value);
}

#if HIREDIS_MAJOR >= 1
static void *on_double(const redisReadTask *task, double number, char *data, size_t size) {
    (void)task, (void)number, (void)data, (void)size;
    return NULL;
}

static void *on_bool(const redisReadTask *task, int yes) {
    (void)task, (void)yes;
    return NULL;
}
#endif

static redisReplyObjectFunctions functions = {
    .createString = on_string,
    .createArray = on_array,
    .createInteger = on_integer,
    .createNil = on_nil,
    .freeObject = on_free,
#if HIREDIS_MAJOR >= 1
    .createDouble = on_double,
    .createBool = on_bool,
#endif
};

struct redis_reader *redis_reader_create(void) {
    struct redis_reader *reader = memory_new(sizeof *reader);
    reader->reader = redisReaderCreateWithFunctions(&functions);
    assert(reader->reader);
    return reader;
}

void redis_reader_destroy(struct redis_reader *reader) {
    if (!reader)
        return;
    redisReaderFree(reader->reader);
    free(reader);
}

void redis_reader_feed(struct redis_reader *reader, struct text piece) {
    assert(piece.size <= REDIS_READ_PIECE);
    redisReaderFeed(reader->reader, piece.data, piece.size);
}

enum redis_read redis_reader_next(struct redis_reader *reader, struct redis_value **value) {
    void *reply = NULL;
    if (redisReaderGetReply(reader->reader, &reply) != REDIS_OK)
        return REDIS_READ_BROKEN;
    *value = reply;
    return reply ? REDIS_READ_REPLY : REDIS_READ_MORE;
}

void redis_value_destroy(struct redis_value *value) {
    if (!value)
        return;
    finish(value);
    free(value);
}

const struct redis_value *redis_item(const struct redis_value *value, size_t i) {
    static const struct redis_value nil = {.kind = REDIS_NIL};
    return value->kind == REDIS_ARRAY && i < value->count ? &value->items[i] : &nil;
}

struct text redis_text(const struct redis_value *value) {
    bool has_text =
        value->kind == REDIS_TEXT || value->kind == REDIS_STATUS || value->kind == REDIS_ERROR;
    return has_text ? value->text : (struct text){0};
}

int64_t redis_integer(const struct redis_value *value) {
    uint64_t number;
    if (value->kind == REDIS_INTEGER)
        return value->integer;
    return text_to_uint(redis_text(value), INT64_MAX, &number) ? (int64_t)number : 0;
}
