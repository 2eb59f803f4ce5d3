#include "cli/spool_view.h"

#include <stdio.h>

#include "base/clock.h"
#include "cli/view.h"

bool spool_view_is_damaged(const struct spool_survey *survey) {
    return survey->damage_count || survey->checkpoint_damaged;
}

/* As JSON ---------------------------------------------------------------- */

static void number_json(struct cli *cli, const char *key, int64_t number) {
    cli_json_known(cli, key, number ? number : -1);
}

static void damage_json(struct cli *cli, const struct spool_survey *survey) {
    cli_json_bool(cli, "checkpoint_damaged", survey->checkpoint_damaged);
    json_key(cli->json, "damage");
    json_open(cli->json, '[');
    for (size_t i = 0; i < survey->damage_count; i++) {
        const struct spool_damage *damage = &survey->damage[i];
        json_open(cli->json, '{');
        cli_json_text_known(cli, "file", text_of(damage->file));
        cli_json_number(cli, "offset", damage->at);
        cli_json_number(cli, "bytes", damage->bytes);
        number_json(cli, "first", damage->first > damage->last ? 0 : (int64_t)damage->first);
        number_json(cli, "last", damage->first > damage->last ? 0 : (int64_t)damage->last);
        cli_json_text_known(cli, "copy", text_of(damage->copy));
        json_close(cli->json, '}');
    }
    json_close(cli->json, ']');
    cli_json_number(cli, "damage_untold", (int64_t)survey->damage_untold);
}

void spool_view_json(struct cli *cli, const struct spool_survey *survey, bool with_damage) {
    json_open(cli->json, '{');
    cli_json_text(cli, "spool", text_of(survey->id));
    cli_json_bool(cli, "held", survey->held);
    cli_json_text_known(cli, "broken", string_text(&survey->broken));
    cli_json_number(cli, "records", (int64_t)survey->records);
    cli_json_number(cli, "undrained", (int64_t)survey->undrained);
    cli_json_number(cli, "first", (int64_t)survey->first);
    cli_json_number(cli, "last", (int64_t)survey->last);
    cli_json_number(cli, "drained", (int64_t)survey->drained);
    cli_json_number(cli, "bytes", survey->bytes);
    number_json(cli, "oldest", survey->oldest_ms);
    number_json(cli, "oldest_undrained", survey->oldest_undrained_ms);
    number_json(cli, "newest", survey->newest_ms);
    cli_json_number(cli, "damaged_records", survey->damaged_records);
    cli_json_number(cli, "damaged_bytes", survey->damaged_bytes);
    cli_json_number(cli, "copies", (int64_t)survey->copies);
    if (with_damage)
        damage_json(cli, survey);
    json_close(cli->json, '}');
    cli_json_line(cli);
}

/* For people -------------------------------------------------------------- */

static const char *holder(const struct spool_survey *survey) {
    return survey->held ? "held by a running serve" : "left behind";
}

static void add_damage(const struct spool_survey *survey, struct string *line) {
    if (spool_view_is_damaged(survey)) {
        string_addf(line, ", %sdamaged: %lld records, ", cli_colour(CLI_RED),
                    (long long)survey->damaged_records);
        view_size(survey->damaged_bytes, line);
        string_add_of(line, cli_colour(CLI_PLAIN));
    }
    if (survey->copies)
        string_addf(line, ", %zu %s of damaged bytes kept for a person", survey->copies,
                    survey->copies == 1 ? "copy" : "copies");
}

static void add_undrained(const struct spool_survey *survey, struct string *line) {
    uint64_t waiting = survey->undrained;
    if (!waiting) {
        string_addf(line, "%sall drained%s", cli_colour(CLI_GREEN), cli_colour(CLI_PLAIN));
        return;
    }
    string_addf(line, "%s%llu undrained%s", cli_colour(CLI_YELLOW), (unsigned long long)waiting,
                cli_colour(CLI_PLAIN));
    if (!survey->oldest_undrained_ms)
        return;
    string_add_of(line, ", the oldest for ");
    view_age(clock_wall_ms() - survey->oldest_undrained_ms, line);
}

static void add_broken(const struct spool_survey *survey, struct string *line) {
    string_addf(line, "%scannot be read: %s%s", cli_colour(CLI_RED), survey->broken.data,
                cli_colour(CLI_PLAIN));
}

static void add_standing(const struct spool_survey *survey, struct string *line) {
    string_addf(line, "%llu records, ", (unsigned long long)survey->records);
    add_undrained(survey, line);
    string_add_of(line, ", ");
    view_size(survey->bytes, line);
    add_damage(survey, line);
}

void spool_view_standing(const struct spool_survey *survey) {
    struct string line = {0};
    string_addf(&line, "  %s%s%s  %s: ", cli_colour(CLI_BOLD), survey->id, cli_colour(CLI_PLAIN),
                holder(survey));
    if (survey->broken.size)
        add_broken(survey, &line);
    else
        add_standing(survey, &line);
    puts(line.data);
    string_finish(&line);
}

void spool_view_heading(void) {
    printf("%s%-16s  %-4s %9s %9s %9s  %-20s  %-20s  %s%s\n", cli_colour(CLI_BOLD), "spool", "held",
           "records", "undrained", "size", "oldest", "newest", "damaged", cli_colour(CLI_PLAIN));
}

static void print_broken_row(const struct spool_survey *survey) {
    struct string line = {0};
    string_addf(&line, "%-16s  %-4s ", survey->id, survey->held ? "yes" : "no");
    add_broken(survey, &line);
    puts(line.data);
    string_finish(&line);
}

void spool_view_row(const struct spool_survey *survey) {
    struct string size = {0};
    char oldest[VIEW_TIME] = "-", newest[VIEW_TIME] = "-";
    if (survey->broken.size) {
        print_broken_row(survey);
        return;
    }
    view_size(survey->bytes, &size);
    if (survey->oldest_ms)
        view_time(survey->oldest_ms, oldest);
    if (survey->newest_ms)
        view_time(survey->newest_ms, newest);
    printf("%-16s  %-4s %9llu %9llu %9s  %-20s  %-20s  %s%lld%s\n", survey->id,
           survey->held ? "yes" : "no", (unsigned long long)survey->records,
           (unsigned long long)survey->undrained, size.data, oldest, newest,
           cli_colour(spool_view_is_damaged(survey) ? CLI_RED : CLI_PLAIN),
           (long long)survey->damaged_records, cli_colour(CLI_PLAIN));
    string_finish(&size);
}

/* Whether they are lost: what Redis has, it has, whatever became of the disk. */
static void add_lost(const struct spool_survey *survey, const struct spool_damage *damage,
                     struct string *line) {
    unsigned long long first = damage->first, last = damage->last, drained = survey->drained;
    if (first > last) {
        string_add_of(line, "no record");
        return;
    }
    if (first == last)
        string_addf(line, "record %llu", first);
    else
        string_addf(line, "records %llu to %llu", first, last);
    if (survey->checkpoint_damaged)
        string_add_of(line, "; whether Redis had it is not known");
    else if (last <= drained)
        string_add_of(line, ", which Redis had");
    else if (first > drained)
        string_add_of(line, ", which Redis did not have yet");
    else
        string_addf(line, ", which Redis had up to %llu", drained);
}

static void print_damage(const struct spool_survey *survey, const struct spool_damage *damage) {
    struct string line = {0};
    if (*damage->file)
        string_addf(&line, "  %s at byte %lld, %lld bytes: ", damage->file, (long long)damage->at,
                    (long long)damage->bytes);
    else
        string_add_of(&line, "  in no file any more: ");
    add_lost(survey, damage, &line);
    if (*damage->copy)
        string_addf(&line, "; a copy is kept as %s", damage->copy);
    puts(line.data);
    string_finish(&line);
}

void spool_view_verdict(const struct spool_survey *survey) {
    struct string line = {0};
    string_addf(&line, "%s: ", survey->id);
    if (survey->broken.size) {
        add_broken(survey, &line);
    } else {
        string_addf(&line, "%llu records", (unsigned long long)survey->records);
        if (!spool_view_is_damaged(survey))
            string_addf(&line, ", %swhole%s", cli_colour(CLI_GREEN), cli_colour(CLI_PLAIN));
        add_damage(survey, &line);
    }
    puts(line.data);
    string_finish(&line);
    if (survey->checkpoint_damaged)
        puts("  checkpoint, damaged: serve asks Redis instead how far it has this spool");
    for (size_t i = 0; i < survey->damage_count; i++)
        print_damage(survey, &survey->damage[i]);
    if (survey->damage_untold)
        printf("  and in %zu more places\n", survey->damage_untold);
}
