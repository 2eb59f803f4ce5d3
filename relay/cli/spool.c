/* spool looks at what is on disk: the deliveries that were answered 2xx before
 * Redis had them, and those that are kept for the day when Redis loses them.
 * It only reads, needs no Redis, and disturbs no running serve. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/values.h"
#include "cli/commands.h"
#include "cli/spool_view.h"
#include "cli/view.h"

struct look {
    struct cli cli;
    const struct verb *verb;
    const char *directory;
    int64_t most_bytes; /* of all that one serve has; 0: not known, no configuration was read */
    struct spool_survey *surveys;
    size_t count;
};

struct verb {
    const char *name;
    void (*tell)(struct look *);
};

struct total {
    size_t held, broken, damaged;
    uint64_t records, undrained;
    int64_t bytes, damaged_records, damaged_bytes;
};

static struct total add_up(const struct look *look) {
    struct total total = {0};
    for (size_t i = 0; i < look->count; i++) {
        const struct spool_survey *survey = &look->surveys[i];
        total.held += survey->held;
        total.broken += survey->broken.size > 0;
        total.damaged += spool_view_is_damaged(survey);
        total.records += survey->records;
        total.undrained += survey->undrained;
        total.bytes += survey->bytes;
        total.damaged_records += survey->damaged_records;
        total.damaged_bytes += survey->damaged_bytes;
    }
    return total;
}

static int64_t free_bytes(const char *directory) {
    struct statvfs about;
    if (statvfs(directory, &about) < 0)
        return -1;
    return (int64_t)(about.f_bavail * about.f_frsize);
}

static void total_json(struct look *look) {
    struct cli *cli = &look->cli;
    struct total total = add_up(look);
    json_open(cli->json, '{');
    cli_json_text(cli, "directory", text_of(look->directory));
    cli_json_number(cli, "spools", (int64_t)look->count);
    cli_json_number(cli, "held", (int64_t)total.held);
    cli_json_number(cli, "records", (int64_t)total.records);
    cli_json_number(cli, "undrained", (int64_t)total.undrained);
    cli_json_number(cli, "bytes", total.bytes);
    cli_json_number(cli, "free_bytes", free_bytes(look->directory));
    cli_json_number(cli, "damaged_records", total.damaged_records);
    cli_json_number(cli, "damaged_bytes", total.damaged_bytes);
    json_close(cli->json, '}');
    cli_json_line(cli);
}

static bool any_waits_for_a_start(const struct look *look) {
    for (size_t i = 0; i < look->count; i++)
        if (!look->surveys[i].held && look->surveys[i].undrained)
            return true;
    return false;
}

static void print_total(const struct look *look) {
    struct total total = add_up(look);
    struct string line = {0};
    int64_t left = free_bytes(look->directory);
    string_addf(&line, "%s: %zu %s, %llu records, %llu undrained, ", look->directory, look->count,
                look->count == 1 ? "spool" : "spools", (unsigned long long)total.records,
                (unsigned long long)total.undrained);
    view_size(total.bytes, &line);
    if (look->most_bytes) {
        string_add_of(&line, " (of at most ");
        values_format_size(look->most_bytes, &line);
        string_add_of(&line, " for each serve)");
    }
    if (left >= 0) {
        string_add_of(&line, "; ");
        view_size(left, &line);
        string_add_of(&line, " free");
    }
    puts(line.data);
    string_finish(&line);
}

static void tell_status(struct look *look) {
    for (size_t i = 0; look->cli.options.json && i < look->count; i++)
        spool_view_json(&look->cli, &look->surveys[i], false);
    if (look->cli.options.json) {
        total_json(look);
        return;
    }
    print_total(look);
    for (size_t i = 0; i < look->count; i++)
        spool_view_standing(&look->surveys[i]);
    if (any_waits_for_a_start(look))
        printf("What was left behind is drained by whichever serve starts next on this folder, or "
               "runs there already.\n");
}

static void tell_list(struct look *look) {
    if (!look->cli.options.json && look->count)
        spool_view_heading();
    for (size_t i = 0; i < look->count; i++)
        if (look->cli.options.json)
            spool_view_json(&look->cli, &look->surveys[i], false);
        else
            spool_view_row(&look->surveys[i]);
}

static void tell_verified(struct look *look) {
    size_t damaged = add_up(look).damaged;
    for (size_t i = 0; i < look->count; i++)
        if (look->cli.options.json)
            spool_view_json(&look->cli, &look->surveys[i], true);
        else
            spool_view_verdict(&look->surveys[i]);
    if (damaged)
        cli_fail(&look->cli, CLI_FAILED,
                 "damage in %zu of %zu spools. What is whole is drained all the same, and what "
                 "Redis had is not lost. Of the rest, serve keeps the damaged bytes in %s/SPOOL, "
                 "as damaged-SEGMENT-OFFSET, for a person to read. Look after that disk.",
                 damaged, look->count, look->directory);
}

static void tell_broken(struct look *look) {
    size_t broken = add_up(look).broken;
    if (broken)
        cli_fail(&look->cli, CLI_FAILED,
                 "%zu of %zu spools cannot be read; a serve that finds it so does not start. Run "
                 "this as the user that serve runs as, look after the disk, or move the spool's "
                 "folder out of %s: what Redis does not have of it stays there.",
                 broken, look->count, look->directory);
}

/* Looking -------------------------------------------------------------------- */

static const struct verb verbs[] = {
    {"status", tell_status},
    {"list", tell_list},
    {"verify", tell_verified},
};

static bool valid(struct look *look) {
    struct options *options = &look->cli.options;
    if (options->operand_count != 1)
        return options_wrong(options, "takes what to do: status, list or verify");
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(options->operands[0], verbs[i].name) == 0)
            look->verb = &verbs[i];
    return look->verb ||
           options_wrong(options, "\"%s\" is none of status, list, verify", options->operands[0]);
}

/* --directory goes before the configuration, which then need not be there. */
static bool find_directory(struct look *look) {
    if (look->directory)
        return true;
    if (!cli_load(&look->cli, CONFIG_FOR_SPOOL))
        return false;
    look->directory = look->cli.config->spool_directory;
    look->most_bytes = look->cli.config->spool_max_bytes;
    return look->directory ||
           cli_fail(&look->cli, CLI_BAD_CONFIG,
                    "%s names no folder for a spool: write serve.spool.directory there, or give "
                    "one with --directory",
                    look->cli.config->file);
}

static int oldest_first(const void *a, const void *b) {
    const struct spool_survey *one = a, *other = b;
    if (one->oldest_ms != other->oldest_ms)
        return one->oldest_ms < other->oldest_ms ? -1 : 1;
    return strcmp(one->id, other->id);
}

static bool survey(struct look *look) {
    struct string why = {0};
    if (access(look->directory, F_OK) < 0 && errno == ENOENT)
        return cli_fail(&look->cli, CLI_NOT_FOUND,
                        "the folder %s is not there: serve makes it when it starts",
                        look->directory);
    int count = spool_survey(look->directory, &look->surveys, &why);
    if (count < 0)
        cli_fail(&look->cli, CLI_FAILED, "%s", why.data ? why.data : look->directory);
    string_finish(&why);
    look->count = count > 0 ? (size_t)count : 0;
    if (look->count)
        qsort(look->surveys, look->count, sizeof *look->surveys, oldest_first);
    return count >= 0;
}

int spool_main(int argc, char **argv) {
    struct look look = {0};
    const struct cli_option options[] = {{"directory", 'd', "DIR",
                                          "the spool's folder, without a configuration",
                                          .text = &look.directory},
                                         {0}};
    const struct cli_manual manual = {
        .about =
            "The spool holds deliveries that were answered 2xx, on disk, until Redis has them\n"
            "and for a while longer. Each start of serve makes a spool of its own.\n"
            "  status  one screen: what waits for Redis, and what was left behind\n"
            "  list    a line for each spool\n"
            "  verify  checks every record; tells where something is damaged, and exit 1 then.\n"
            "          A copy of what serve found damaged stands beside it, as\n"
            "          damaged-SEGMENT-OFFSET: remove it when nobody needs it any more\n"
            "All of them only read, also while serve runs, and need no Redis. What is drained\n"
            "is told by the last checkpoint, which lags behind a little.",
        .example = "kula-relay spool status",
        .options = options,
        .takes = CLI_TAKES_CONFIG | CLI_TAKES_JSON,
        .json = "  list, verify, status: spool held broken records undrained first last drained\n"
                "      bytes oldest oldest_undrained newest damaged_records damaged_bytes\n"
                "      copies [checkpoint_damaged damage damage_untold]\n"
                "  in damage: file offset bytes first last copy\n"
                "  status: directory spools held records undrained bytes free_bytes\n"
                "      damaged_records damaged_bytes",
        .notes = "Exit codes: 0 done, 1 failed or damaged, 2 usage, 3 no such folder,\n"
                 "78 configuration invalid.\n",
    };
    if (cli_start(&look.cli, &manual, argc, argv) && valid(&look) && find_directory(&look) &&
        survey(&look)) {
        look.verb->tell(&look);
        tell_broken(&look);
    }
    spool_survey_free(look.surveys, (int)look.count);
    return cli_close(&look.cli);
}
