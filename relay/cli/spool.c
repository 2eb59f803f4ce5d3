/* spool looks at what is on disk: the deliveries that were answered 2xx before
 * Redis had them, and those that are kept for the day when Redis loses them.
 * It only reads, needs no Redis, and disturbs no running serve. */
#include "spool/spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/values.h"
#include "cli/commands.h"
#include "cli/view.h"

struct look {
    struct cli cli;
    const struct verb *verb;
    const char *directory;
    int64_t most_bytes; /* of one spool; 0: not known, where no configuration was read */
    struct spool_survey *surveys;
    size_t count;
};

struct verb {
    const char *name;
    void (*tell)(struct look *);
};

struct total {
    size_t held;
    uint64_t records, undrained;
    int64_t bytes, damaged_records, damaged_bytes;
};

/* By the checkpoint, which may lag behind what the ledger has: never less than there are. */
static uint64_t undrained(const struct spool_survey *survey) {
    uint64_t before = survey->first ? survey->first - 1 : 0;
    uint64_t drained = survey->drained > before ? survey->drained : before;
    return survey->last > drained ? survey->last - drained : 0;
}

/* 0: none, or not known, for a survey dates only the oldest record of all. */
static int64_t oldest_undrained_ms(const struct spool_survey *survey) {
    return undrained(survey) && survey->drained < survey->first ? survey->oldest_ms : 0;
}

static bool is_damaged(const struct spool_survey *survey) {
    return survey->damaged_records || survey->damaged_bytes;
}

static struct total add_up(const struct look *look) {
    struct total total = {0};
    for (size_t i = 0; i < look->count; i++) {
        const struct spool_survey *survey = &look->surveys[i];
        total.held += survey->held;
        total.records += survey->records;
        total.undrained += undrained(survey);
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

/* As JSON lines ------------------------------------------------------------- */

static void time_json(struct cli *cli, const char *key, int64_t ms) {
    json_key(cli->json, key);
    if (ms)
        json_number(cli->json, ms);
    else
        json_null(cli->json);
}

static void survey_json(struct cli *cli, const struct spool_survey *survey) {
    json_open(cli->json, '{');
    cli_json_text(cli, "spool", text_of(survey->id));
    cli_json_bool(cli, "held", survey->held);
    cli_json_number(cli, "records", (int64_t)survey->records);
    cli_json_number(cli, "undrained", (int64_t)undrained(survey));
    cli_json_number(cli, "first", (int64_t)survey->first);
    cli_json_number(cli, "last", (int64_t)survey->last);
    cli_json_number(cli, "drained", (int64_t)survey->drained);
    cli_json_number(cli, "bytes", survey->bytes);
    time_json(cli, "oldest", survey->oldest_ms);
    time_json(cli, "oldest_undrained", oldest_undrained_ms(survey));
    time_json(cli, "newest", survey->newest_ms);
    cli_json_number(cli, "damaged_records", survey->damaged_records);
    cli_json_number(cli, "damaged_bytes", survey->damaged_bytes);
    json_close(cli->json, '}');
    cli_json_line(cli);
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

/* For people ----------------------------------------------------------------- */

static const char *holder(const struct spool_survey *survey) {
    return survey->held ? "held by a running serve" : "left behind";
}

static void add_damage(const struct spool_survey *survey, struct string *line) {
    if (!is_damaged(survey))
        return;
    string_addf(line, ", %sdamaged: %lld records, ", cli_colour(CLI_RED),
                (long long)survey->damaged_records);
    view_size(survey->damaged_bytes, line);
    string_add_of(line, cli_colour(CLI_PLAIN));
}

static void add_undrained(const struct spool_survey *survey, struct string *line) {
    uint64_t waiting = undrained(survey);
    if (!waiting) {
        string_addf(line, "%sall drained%s", cli_colour(CLI_GREEN), cli_colour(CLI_PLAIN));
        return;
    }
    string_addf(line, "%s%llu undrained%s", cli_colour(CLI_YELLOW), (unsigned long long)waiting,
                cli_colour(CLI_PLAIN));
    if (!oldest_undrained_ms(survey))
        return;
    string_add_of(line, ", the oldest for ");
    view_age(clock_wall_ms() - oldest_undrained_ms(survey), line);
}

static void print_standing(const struct spool_survey *survey) {
    struct string line = {0};
    string_addf(&line, "  %s%s%s  %s: %llu records, ", cli_colour(CLI_BOLD), survey->id,
                cli_colour(CLI_PLAIN), holder(survey), (unsigned long long)survey->records);
    add_undrained(survey, &line);
    string_add_of(&line, ", ");
    view_size(survey->bytes, &line);
    add_damage(survey, &line);
    puts(line.data);
    string_finish(&line);
}

static bool any_waits_for_a_start(const struct look *look) {
    for (size_t i = 0; i < look->count; i++)
        if (!look->surveys[i].held && undrained(&look->surveys[i]))
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
        string_add_of(&line, " each)");
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
        survey_json(&look->cli, &look->surveys[i]);
    if (look->cli.options.json) {
        total_json(look);
        return;
    }
    print_total(look);
    for (size_t i = 0; i < look->count; i++)
        print_standing(&look->surveys[i]);
    if (any_waits_for_a_start(look))
        printf("What was left behind is drained by whichever serve starts next on this folder.\n");
}

static void print_row(const struct spool_survey *survey) {
    struct string size = {0};
    char oldest[VIEW_TIME] = "-", newest[VIEW_TIME] = "-";
    view_size(survey->bytes, &size);
    if (survey->oldest_ms)
        view_time(survey->oldest_ms, oldest);
    if (survey->newest_ms)
        view_time(survey->newest_ms, newest);
    printf("%-16s  %-4s %9llu %9llu %9s  %-20s  %-20s  %s%lld%s\n", survey->id,
           survey->held ? "yes" : "no", (unsigned long long)survey->records,
           (unsigned long long)undrained(survey), size.data, oldest, newest,
           cli_colour(is_damaged(survey) ? CLI_RED : CLI_PLAIN), (long long)survey->damaged_records,
           cli_colour(CLI_PLAIN));
    string_finish(&size);
}

static void tell_list(struct look *look) {
    if (!look->cli.options.json && look->count)
        printf("%s%-16s  %-4s %9s %9s %9s  %-20s  %-20s  %s%s\n", cli_colour(CLI_BOLD), "spool",
               "held", "records", "undrained", "size", "oldest", "newest", "damaged",
               cli_colour(CLI_PLAIN));
    for (size_t i = 0; i < look->count; i++)
        if (look->cli.options.json)
            survey_json(&look->cli, &look->surveys[i]);
        else
            print_row(&look->surveys[i]);
}

static void print_verdict(const struct spool_survey *survey) {
    struct string line = {0};
    string_addf(&line, "%s: %llu records", survey->id, (unsigned long long)survey->records);
    if (is_damaged(survey))
        add_damage(survey, &line);
    else
        string_addf(&line, ", %swhole%s", cli_colour(CLI_GREEN), cli_colour(CLI_PLAIN));
    puts(line.data);
    string_finish(&line);
}

static void tell_verified(struct look *look) {
    size_t damaged = 0;
    for (size_t i = 0; i < look->count; i++) {
        damaged += is_damaged(&look->surveys[i]);
        if (look->cli.options.json)
            survey_json(&look->cli, &look->surveys[i]);
        else
            print_verdict(&look->surveys[i]);
    }
    if (damaged)
        cli_fail(&look->cli, CLI_FAILED,
                 "damage in %zu of %zu spools; what is whole is drained all the same", damaged,
                 look->count);
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
            "  verify  checks every record; exit 1 where something is damaged. A copy of what\n"
            "          serve found damaged stands beside it, as damaged-SEGMENT-OFFSET\n"
            "All of them only read, also while serve runs, and need no Redis. What is drained\n"
            "is told by the last checkpoint, which lags behind a little.",
        .example = "kula-relay spool status",
        .options = options,
        .takes = CLI_TAKES_CONFIG | CLI_TAKES_JSON,
    };
    if (cli_start(&look.cli, &manual, argc, argv) && valid(&look) && find_directory(&look) &&
        survey(&look))
        look.verb->tell(&look);
    free(look.surveys);
    return cli_close(&look.cli);
}
