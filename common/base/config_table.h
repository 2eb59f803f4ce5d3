/* The table of all keys: one row each, read by parser, range check, defaults,
 * --help and the print-out alike. Private to config*.c. */
#pragma once
#include "base/config.h"
#include "base/nearest.h"

enum config_type {
    CONFIG_TEXT,         /* char *: one value, as `check` wants it */
    CONFIG_FILE,         /* char *: the name of a file */
    CONFIG_FOLDER,       /* char *: a folder to write into; it need not be there yet */
    CONFIG_DURATION,     /* int64_t, in ms */
    CONFIG_SIZE,         /* int64_t, in bytes */
    CONFIG_COUNT,        /* int64_t */
    CONFIG_WORD,         /* an enum: the position in `words` */
    CONFIG_WHEN,         /* enum config_start, and an int64_t beside it */
    CONFIG_TEXTS,        /* char **, and a size_t beside it: values as `check` wants them */
    CONFIG_FILES,        /* the same, of names of files */
    CONFIG_HEADERS,      /* struct config_header *, and a size_t beside it: name and value */
    CONFIG_HEADER_FILES, /* added to the same: name and file */
    CONFIG_MAP,          /* rows of its own, in the same struct */
    CONFIG_MAPS,         /* a list of maps: structs of item_bytes, and a size_t beside it */
};

/* Is this value good? False with what is wrong with it, as in `"x" is not a name`. */
typedef bool config_check_fn(struct text value, struct string *why);

/* For `read_for`: the commands that open the file. CONFIG_FOR_ALL is always meant. */
enum {
    CONFIG_SERVE = 1 << CONFIG_FOR_SERVE,
    CONFIG_FORWARD = 1 << CONFIG_FOR_FORWARD,
    CONFIG_LEDGER = 1 << CONFIG_FOR_LEDGER,
    CONFIG_SEND = 1 << CONFIG_FOR_SEND,
    CONFIG_PEN = 1 << CONFIG_FOR_PEN,
    CONFIG_KULA = 1 << CONFIG_FOR_KULA,
    CONFIG_WATCH = 1 << CONFIG_FOR_WATCH,
};

/* May a running program take a change of it? */
enum config_live {
    CONFIG_LIVE_NO,
    CONFIG_LIVE_YES,     /* with all that is in it */
    CONFIG_LIVE_IF_KEPT, /* another value, but not one instead of none */
};

struct config_row {
    const char *path; /* "services[].retry.first": [] is any item of a list of maps */
    enum config_type type;
    enum config_live live;
    size_t place;  /* where in its struct: struct config, or that of the innermost list */
    size_t beside; /* the count of a list; CONFIG_WHEN's time */
    size_t item_bytes;
    const char *usual;        /* the default; of lists only shown, for they start empty */
    const char *least, *most; /* of DURATION, SIZE, COUNT; as they are written */
    const char *const *words; /* of WORD and WHEN; NULL-terminated */
    config_check_fn *check;
    bool needed;       /* must be given wherever its map is */
    bool may_be_empty; /* of lists: [] is fine, and means left out */
    bool secret;       /* of files: what is in it is kept, see config_files.h */
    unsigned read_for; /* of files and folders: who opens it */
    const char *meaning;
};

extern const struct config_row config_table[];
extern const size_t config_table_rows;

/* The row's key within a section ("" is the whole file), NULL where it is not directly in it. */
const char *config_table_key(const struct config_row *, const char *section);
const struct config_row *config_table_find(const char *section, const char *key);
/* The known key that looks most like this one. */
struct nearest config_table_nearest(const char *section, const char *key);

/* The number as a row of this type writes it. */
bool config_table_number(enum config_type, struct text, int64_t *);

/* Frees what the rows hold; not the struct itself, and not secrets. */
void config_table_finish(struct config *);
