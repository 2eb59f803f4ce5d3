/* What the commands that look into the ledger share: the configuration, a loop
 * and a ledger that is waited upon.
 *
 * A command line has one thing to do, so it asks and then waits: it makes an
 * asynchronous call, whose callback ends the waiting.
 *
 *     browse_find(cli.ledger, id, on_found, &show);
 *     cli_wait(&cli);
 */
#pragma once
#include <stdio.h>

#include "base/config.h"
#include "base/json.h"
#include "base/options.h"
#include "ledger/ledger.h"

struct cli {
    struct options options;
    struct config *config;
    struct loop *loop;
    struct ledger *ledger;
    struct json_writer *json; /* for the line that is being made */
    bool connecting;          /* cli_connect waits */
};

/* False: end with cli_close, which gives the exit code of what was said. */
bool cli_start(struct cli *, const struct cli_manual *, int argc, char **argv);
bool cli_load(struct cli *, enum config_for);
bool cli_load_with(struct cli *, enum config_for, config_look_fn *, void *arg);
bool cli_connect(struct cli *); /* needs the configuration; waits up to 5 s for Redis */
int cli_close(struct cli *);    /* frees it all; also a full disk under stdout counts as failed */

void cli_wait(struct cli *); /* until a callback says cli_wake */
void cli_wake(struct cli *);
void cli_pause(struct cli *, int64_t ms);

/* True for DONE; else says what Redis said, and remembers the exit code. */
bool cli_fine(struct cli *, enum ledger_outcome);
/* A sentence to stderr, "kula-relay NAME: ..."; remembers the exit code. Gives false. */
bool cli_fail(struct cli *, enum cli_exit, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends the JSON line that is being made: to stdout. */
void cli_json_line(struct cli *);
void cli_json_text(struct cli *, const char *key, struct text value);
void cli_json_text_known(struct cli *, const char *key, struct text value); /* empty: null */
void cli_json_number(struct cli *, const char *key, int64_t value);
void cli_json_known(struct cli *, const char *key, int64_t value); /* below 0: null */
void cli_json_bool(struct cli *, const char *key, bool value);

/* An escape sequence, or nothing where stdout is no terminal or NO_COLOR is set. */
enum cli_colour { CLI_PLAIN, CLI_BOLD, CLI_DIM, CLI_GREEN, CLI_RED, CLI_YELLOW };
const char *cli_colour(enum cli_colour);
