#include "base/config_draft.h"

#include <stdlib.h>
#include <string.h>

#include "base/config_table.h"
#include "base/memory.h"

struct config_draft *config_draft_create(const char *name, enum config_for needs) {
    struct config_draft *draft = memory_new(sizeof(*draft));
    draft->config.file = text_copy(text_of(name));
    draft->needs = needs;
    return draft;
}

static void finish_list(struct secret *secrets, size_t count) {
    for (size_t i = 0; secrets && i < count; i++)
        secret_finish(&secrets[i]);
    free(secrets);
}

static void wipe_headers(const struct config_header *headers, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (headers[i].file && headers[i].value)
            explicit_bzero(headers[i].value, strlen(headers[i].value));
}

static void finish_secrets(struct config *config) {
    secret_finish(&config->redis_password);
    secret_finish(&config->kula.token);
    for (size_t i = 0; i < config->endpoint_count; i++)
        finish_list(config->endpoints[i].secrets, config->endpoints[i].secret_file_count);
    for (size_t i = 0; i < config->service_count; i++) {
        const struct config_service *service = &config->services[i];
        finish_list(service->sign_keys, service->sign_secret_file_count);
        secret_finish(&config->services[i].ca);
        secret_finish(&config->services[i].certificate);
        secret_finish(&config->services[i].key);
        wipe_headers(service->headers, service->header_count);
    }
}

static void finish_problems(struct config_draft *draft) {
    for (size_t i = 0; i < draft->problem_count; i++)
        free(draft->problems[i].sentence);
    free(draft->problems);
    draft->problems = NULL;
    draft->problem_count = 0;
}

void config_draft_destroy(struct config_draft *draft) {
    if (!draft)
        return;
    finish_secrets(&draft->config);
    config_table_finish(&draft->config);
    for (size_t i = 0; i < draft->note_count; i++) {
        free(draft->notes[i].path);
        free(draft->notes[i].value);
    }
    free(draft->notes);
    finish_problems(draft);
    string_finish(&draft->yaml);
    free(draft->config.file);
    free(draft);
}

/* Room doubles whenever the count is a power of two. */
static void *room_for_one_more(void *array, size_t count, size_t item_bytes) {
    if (count & (count - 1))
        return array;
    return memory_resize(array, (count ? count * 2 : 1) * item_bytes);
}

static struct config_note *find_note(const struct config_draft *draft, struct text path) {
    for (size_t i = 0; i < draft->note_count; i++)
        if (text_is(path, draft->notes[i].path))
            return &draft->notes[i];
    return NULL;
}

void config_draft_note(struct config_draft *draft, const char *path, const char *value,
                       struct yaml_place at) {
    draft->notes = room_for_one_more(draft->notes, draft->note_count, sizeof(*draft->notes));
    draft->notes[draft->note_count++] = (struct config_note){
        .path = text_copy(text_of(path)),
        .value = value ? text_copy(text_of(value)) : NULL,
        .at = at,
    };
}

void config_draft_override(struct config_draft *draft, const char *path, const char *value,
                           const char *variable) {
    size_t size = strlen(path);
    if (!find_note(draft, text_of(path)))
        config_draft_note(draft, path, NULL, (struct yaml_place){0});
    for (size_t i = 0; i < draft->note_count; i++) {
        struct config_note *note = &draft->notes[i];
        bool is_item = strncmp(note->path, path, size) == 0 && note->path[size] == '[';
        if (strcmp(note->path, path) != 0 && !is_item)
            continue;
        free(note->value);
        note->value = is_item ? NULL : text_copy(text_of(value));
        note->at = (struct yaml_place){0};
        note->variable = variable;
    }
}

/* The note itself, or that of the nearest thing it is in that stands somewhere. */
static const struct config_note *nearest_note(const struct config_draft *draft, const char *path) {
    struct text rest = text_of(path);
    while (rest.size) {
        const struct config_note *note = find_note(draft, rest);
        if (note && (note->at.line || note->variable))
            return note;
        while (rest.size && rest.data[rest.size - 1] != '.' && rest.data[rest.size - 1] != '[')
            rest.size--;
        if (rest.size)
            rest.size--;
    }
    return NULL;
}

struct yaml_place config_draft_place(const struct config_draft *draft, const char *path) {
    const struct config_note *note = find_note(draft, text_of(path));
    return note ? note->at : (struct yaml_place){0};
}

/* A problem is one line, whatever the file holds. */
static void make_plain(struct string *sentence) {
    for (size_t i = 0; i < sentence->size; i++) {
        unsigned char c = (unsigned char)sentence->data[i];
        if (c < ' ' || c == 0x7f)
            sentence->data[i] = '?';
    }
}

static void add_problem(struct config_draft *draft, struct yaml_place at, const char *variable,
                        struct string *sentence) {
    make_plain(sentence);
    draft->problems =
        room_for_one_more(draft->problems, draft->problem_count, sizeof(*draft->problems));
    draft->problems[draft->problem_count++] =
        (struct config_problem){at, variable, text_copy(string_text(sentence))};
    string_finish(sentence);
}

void config_draft_problem(struct config_draft *draft, struct yaml_place at, const char *format,
                          ...) {
    struct string sentence = {0};
    va_list args;
    va_start(args, format);
    string_vaddf(&sentence, format, args);
    va_end(args);
    add_problem(draft, at, NULL, &sentence);
}

void config_draft_problem_of(struct config_draft *draft, const char *path, const char *format,
                             ...) {
    const struct config_note *note = nearest_note(draft, path);
    struct yaml_place start = {1, 1};
    struct string sentence = {0};
    va_list args;
    string_addf(&sentence, "%s: ", path);
    va_start(args, format);
    string_vaddf(&sentence, format, args);
    va_end(args);
    add_problem(draft, note ? note->at : start, note ? note->variable : NULL, &sentence);
}

static int by_place(const void *a, const void *b) {
    const struct config_problem *p = a, *q = b;
    if (p->at.line != q->at.line)
        return p->at.line < q->at.line ? -1 : 1;
    if (p->at.column != q->at.column)
        return p->at.column < q->at.column ? -1 : 1;
    return strcmp(p->sentence, q->sentence);
}

static void tell(const struct config_draft *draft, struct yaml_place at, const char *variable,
                 const char *sentence, struct string *lines) {
    if (variable)
        string_addf(lines, "$%s: %s\n", variable, sentence);
    else if (at.line)
        string_addf(lines, "%s:%zu:%zu: %s\n", draft->config.file, at.line, at.column, sentence);
    else
        string_addf(lines, "%s: %s\n", draft->config.file, sentence);
}

void config_draft_tell(struct config_draft *draft, struct string *lines) {
    if (draft->problem_count)
        qsort(draft->problems, draft->problem_count, sizeof(*draft->problems), by_place);
    for (size_t i = 0; i < draft->problem_count; i++) {
        const struct config_problem *problem = &draft->problems[i];
        tell(draft, problem->at, problem->variable, problem->sentence, lines);
    }
}

static bool is_told(const struct config_draft *draft, struct yaml_place at) {
    for (size_t i = 0; i < draft->problem_count; i++)
        if (draft->problems[i].at.line == at.line && draft->problems[i].at.column == at.column)
            return true;
    return false;
}

void config_mistake(struct config *config, const char *path, const char *format, ...) {
    /* Every configuration that is looked into is the first thing in its draft. */
    struct config_draft *draft = (void *)config;
    struct yaml_place at = config_draft_place(draft, path);
    struct string sentence = {0};
    va_list args;
    if (at.line && is_told(draft, at))
        return;
    va_start(args, format);
    string_vaddf(&sentence, format, args);
    va_end(args);
    config_draft_problem_of(draft, path, "%s", sentence.data);
    string_finish(&sentence);
}

void config_tell(const struct config *config, const char *path, struct string *lines,
                 const char *format, ...) {
    /* Every configuration that is handed out is the first thing in its draft. */
    const struct config_draft *draft = (const void *)config;
    const struct config_note *note = nearest_note(draft, path);
    struct string sentence = {0};
    va_list args;
    string_addf(&sentence, "%s: ", path);
    va_start(args, format);
    string_vaddf(&sentence, format, args);
    va_end(args);
    make_plain(&sentence);
    tell(draft, note ? note->at : (struct yaml_place){1, 1}, note ? note->variable : NULL,
         sentence.data, lines);
    string_finish(&sentence);
}
