/* A draft is a configuration while it is being read: the values, where each
 * came from, and the mistakes so far. A good one is kept whole, for the print-out.
 * Private to config*.c. */
#pragma once
#include "base/config.h"
#include "base/yaml.h"

/* Of one key, or one item of a list, that has been read. */
struct config_note {
    char *path;           /* "services[0].timeout" */
    char *value;          /* as written, files by name; NULL: not printed */
    struct yaml_place at; /* line 0: not in the file */
    const char *variable; /* of the environment; NULL: none */
};

struct config_problem {
    struct yaml_place at;
    const char *variable;
    char *sentence;
};

struct config_draft {
    struct config config; /* first: others hold a pointer to it */
    enum config_for needs;
    struct string yaml;        /* that it is read from */
    struct config_note *notes; /* in the order of the table */
    size_t note_count;
    struct config_problem *problems;
    size_t problem_count;
};

struct config_draft *config_draft_create(const char *name, enum config_for);
void config_draft_destroy(struct config_draft *);

/* Texts are copied; each path is noted once. `value` NULL: not printed. */
void config_draft_note(struct config_draft *, const char *path, const char *value,
                       struct yaml_place);
/* A value from the environment (`variable` is static) takes the place of what was noted,
 * and of its items. */
void config_draft_override(struct config_draft *, const char *path, const char *value,
                           const char *variable);

void config_draft_problem(struct config_draft *, struct yaml_place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same at a path: "PATH: sentence" where it was noted, else where what it is in was. */
void config_draft_problem_of(struct config_draft *, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Where a path was noted; line 0 where it was not, or not in the file. */
struct yaml_place config_draft_place(const struct config_draft *, const char *path);

/* One line for each problem, in the order of the file. */
void config_draft_tell(struct config_draft *, struct string *lines);
