/* pen is about what was accepted and is no event yet: authentic deliveries that cannot be
 * read, and those that no secret of ours matched. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/nearest.h"
#include "cli/commands.h"
#include "cli/view.h"
#include "ledger/pen.h"
#include "pen/release.h"

enum { PAGE = 100, PROGRESS_EVERY = 1000 };

struct pen {
    struct cli cli;
    bool all, dry_run, reveal;
    const char *endpoint, *reason; /* NULL: any */
    const struct verb *verb;
    char **ids;
    size_t id_count;
    bool *found; /* of each id, whether it stands in the pen */
    char *last;  /* read up to here */
    bool more;
    enum ledger_outcome outcome;
    char **chosen; /* of the page, to be dropped */
    size_t chosen_count;
    size_t released, staying, dropped, gone; /* gone: somebody else was quicker */
};

struct verb {
    const char *name;
    bool names_entries;    /* needs ids or --all */
    enum config_for needs; /* release needs the secrets */
    void (*run)(struct pen *);
    void (*take)(struct pen *, const struct pen_entry *); /* of run_pages */
};

/* ---- Which ones ---- */

static bool is_named(struct pen *pen, const struct pen_entry *entry) {
    bool named = pen->id_count == 0;
    for (size_t i = 0; i < pen->id_count; i++)
        if (text_is(entry->pen_id, pen->ids[i]))
            named = pen->found[i] = true;
    return named;
}

static bool is_asked(void *arg, const struct pen_entry *entry) {
    struct pen *pen = arg;
    return is_named(pen, entry) && (!pen->endpoint || text_is(entry->endpoint, pen->endpoint)) &&
           (!pen->reason || text_is(entry->reason, pen->reason));
}

/* ---- How they look ---- */

static void entry_json(struct pen *pen, const struct pen_entry *entry) {
    struct cli *cli = &pen->cli;
    cli_json_text(cli, "pen_id", entry->pen_id);
    cli_json_text(cli, "endpoint", entry->endpoint);
    cli_json_number(cli, "received", entry->received_ms);
    cli_json_text(cli, "reason", entry->reason);
    cli_json_number(cli, "bytes", (int64_t)entry->body.size);
}

static void print_entry(const struct pen_entry *entry) {
    struct string line = {0};
    char when[VIEW_TIME];
    view_time(entry->received_ms, when);
    string_addf(&line, "%s%s%s  %s", cli_colour(CLI_DIM), when, cli_colour(CLI_PLAIN),
                cli_colour(CLI_RED));
    view_clean(entry->reason, &line);
    string_addf(&line, "%s  ", cli_colour(CLI_PLAIN));
    view_clean(entry->endpoint, &line);
    string_addf(&line, "  %s", cli_colour(CLI_DIM));
    view_size((int64_t)entry->body.size, &line);
    printf("%s  %.*s%s\n", line.data, TEXT_ARG(entry->pen_id), cli_colour(CLI_PLAIN));
    string_finish(&line);
}

static void take_listed(struct pen *pen, const struct pen_entry *entry) {
    if (!pen->cli.options.json) {
        print_entry(entry);
        return;
    }
    json_open(pen->cli.json, '{');
    entry_json(pen, entry);
    json_close(pen->cli.json, '}');
    cli_json_line(&pen->cli);
}

static void take_shown(struct pen *pen, const struct pen_entry *entry) {
    struct string signature = {0};
    if (pen->cli.options.json) {
        json_open(pen->cli.json, '{');
        entry_json(pen, entry);
        cli_json_text(&pen->cli, "signature", entry->signature);
        if (pen->reveal)
            cli_json_text(&pen->cli, "body", entry->body);
        json_close(pen->cli.json, '}');
        cli_json_line(&pen->cli);
        return;
    }
    print_entry(entry);
    view_clean(entry->signature, &signature);
    printf("    signature %s\n", signature.data ? signature.data : "");
    string_finish(&signature);
    view_body(entry->body, pen->reveal);
}

static void take_chosen(struct pen *pen, const struct pen_entry *entry) {
    pen->chosen = memory_resize(pen->chosen, (pen->chosen_count + 1) * sizeof *pen->chosen);
    pen->chosen[pen->chosen_count++] = text_copy(entry->pen_id);
}

/* What became of one, on a line. */
static void say_done(struct pen *pen, const char *action, struct text pen_id, struct text event_id,
                     const char *reason) {
    struct cli *cli = &pen->cli;
    if (!cli->options.json) {
        printf("%s %.*s%s%.*s%s%s\n", action, TEXT_ARG(pen_id), event_id.size ? "  event " : "",
               TEXT_ARG(event_id), *reason ? "  " : "", reason);
        return;
    }
    json_open(cli->json, '{');
    cli_json_text(cli, "pen_id", pen_id);
    cli_json_text(cli, "action", text_of(action));
    if (event_id.size)
        cli_json_text(cli, "id", event_id);
    if (*reason)
        cli_json_text(cli, "reason", text_of(reason));
    json_close(cli->json, '}');
    cli_json_line(cli);
}

/* ---- Page by page: list, show, drop ---- */

static void on_page(void *arg, const struct pen_page *page) {
    struct pen *pen = arg;
    pen->outcome = page->outcome;
    pen->more = page->outcome == LEDGER_DONE && page->count && page->more;
    for (size_t i = 0; page->outcome == LEDGER_DONE && i < page->count; i++) {
        if (is_asked(pen, &page->items[i]))
            pen->verb->take(pen, &page->items[i]);
        free(pen->last);
        pen->last = text_copy(page->items[i].pen_id);
    }
    cli_wake(&pen->cli);
}

static bool read_page(struct pen *pen) {
    pen_after(pen->cli.ledger, text_of(pen->last), PAGE, on_page, pen);
    cli_wait(&pen->cli);
    return cli_fine(&pen->cli, pen->outcome);
}

static void run_pages(struct pen *pen) {
    while (read_page(pen) && pen->more)
        ;
}

/* ---- drop: a page at a time ---- */

static void say_dropped(struct pen *pen, size_t i, const char *action) {
    say_done(pen, action, text_of(pen->chosen[i]), text_of(NULL), "");
}

/* What serve has released meanwhile is an event by now, and was not dropped. */
static void on_removed(void *arg, enum ledger_outcome outcome, const bool *went) {
    struct pen *pen = arg;
    pen->outcome = outcome;
    for (size_t i = 0; outcome == LEDGER_DONE && i < pen->chosen_count; i++) {
        say_dropped(pen, i, went[i] ? "dropped" : "gone meanwhile");
        pen->dropped += went[i];
        pen->gone += !went[i];
    }
    cli_wake(&pen->cli);
}

static bool drop_chosen(struct pen *pen) {
    struct text ids[PAGE];
    for (size_t i = 0; i < pen->chosen_count; i++)
        ids[i] = text_of(pen->chosen[i]);
    if (pen->chosen_count) {
        pen_remove(pen->cli.ledger, ids, pen->chosen_count, on_removed, pen);
        cli_wait(&pen->cli);
    }
    return cli_fine(&pen->cli, pen->outcome);
}

static void would_drop_chosen(struct pen *pen) {
    for (size_t i = 0; i < pen->chosen_count; i++)
        say_dropped(pen, i, "would drop");
    pen->dropped += pen->chosen_count;
}

static void forget_chosen(struct pen *pen) {
    for (size_t i = 0; i < pen->chosen_count; i++)
        free(pen->chosen[i]);
    pen->chosen_count = 0;
}

static bool drop_page(struct pen *pen) {
    bool fine = read_page(pen);
    if (fine && pen->dry_run)
        would_drop_chosen(pen);
    else if (fine)
        fine = drop_chosen(pen);
    forget_chosen(pen);
    return fine;
}

static void run_drop(struct pen *pen) {
    while (drop_page(pen) && pen->more)
        ;
    cli_say("%zu %s", pen->dropped, pen->dry_run ? "would be dropped" : "dropped");
    if (pen->gone && pen->outcome == LEDGER_DONE)
        cli_fail(&pen->cli, CLI_NOT_FOUND,
                 "%zu had gone meanwhile: released, by serve or somebody else, or dropped",
                 pen->gone);
}

/* ---- release ---- */

static void on_ruled(void *arg, const struct release_ruled *ruled) {
    struct pen *pen = arg;
    const char *action = pen->dry_run ? "would release" : "released";
    if (ruled->stays)
        pen->staying++;
    else
        pen->released++;
    say_done(pen, ruled->stays ? "stays" : action, ruled->entry->pen_id, ruled->event_id,
             ruled->stays       ? ruled->stays
             : ruled->duplicate ? "duplicate"
                                : "");
    if ((pen->released + pen->staying) % PROGRESS_EVERY == 0)
        cli_say("so far %zu %s, %zu stay", pen->released, action, pen->staying);
}

static void on_end(void *arg, enum ledger_outcome outcome) {
    struct pen *pen = arg;
    pen->outcome = outcome;
    cli_wake(&pen->cli);
}

static void run_release(struct pen *pen) {
    struct judge *judge = judge_create(pen->cli.config);
    struct release *release = release_create(&(struct release_options){
        .loop = pen->cli.loop,
        .ledger = pen->cli.ledger,
        .dry_run = pen->dry_run,
        .wants = is_asked,
        .on_ruled = on_ruled,
        .on_end = on_end,
        .arg = pen,
    });
    release_begin(release, &judge);
    cli_wait(&pen->cli);
    release_destroy(release);
    if (!cli_fine(&pen->cli, pen->outcome))
        return;
    if (pen->id_count && pen->staying)
        cli_fail(&pen->cli, CLI_FAILED, "%zu of %zu stay in the pen", pen->staying,
                 pen->staying + pen->released);
    else
        cli_say("%zu %s, %zu stay", pen->released, pen->dry_run ? "would be released" : "released",
                pen->staying);
}

/* ---- The command ---- */

static const struct verb verbs[] = {
    {"list", false, CONFIG_FOR_LEDGER, run_pages, take_listed},
    {"show", true, CONFIG_FOR_LEDGER, run_pages, take_shown},
    {"release", true, CONFIG_FOR_PEN, run_release, NULL},
    {"drop", true, CONFIG_FOR_LEDGER, run_drop, take_chosen},
};

static void run(struct pen *pen) {
    pen->verb->run(pen);
    for (size_t i = 0; pen->outcome == LEDGER_DONE && i < pen->id_count; i++)
        if (!pen->found[i])
            cli_fail(&pen->cli, CLI_NOT_FOUND, "the pen has no %s", pen->ids[i]);
}

static bool reason_wrong(struct pen *pen) {
    struct string known = {0}, hint = {0};
    struct nearest nearest = {.word = text_of(pen->reason)};
    const char *name;
    for (size_t i = 0; (name = judge_reason_name(i)); i++) {
        string_addf(&known, "%s%s", i ? ", " : "", name);
        nearest_offer(&nearest, text_of(name));
    }
    nearest_add(&nearest, &hint);
    options_wrong(&pen->cli.options, "nothing is penned for the reason \"%s\"%.*s; it is one of %s",
                  pen->reason, TEXT_ARG(string_text(&hint)), known.data);
    string_finish(&hint);
    string_finish(&known);
    return false;
}

static bool reason_valid(struct pen *pen) {
    const char *name;
    for (size_t i = 0; pen->reason && (name = judge_reason_name(i)); i++)
        if (strcmp(name, pen->reason) == 0)
            return true;
    return !pen->reason || reason_wrong(pen);
}

static bool valid(struct pen *pen) {
    struct options *options = &pen->cli.options;
    if (options->operand_count < 1)
        return options_wrong(options, "takes what to do: list, show, release or drop");
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (text_is(text_of(options->operands[0]), verbs[i].name))
            pen->verb = &verbs[i];
    if (!pen->verb)
        return options_wrong(options, "\"%s\" is none of list, show, release, drop",
                             options->operands[0]);
    pen->ids = options->operands + 1;
    pen->id_count = options->operand_count - 1;
    if (pen->verb->names_entries && (pen->id_count > 0) == pen->all)
        return options_wrong(options, "%s takes ids, or else --all", pen->verb->name);
    if (!reason_valid(pen))
        return false;
    pen->found = memory_new(pen->id_count + 1);
    pen->last = text_copy(text_of("0-0"));
    return true;
}

static void finish(struct pen *pen) {
    free(pen->chosen);
    free(pen->found);
    free(pen->last);
}

int pen_main(int argc, char **argv) {
    struct pen pen = {0};
    const struct cli_option options[] = {
        {"all", 'a', NULL, "all that stands in the pen", .flag = &pen.all},
        {"endpoint", 0, "NAME", "only what came to this endpoint", .text = &pen.endpoint},
        {"reason", 0, "WORD", "only what was penned for this reason", .text = &pen.reason},
        {"dry-run", 'n', NULL, "only say what would be done", .flag = &pen.dry_run},
        {"reveal", 0, NULL, "show: bodies as they are: personal data", .flag = &pen.reveal},
        {0}};
    const struct cli_manual manual = {
        .about =
            "In the pen is what was answered 2xx and is no event yet: authentic deliveries\n"
            "that cannot be read or are another account's, and those that no secret matched.\n"
            "  list     shows them\n"
            "  show     shows them with their bodies, redacted\n"
            "  release  judges them again, by the secrets and accounts of now and the time of\n"
            "           receipt: what passes becomes an event, the rest stays; serve does the\n"
            "           same by itself with each new secret\n"
            "  drop     throws them away\n"
            "A reason is not_json, no_id, no_type, twice, other_account or unmatched.",
        .example = "kula-relay pen release --all",
        .options = options,
        .takes = CLI_TAKES_CONFIG | CLI_TAKES_JSON,
        .json = "  list: pen_id endpoint received reason bytes\n"
                "  show: pen_id endpoint received reason bytes signature [body]\n"
                "  release, drop: pen_id action [id reason]",
    };
    if (cli_start(&pen.cli, &manual, argc, argv) && valid(&pen) &&
        cli_load(&pen.cli, pen.verb->needs) && cli_connect(&pen.cli))
        run(&pen);
    finish(&pen);
    return cli_close(&pen.cli);
}
