/* dead is about the dead letters: events that a service will not get unless a
 * person says so. */
#include <stdlib.h>

#include "base/memory.h"
#include "cli/commands.h"
#include "cli/view.h"
#include "ledger/browse.h"
#include "ledger/dead.h"

enum { PAGE = 100 };

struct letter {
    char *dead_id;
    char *event_id;
};

struct dead {
    struct cli cli;
    bool all, dry_run, reveal;
    const struct verb *verb;
    const char *service;
    char **ids; /* what was asked for: dead ids or event ids */
    size_t id_count;
    bool *found; /* of each id, whether there was such a dead letter */
    char *last;  /* read up to here */
    bool more, known;
    enum ledger_outcome outcome;
    struct letter *letters; /* chosen, to be moved */
    size_t letter_count;
    bool moved;
};

struct verb {
    const char *name;
    bool names_letters; /* needs ids or --all */
    void (*take)(struct dead *, const struct dead_letter *);
    void (*move)(struct ledger *, const char *, struct text, dead_moved_fn *, void *);
    const char *done, *would; /* what is said of each that is moved */
};

static void letter_json(struct dead *dead, const struct dead_letter *letter, bool reveal) {
    struct cli *cli = &dead->cli;
    json_open(cli->json, '{');
    cli_json_text(cli, "dead_id", letter->dead_id);
    cli_json_text(cli, "service", text_of(dead->service));
    cli_json_text(cli, "id", letter->event.id);
    cli_json_text(cli, "type", letter->event.type);
    cli_json_text(cli, "reason", letter->reason);
    cli_json_number(cli, "status", letter->status);
    cli_json_number(cli, "tries", letter->tries);
    cli_json_text(cli, "stream_id", letter->event.stream_id);
    if (reveal)
        cli_json_text(cli, "body", letter->event.body);
    json_close(cli->json, '}');
    cli_json_line(cli);
}

static void print_letter(const struct dead_letter *letter) {
    struct string reason = {0};
    view_clean(letter->reason, &reason);
    view_event(&letter->event);
    printf("    dead letter %.*s: %s%s%s", TEXT_ARG(letter->dead_id), cli_colour(CLI_RED),
           reason.data ? reason.data : "", cli_colour(CLI_PLAIN));
    if (letter->status)
        printf(" (%d)", letter->status);
    printf(", %u %s\n", letter->tries, letter->tries == 1 ? "attempt" : "attempts");
    string_finish(&reason);
}

static void take_listed(struct dead *dead, const struct dead_letter *letter) {
    if (dead->cli.options.json)
        letter_json(dead, letter, false);
    else
        print_letter(letter);
}

static void take_shown(struct dead *dead, const struct dead_letter *letter) {
    if (dead->cli.options.json) {
        letter_json(dead, letter, dead->reveal);
        return;
    }
    print_letter(letter);
    view_body(letter->event.body, dead->reveal);
}

static void take_chosen(struct dead *dead, const struct dead_letter *letter) {
    dead->letters = memory_resize(dead->letters, (dead->letter_count + 1) * sizeof *dead->letters);
    dead->letters[dead->letter_count++] =
        (struct letter){text_copy(letter->dead_id), text_copy(letter->event.id)};
}

static const struct verb verbs[] = {
    {"list", false, take_listed, NULL, "", ""},
    {"show", true, take_shown, NULL, "", ""},
    {"replay", true, take_chosen, dead_revive, "replayed", "would replay"},
    {"drop", true, take_chosen, dead_drop, "dropped", "would drop"},
};

static bool is_asked(struct dead *dead, const struct dead_letter *letter) {
    bool asked = dead->id_count == 0;
    for (size_t i = 0; i < dead->id_count; i++)
        if (text_is(letter->dead_id, dead->ids[i]) || text_is(letter->event.id, dead->ids[i]))
            asked = dead->found[i] = true;
    return asked;
}

static void on_dead(void *arg, const struct dead_page *page) {
    struct dead *dead = arg;
    dead->outcome = page->outcome;
    dead->more = page->outcome == LEDGER_DONE && page->count && page->more;
    for (size_t i = 0; page->outcome == LEDGER_DONE && i < page->count; i++) {
        if (is_asked(dead, &page->items[i]))
            dead->verb->take(dead, &page->items[i]);
        free(dead->last);
        dead->last = text_copy(page->items[i].dead_id);
    }
    cli_wake(&dead->cli);
}

static bool read_letters(struct dead *dead) {
    do {
        dead_after(dead->cli.ledger, dead->service, text_of(dead->last), PAGE, on_dead, dead);
        cli_wait(&dead->cli);
        if (!cli_fine(&dead->cli, dead->outcome))
            return false;
    } while (dead->more);
    return true;
}

static void on_moved(void *arg, enum ledger_outcome outcome, bool found) {
    struct dead *dead = arg;
    dead->outcome = outcome;
    dead->moved = found;
    cli_wake(&dead->cli);
}

static void say_moved(struct dead *dead, const struct letter *letter, const char *action) {
    struct cli *cli = &dead->cli;
    if (!cli->options.json) {
        printf("%s %s (dead letter %s) %s %s\n", action, letter->event_id, letter->dead_id,
               dead->verb->move == dead_revive ? "to" : "of", dead->service);
        return;
    }
    json_open(cli->json, '{');
    cli_json_text(cli, "dead_id", text_of(letter->dead_id));
    cli_json_text(cli, "service", text_of(dead->service));
    cli_json_text(cli, "id", text_of(letter->event_id));
    cli_json_text(cli, "action", text_of(action));
    json_close(cli->json, '}');
    cli_json_line(cli);
}

static bool move_letter(struct dead *dead, const struct letter *letter) {
    if (dead->dry_run) {
        say_moved(dead, letter, dead->verb->would);
        return true;
    }
    dead->verb->move(dead->cli.ledger, dead->service, text_of(letter->dead_id), on_moved, dead);
    cli_wait(&dead->cli);
    if (!cli_fine(&dead->cli, dead->outcome))
        return false;
    if (dead->moved)
        say_moved(dead, letter, dead->verb->done);
    else
        cli_fail(&dead->cli, CLI_NOT_FOUND, "dead letter %s has gone meanwhile", letter->dead_id);
    return true;
}

static void on_services(void *arg, enum ledger_outcome outcome, const struct text *names,
                        size_t count) {
    struct dead *dead = arg;
    dead->outcome = outcome;
    for (size_t i = 0; outcome == LEDGER_DONE && i < count; i++)
        if (text_is(names[i], dead->service))
            dead->known = true;
    cli_wake(&dead->cli);
}

/* So that a slip of the pen is not told as "no dead letters". */
static bool service_known(struct dead *dead) {
    browse_services(dead->cli.ledger, on_services, dead);
    cli_wait(&dead->cli);
    if (!cli_fine(&dead->cli, dead->outcome))
        return false;
    return dead->known ||
           cli_fail(&dead->cli, CLI_NOT_FOUND, "the ledger knows no service \"%s\"", dead->service);
}

static void run(struct dead *dead) {
    if (!service_known(dead) || !read_letters(dead))
        return;
    for (size_t i = 0; i < dead->letter_count; i++)
        if (!move_letter(dead, &dead->letters[i]))
            return;
    for (size_t i = 0; i < dead->id_count; i++)
        if (!dead->found[i])
            cli_fail(&dead->cli, CLI_NOT_FOUND, "%s has no dead letter %s", dead->service,
                     dead->ids[i]);
}

static bool valid(struct dead *dead) {
    struct options *options = &dead->cli.options;
    if (options->operand_count < 2)
        return options_wrong(options, "takes what to do, and a service");
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (text_is(text_of(options->operands[0]), verbs[i].name))
            dead->verb = &verbs[i];
    if (!dead->verb)
        return options_wrong(options, "\"%s\" is none of list, show, replay, drop",
                             options->operands[0]);
    dead->service = options->operands[1];
    dead->ids = options->operands + 2;
    dead->id_count = options->operand_count - 2;
    if (dead->verb->names_letters && (dead->id_count > 0) == dead->all)
        return options_wrong(options, "%s takes ids, or else --all", dead->verb->name);
    dead->found = memory_new(dead->id_count + 1);
    dead->last = text_copy(text_of("0-0"));
    return true;
}

static void finish(struct dead *dead) {
    for (size_t i = 0; i < dead->letter_count; i++) {
        free(dead->letters[i].dead_id);
        free(dead->letters[i].event_id);
    }
    free(dead->letters);
    free(dead->found);
    free(dead->last);
}

int dead_main(int argc, char **argv) {
    struct dead dead = {0};
    const struct cli_option options[] = {
        {"all", 'a', NULL, "every dead letter of the service", .flag = &dead.all},
        {"dry-run", 'n', NULL, "only say what would be done", .flag = &dead.dry_run},
        {"reveal", 0, NULL, "show: bodies as they are: personal data", .flag = &dead.reveal},
        {0}};
    const struct cli_manual manual = {
        .about = "Dead letters are events that a service will not get unless a person says so:\n"
                 "  list    shows them\n"
                 "  show    shows them with their bodies, redacted\n"
                 "  replay  puts them into the stream again, for this service only, with the same\n"
                 "          event id\n"
                 "  drop    throws them away\n"
                 "An ID is that of the dead letter, or the event's.",
        .example = "kula-relay dead replay crm evt_abc123",
        .options = options,
        .takes = CLI_TAKES_CONFIG | CLI_TAKES_JSON,
        .json = "  list, show: dead_id service id type reason status tries stream_id [body]\n"
                "  replay, drop: dead_id service id action",
    };
    if (cli_start(&dead.cli, &manual, argc, argv) && valid(&dead) &&
        cli_load(&dead.cli, CONFIG_FOR_LEDGER) && cli_connect(&dead.cli))
        run(&dead);
    finish(&dead);
    return cli_close(&dead.cli);
}
