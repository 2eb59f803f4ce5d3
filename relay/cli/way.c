#include "cli/way.h"

#include <stdlib.h>

#include "base/memory.h"
#include "cli/view.h"
#include "ledger/browse.h"

struct entry { /* of the stream: the first one, or one that was sent again */
    char *stream_id;
    char *to; /* empty: meant for all */
};

struct ending { /* how the last attempt of one service at one entry went */
    char *service, *stream_id;
    bool delivered;
};

struct way {
    struct cli *cli;
    enum ledger_outcome outcome;
    struct entry *entries;
    size_t count;
    const struct entry *entry; /* whose standing is asked */
    struct ending *endings;
    size_t ending_count;
};

/* The first half of what Redis numbers its entries with is the time. */
static int64_t time_of(struct text stream_id) {
    uint64_t ms = 0;
    text_to_uint(text_cut(&stream_id, '-'), INT64_MAX, &ms);
    return (int64_t)ms;
}

static void print_entry(struct way *way, const struct ledger_event *event) {
    char when[VIEW_TIME];
    if (way->cli->options.json) {
        json_open(way->cli->json, '{');
        json_key(way->cli->json, "event");
        json_open(way->cli->json, '{');
        view_event_json(way->cli, event, false);
        json_close(way->cli->json, '}');
        json_close(way->cli->json, '}');
        cli_json_line(way->cli);
        return;
    }
    if (way->count == 1)
        view_event(event);
    view_time(time_of(event->stream_id), when);
    if (event->to.size)
        printf("  %s  sent again to %.*s, as %.*s\n", when, TEXT_ARG(event->to),
               TEXT_ARG(event->stream_id));
    else
        printf("  %s  accepted by %.*s, as %.*s\n", when, TEXT_ARG(event->endpoint),
               TEXT_ARG(event->stream_id));
}

static void on_found(void *arg, const struct browse_page *page) {
    struct way *way = arg;
    way->outcome = page->outcome;
    for (size_t i = 0; page->outcome == LEDGER_DONE && i < page->count; i++) {
        way->entries = memory_resize(way->entries, (way->count + 1) * sizeof *way->entries);
        way->entries[way->count++] =
            (struct entry){text_copy(page->events[i].stream_id), text_copy(page->events[i].to)};
        print_entry(way, &page->events[i]);
    }
    cli_wake(way->cli);
}

static void attempt_json(struct cli *cli, const struct browse_attempt *attempt) {
    json_open(cli->json, '{');
    json_key(cli->json, "attempt");
    json_open(cli->json, '{');
    cli_json_number(cli, "at", time_of(attempt->log_id));
    cli_json_text(cli, "service", attempt->service);
    cli_json_text(cli, "stream_id", attempt->stream_id);
    cli_json_text(cli, "id", attempt->event_id);
    cli_json_number(cli, "attempt", attempt->attempt);
    cli_json_text(cli, "outcome", attempt->outcome);
    cli_json_text(cli, "reason", attempt->reason);
    cli_json_number(cli, "status", attempt->status);
    cli_json_number(cli, "took_ms", attempt->took_ms);
    json_close(cli->json, '}');
    json_close(cli->json, '}');
    cli_json_line(cli);
}

static enum cli_colour outcome_colour(struct text outcome) {
    if (text_is(outcome, "delivered"))
        return CLI_GREEN;
    return text_is(outcome, "never") ? CLI_RED : CLI_YELLOW;
}

static void print_attempt(struct cli *cli, const struct browse_attempt *attempt) {
    char when[VIEW_TIME];
    struct string answer = {0};
    if (cli->options.json) {
        attempt_json(cli, attempt);
        return;
    }
    if (attempt->status)
        string_addf(&answer, "%d", attempt->status);
    else
        view_clean(attempt->reason, &answer);
    view_time(time_of(attempt->log_id), when);
    printf("  %s  attempt %u at %.*s: %s%.*s%s (%s, %lld ms)\n", when, attempt->attempt,
           TEXT_ARG(attempt->service), cli_colour(outcome_colour(attempt->outcome)),
           TEXT_ARG(attempt->outcome), cli_colour(CLI_PLAIN), answer.data ? answer.data : "",
           (long long)attempt->took_ms);
    string_finish(&answer);
}

static struct ending *find_ending(const struct way *way, struct text service,
                                  struct text stream_id) {
    for (size_t i = 0; i < way->ending_count; i++)
        if (text_is(service, way->endings[i].service) &&
            text_is(stream_id, way->endings[i].stream_id))
            return &way->endings[i];
    return NULL;
}

static void remember_ending(struct way *way, const struct browse_attempt *attempt) {
    struct ending *ending = find_ending(way, attempt->service, attempt->stream_id);
    if (!ending) {
        way->endings = memory_resize(way->endings, (way->ending_count + 1) * sizeof *ending);
        ending = &way->endings[way->ending_count++];
        ending->service = text_copy(attempt->service);
        ending->stream_id = text_copy(attempt->stream_id);
    }
    ending->delivered = text_is(attempt->outcome, "delivered");
}

static void on_attempts(void *arg, const struct browse_attempts *attempts) {
    struct way *way = arg;
    way->outcome = attempts->outcome;
    for (size_t i = 0; attempts->outcome == LEDGER_DONE && i < attempts->count; i++) {
        print_attempt(way->cli, &attempts->items[i]);
        remember_ending(way, &attempts->items[i]);
    }
    cli_wake(way->cli);
}

static void stand_json(struct cli *cli, const char *stream_id, const struct browse_stand *stand) {
    json_open(cli->json, '{');
    json_key(cli->json, "standing");
    json_open(cli->json, '{');
    cli_json_text(cli, "service", stand->service);
    cli_json_text(cli, "stream_id", text_of(stream_id));
    cli_json_text(cli, "standing", text_of(browse_standing_name(stand->standing)));
    cli_json_number(cli, "attempts", stand->attempts);
    if (stand->standing == BROWSE_OWED)
        cli_json_number(cli, "due_in_ms", stand->due_in_ms);
    cli_json_text(cli, "outcome", stand->outcome);
    json_close(cli->json, '}');
    json_close(cli->json, '}');
    cli_json_line(cli);
}

static void print_owed(const struct browse_stand *stand) {
    printf("%sowed%s, ", cli_colour(CLI_YELLOW), cli_colour(CLI_PLAIN));
    if (stand->attempts)
        printf("%u attempts so far, the last one %.*s", stand->attempts, TEXT_ARG(stand->outcome));
    else
        printf("its first attempt is under way");
    printf("; looked at again in %lld ms", (long long)stand->due_in_ms);
}

/* The ledger keeps no list of what it is done with; the log of attempts tells more. */
static void print_settled(const struct ending *ending) {
    if (!ending)
        printf("not wanted by it, or longer ago than the log of attempts goes back");
    else if (ending->delivered)
        printf("%sdelivered%s", cli_colour(CLI_GREEN), cli_colour(CLI_PLAIN));
    else
        printf("was a dead letter, which is replayed or dropped");
}

static void print_stand(struct way *way, const struct browse_stand *stand) {
    const char *stream_id = way->entry->stream_id;
    printf("  %.*s: ", TEXT_ARG(stand->service));
    switch (stand->standing) {
    case BROWSE_UNREAD:
        printf("%snot given to it yet%s", cli_colour(CLI_YELLOW), cli_colour(CLI_PLAIN));
        break;
    case BROWSE_OWED:
        print_owed(stand);
        break;
    case BROWSE_DEAD:
        printf("%sdead%s, %.*s", cli_colour(CLI_RED), cli_colour(CLI_PLAIN),
               TEXT_ARG(stand->outcome));
        break;
    case BROWSE_SETTLED:
        print_settled(find_ending(way, stand->service, text_of(stream_id)));
        break;
    }
    printf("%s%s\n", *way->entry->to ? ", as " : "", *way->entry->to ? stream_id : "");
}

static void on_stands(void *arg, const struct browse_stands *stands) {
    struct way *way = arg;
    way->outcome = stands->outcome;
    for (size_t i = 0; stands->outcome == LEDGER_DONE && i < stands->count; i++) {
        /* What is addressed to one service says nothing about the others. */
        if (*way->entry->to && !text_is(stands->items[i].service, way->entry->to))
            continue;
        if (way->cli->options.json)
            stand_json(way->cli, way->entry->stream_id, &stands->items[i]);
        else
            print_stand(way, &stands->items[i]);
    }
    cli_wake(way->cli);
}

static bool print_all(struct way *way, struct text event_id) {
    browse_find(way->cli->ledger, event_id, on_found, way);
    cli_wait(way->cli);
    if (!cli_fine(way->cli, way->outcome))
        return false;
    browse_attempts(way->cli->ledger, event_id, on_attempts, way);
    cli_wait(way->cli);
    if (!cli_fine(way->cli, way->outcome))
        return false;
    for (size_t i = 0; i < way->count; i++) {
        way->entry = &way->entries[i];
        browse_where(way->cli->ledger, text_of(way->entry->stream_id), on_stands, way);
        cli_wait(way->cli);
        if (!cli_fine(way->cli, way->outcome))
            return false;
    }
    if (!way->count && !way->ending_count)
        return cli_fail(way->cli, CLI_NOT_FOUND, "the ledger has no event %.*s",
                        TEXT_ARG(event_id));
    if (!way->count && !way->cli->options.json)
        printf("  the event itself stands in the stream no more\n");
    return true;
}

bool way_print(struct cli *cli, struct text event_id) {
    struct way way = {.cli = cli};
    bool fine = print_all(&way, event_id);
    for (size_t i = 0; i < way.count; i++) {
        free(way.entries[i].stream_id);
        free(way.entries[i].to);
    }
    for (size_t i = 0; i < way.ending_count; i++) {
        free(way.endings[i].service);
        free(way.endings[i].stream_id);
    }
    free(way.entries);
    free(way.endings);
    return fine;
}
