#include "pen/release.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "net/loop.h"

enum {
    PAGE = 64,
    STEP_BYTES = 256 * 1024, /* hashed in one turn of the loop, with each secret */
    ENTRY_BYTES = 4096,      /* what an entry costs besides, as if it were to be hashed */
    DEADLINE_MS = 5000,
    TRACE_HEX = 32, /* as in W3C traceparent */
};

/* One penned delivery of the page that is being worked on. */
struct inmate {
    struct release *release;
    struct pen_entry entry; /* texts are copies */
    char *event_id;         /* NULL until it is ruled on */
    bool goes;              /* it stands in the stream, and leaves the pen */
};

enum release_state {
    RELEASE_RESTING,
    RELEASE_READING, /* a page was asked for */
    RELEASE_RULING,  /* on one entry after the other; some are on the way into the stream */
    RELEASE_CLEARING /* what stands in the stream is on its way out of the pen */
};

struct release {
    struct release_options options;
    struct judge *judge;
    enum release_state state;
    struct loop_timer *turn;
    char *after; /* so far all was ruled on */
    struct inmate *inmates;
    size_t count, at;
    bool more;               /* behind this page */
    struct hearing *hearing; /* of the inmate `at`; NULL: not begun */
    size_t appending;        /* on the way into the stream */
    bool failed;             /* one of them did not get there */
    bool begin_again;        /* before it goes on; another judge may have come */
};

static void walk(struct release *);

/* ---- A page ---- */

static void copy_text(struct text *text) {
    *text = text_slice(text_copy(*text), text->size);
}

static void free_text(struct text text) {
    free((void *)(uintptr_t)text.data);
}

static struct inmate take_in(struct release *release, const struct pen_entry *entry) {
    struct inmate inmate = {.release = release, .entry = *entry};
    copy_text(&inmate.entry.pen_id);
    copy_text(&inmate.entry.endpoint);
    copy_text(&inmate.entry.reason);
    copy_text(&inmate.entry.signature);
    copy_text(&inmate.entry.body);
    return inmate;
}

static void free_page(struct release *release) {
    for (size_t i = 0; i < release->count; i++) {
        struct inmate *inmate = &release->inmates[i];
        free_text(inmate->entry.pen_id);
        free_text(inmate->entry.endpoint);
        free_text(inmate->entry.reason);
        free_text(inmate->entry.signature);
        free_text(inmate->entry.body);
        free(inmate->event_id);
    }
    free(release->inmates);
    release->inmates = NULL;
    release->count = release->at = 0;
}

static void rest(struct release *release, enum ledger_outcome outcome) {
    release->state = RELEASE_RESTING;
    release->options.on_end(release->options.arg, outcome);
}

static void begin(struct release *release) {
    free(release->after);
    release->after = text_copy(text_of("0-0"));
    release->begin_again = false;
    walk(release);
}

/* Nobody waits for anything of this page any more. */
static void end_page(struct release *release, enum ledger_outcome outcome) {
    if (outcome == LEDGER_DONE && !release->begin_again && release->count) {
        free(release->after);
        release->after = text_copy(release->inmates[release->count - 1].entry.pen_id);
    }
    free_page(release);
    if (release->begin_again)
        begin(release);
    else if (outcome == LEDGER_DONE && release->more)
        walk(release);
    else
        rest(release, outcome);
}

/* ---- Out of the pen ---- */

static enum ledger_outcome outcome_of_page(const struct release *release) {
    if (!release->failed)
        return LEDGER_DONE;
    return ledger_connected(release->options.ledger) ? LEDGER_REFUSED : LEDGER_AWAY;
}

static void on_removed(void *arg, enum ledger_outcome outcome, const bool *went) {
    struct release *release = arg;
    (void)went; /* somebody else may have been quicker */
    end_page(release, outcome == LEDGER_DONE ? outcome_of_page(release) : outcome);
}

static void clear_pen(struct release *release) {
    struct text going[PAGE];
    size_t count = 0;
    loop_timer_cancel(release->turn);
    for (size_t i = 0; i < release->count; i++)
        if (release->inmates[i].goes)
            going[count++] = release->inmates[i].entry.pen_id;
    if (count == 0) {
        end_page(release, outcome_of_page(release));
        return;
    }
    release->state = RELEASE_CLEARING;
    pen_remove(release->options.ledger, going, count, on_removed, release);
}

/* ---- Into the stream ---- */

static void tell(struct inmate *inmate, const char *stays, bool duplicate) {
    const struct release_options *options = &inmate->release->options;
    options->on_ruled(options->arg, &(struct release_ruled){.entry = &inmate->entry,
                                                            .event_id = text_of(inmate->event_id),
                                                            .stays = stays,
                                                            .duplicate = duplicate});
}

static void clear_pen_if_all_is_ruled(struct release *release) {
    if (release->at == release->count && release->appending == 0)
        clear_pen(release);
}

static void on_appended(void *arg, const struct ledger_appended *appended) {
    struct inmate *inmate = arg;
    struct release *release = inmate->release;
    release->appending--;
    inmate->goes = appended->stored == LEDGER_STORED || appended->stored == LEDGER_DUPLICATE;
    if (inmate->goes)
        tell(inmate, NULL, appended->stored == LEDGER_DUPLICATE);
    else
        release->failed = true;
    clear_pen_if_all_is_ruled(release);
}

static void append(struct inmate *inmate, const struct ruling *ruling) {
    struct release *release = inmate->release;
    char trace[TRACE_HEX + 1];
    random_hex(trace, TRACE_HEX);
    struct ledger_item item = {
        .event = {.id = text_of(ruling->envelope.id),
                  .type = text_of(ruling->envelope.type),
                  .endpoint = inmate->entry.endpoint,
                  .account = text_of(ruling->envelope.account),
                  .created = text_of(ruling->envelope.created),
                  .trace = text_of(trace),
                  .body = inmate->entry.body,
                  .received_ms = inmate->entry.received_ms},
        .window_ms = ruling->window_ms,
    };
    release->appending++;
    ledger_append(release->options.ledger, &item, DEADLINE_MS, on_appended, inmate);
}

/* ---- Ruling ---- */

static void rule(struct inmate *inmate) {
    struct release *release = inmate->release;
    struct ruling ruling;
    judge_rule(release->hearing, &ruling);
    judge_dismiss(release->hearing);
    release->hearing = NULL;
    inmate->event_id = text_copy(text_of(ruling.envelope.id));
    if (ruling.stays || release->options.dry_run)
        tell(inmate, ruling.stays, false);
    else
        append(inmate, &ruling);
}

/* What it costs, in bytes. */
static size_t hear(struct release *release, struct inmate *inmate, size_t bytes) {
    if (!release->hearing)
        release->hearing = judge_hear(release->judge, &inmate->entry);
    size_t cost = judge_go_on(release->hearing, bytes);
    if (!judge_heard(release->hearing))
        return cost;
    rule(inmate);
    release->at++;
    return cost + ENTRY_BYTES;
}

static bool is_wanted(const struct release *release, const struct inmate *inmate) {
    const struct release_options *options = &release->options;
    return !options->wants || options->wants(options->arg, &inmate->entry);
}

static void on_turn(void *arg) {
    struct release *release = arg;
    size_t spent = 0;
    while (release->at < release->count && spent < STEP_BYTES) {
        struct inmate *inmate = &release->inmates[release->at];
        if (release->hearing || is_wanted(release, inmate))
            spent += hear(release, inmate, STEP_BYTES - spent);
        else
            release->at++;
    }
    if (release->at < release->count)
        loop_timer_set(release->turn, 0);
    else
        clear_pen_if_all_is_ruled(release);
}

/* ---- Reading ---- */

static void on_page(void *arg, const struct pen_page *page) {
    struct release *release = arg;
    assert(!release->inmates);
    release->more = page->outcome == LEDGER_DONE && page->more;
    if (page->outcome != LEDGER_DONE || page->count == 0 || release->begin_again) {
        end_page(release, page->outcome);
        return;
    }
    release->inmates = memory_new(page->count * sizeof *release->inmates);
    for (; release->count < page->count; release->count++)
        release->inmates[release->count] = take_in(release, &page->items[release->count]);
    release->failed = false;
    release->state = RELEASE_RULING;
    loop_timer_set(release->turn, 0);
}

static void walk(struct release *release) {
    release->state = RELEASE_READING;
    pen_after(release->options.ledger, text_of(release->after), PAGE, on_page, release);
}

/* ---- Its life ---- */

struct release *release_create(const struct release_options *options) {
    struct release *release = memory_new(sizeof *release);
    release->options = *options;
    release->after = text_copy(text_of("0-0"));
    release->turn = loop_timer_create(options->loop, on_turn, release);
    return release;
}

void release_destroy(struct release *release) {
    if (!release)
        return;
    judge_dismiss(release->hearing);
    judge_destroy(release->judge);
    loop_timer_destroy(release->turn);
    free_page(release);
    free(release->after);
    free(release);
}

/* What is on its way goes on; of the rest of the page the new judge hears. */
static void break_off(struct release *release) {
    judge_dismiss(release->hearing);
    release->hearing = NULL;
    release->begin_again = true;
    if (release->state != RELEASE_RULING)
        return;
    release->at = release->count;
    loop_timer_set(release->turn, 0);
}

void release_begin(struct release *release, struct judge **judge) {
    if (release->state != RELEASE_RESTING)
        break_off(release);
    judge_destroy(release->judge);
    release->judge = *judge;
    *judge = NULL;
    if (release->state == RELEASE_RESTING)
        begin(release);
}

void release_begin_again(struct release *release) {
    assert(release->judge);
    if (release->state == RELEASE_RESTING)
        begin(release);
    else
        release->begin_again = true;
}

void release_go_on(struct release *release) {
    assert(release->judge);
    if (release->state == RELEASE_RESTING)
        walk(release);
}
