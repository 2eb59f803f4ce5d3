#include "ledger/command.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "ledger/room.h"

static void add_piece(struct command *command, struct command_piece piece) {
    if (command->count == command->capacity) {
        command->capacity = command->capacity ? command->capacity * 2 : 16;
        command->pieces =
            memory_resize(command->pieces, command->capacity * sizeof *command->pieces);
    }
    command->pieces[command->count++] = piece;
}

static void add_made(struct command *command, size_t at) {
    add_piece(command, (struct command_piece){{NULL, command->made.size - at}, at});
}

static void add_made_key(struct command *command, const struct ledger *ledger,
                         const struct text *parts, size_t count) {
    size_t at = command->made.size;
    string_add_of(&command->made, ledger->prefix);
    for (size_t i = 0; i < count; i++) {
        string_add_char(&command->made, ':');
        string_add(&command->made, parts[i]);
    }
    assert(!command->script || command->keys == command->count);
    add_made(command, at);
    command->keys++;
}

void command_key(struct command *command, const struct ledger *ledger, const char *kind) {
    add_made_key(command, ledger, (struct text[]){text_of(kind)}, 1);
}

void command_key_of(struct command *command, const struct ledger *ledger, const char *kind,
                    struct text name) {
    add_made_key(command, ledger, (struct text[]){text_of(kind), name}, 2);
}

void command_key_of_id(struct command *command, const struct ledger *ledger, const char *kind,
                       struct text name, struct text id) {
    add_made_key(command, ledger, (struct text[]){text_of(kind), name, id}, 3);
}

void command_whole_key(struct command *command, struct text key) {
    assert(command->keys == command->count);
    command_text(command, key);
    command->keys++;
}

void command_text(struct command *command, struct text text) {
    add_piece(command,
              (struct command_piece){text_slice(text.data ? text.data : "", text.size), 0});
}

void command_text_of(struct command *command, const char *nul_terminated) {
    command_text(command, text_of(nul_terminated));
}

void command_copy(struct command *command, struct text text) {
    size_t at = command->made.size;
    string_add(&command->made, text);
    add_made(command, at);
}

void command_number(struct command *command, int64_t number) {
    char digits[TEXT_DIGITS];
    command_copy(command, text_of_int(number, digits));
}

static void add_escaped(struct text literal, struct string *lua) {
    for (size_t i = 0; i < literal.size; i++) {
        char c = literal.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain)
            string_add_char(lua, '%');
        string_add_char(lua, c);
    }
}

/* As Lua's string.find reads it. */
static void add_lua(struct text pattern, struct string *lua) {
    string_add_char(lua, '^');
    if (text_is(pattern, "*")) {
        string_add_of(lua, ".*$");
        return;
    }
    while (pattern.size) {
        struct text segment = text_cut(&pattern, '.');
        bool last = pattern.size == 0;
        if (!text_is(segment, "*"))
            add_escaped(segment, lua);
        else
            string_add_of(lua, last ? ".+" : "[^.]+");
        if (!last)
            string_add_of(lua, "%.");
    }
    string_add_char(lua, '$');
}

void command_pattern(struct command *command, struct text pattern) {
    size_t at = command->made.size;
    if (text_starts(pattern, "!")) {
        string_add_char(&command->made, '!');
        pattern = text_slice(pattern.data + 1, pattern.size - 1);
    }
    add_lua(pattern, &command->made);
    add_made(command, at);
}

void command_send(struct command *command, struct redis *redis, int64_t deadline_ms,
                  bool repeatable, redis_done_fn *fn, void *arg) {
    struct text *args = memory_new(command->count * sizeof *args);
    for (size_t i = 0; i < command->count; i++) {
        args[i] = command->pieces[i].text;
        if (!args[i].data)
            args[i].data = command->made.data + command->pieces[i].at;
    }
    redis_call(redis,
               &(struct redis_call){.script = command->script,
                                    .key_count = command->script ? command->keys : 0,
                                    .args = args,
                                    .count = command->count,
                                    .deadline_ms = deadline_ms,
                                    .block_ms = command->block_ms,
                                    .fresh_ms = command->fresh_ms,
                                    .repeatable = repeatable},
               fn, arg);
    free(args);
    command_finish(command);
}

void command_finish(struct command *command) {
    free(command->pieces);
    string_finish(&command->made);
    *command = (struct command){0};
}
