#include "kula_api/kula_refusal.h"

#include <string.h>

#include "base/utf8.h"
#include "base/values.h"

enum {
    DETAILS_MOST = 10,
    DETAIL_BYTES_MOST = 300,
    BEGINNING_BYTES = 60,
    RETRY_AFTER_USUAL_S = 60, /* in Kula's own sample code */
};

/* Kula's own words --------------------------------------------------------- */

struct telling {
    struct string *out;
    int count;
};

/* Cut between characters, and as one line. */
static void add_words(struct string *out, struct text words, size_t most) {
    size_t end = out->size + most;
    while (words.size && out->size < end) {
        uint32_t character;
        size_t size = utf8_read(words, &character);
        if (size && !utf8_steers(character))
            string_add(out, text_slice(words.data, size));
        else
            string_add_char(out, ' ');
        words = text_slice(words.data + (size ? size : 1), words.size - (size ? size : 1));
    }
    if (words.size)
        string_add_of(out, "...");
}

static bool is_value(const struct json_tree *tree) {
    return json_tree_count(tree) == 0 && json_tree_text(tree).size;
}

/* Whatever stands in there, as "name: words". */
static void add_details(struct telling *telling, struct text name, const struct json_tree *tree) {
    for (size_t i = 0; i < json_tree_count(tree); i++) {
        struct text key = json_tree_key(tree, i);
        add_details(telling, key.size ? key : name, json_tree_at(tree, i));
    }
    if (!is_value(tree) || telling->count++ >= DETAILS_MOST)
        return;
    string_add_of(telling->out, telling->out->size ? "; " : "");
    if (name.size) {
        add_words(telling->out, name, DETAIL_BYTES_MOST);
        string_add_of(telling->out, ": ");
    }
    add_words(telling->out, json_tree_text(tree), DETAIL_BYTES_MOST);
}

/* "ERR_X: words; field: words"; empty where Kula said nothing that can be read. */
static void add_error(const struct json_tree *tree, struct string *out) {
    static const char *const places[] = {"details", "errors", "fields"};
    const struct json_tree *error = json_tree_get(tree, "error");
    struct telling telling = {.out = out};
    struct text code = json_tree_text(json_tree_get(error, "code"));
    struct text words = json_tree_text(json_tree_get(error, "message"));
    if (is_value(error)) /* {"error": "words"} */
        words = json_tree_text(error);
    if (!words.size)
        words = json_tree_text(json_tree_get(tree, "message"));
    add_words(out, code, DETAIL_BYTES_MOST);
    if (code.size && words.size)
        string_add_of(out, ": ");
    add_words(out, words, DETAIL_BYTES_MOST);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        add_details(&telling, text_of(NULL), json_tree_get(error, places[i]));
        add_details(&telling, text_of(NULL), json_tree_get(tree, places[i]));
    }
}

/* Whose fault, and what to do ----------------------------------------------- */

static int64_t seconds_in(const struct json_tree *value) {
    uint64_t seconds;
    return text_to_uint(json_tree_text(value), 86400, &seconds) ? (int64_t)seconds : 0;
}

static int64_t told_wait_ms(const struct json_tree *tree, int64_t by_header_ms) {
    int64_t seconds = seconds_in(json_tree_get(json_tree_get(tree, "meta"), "retry_after"));
    const struct json_tree *error = json_tree_get(tree, "error");
    if (!seconds)
        seconds = seconds_in(json_tree_get(json_tree_get(error, "meta"), "retry_after"));
    if (seconds)
        return seconds * 1000;
    return by_header_ms ? by_header_ms : RETRY_AFTER_USUAL_S * 1000;
}

static int64_t wait_ms(const struct json_tree *tree, int64_t by_header_ms) {
    int64_t told_ms = told_wait_ms(tree, by_header_ms), most_ms = KULA_LIMIT_WINDOW_S * 1000;
    return told_ms < most_ms ? told_ms : most_ms;
}

static void limited(struct kula_answer *answer, const char *said) {
    struct string *out = &answer->problem;
    answer->outcome = KULA_LIMITED;
    string_addf(out,
                "Kula takes no more requests for now (%s): its limit, 1,000 an hour, is one "
                "for all programs that use the account; try again in ",
                said);
    values_format_duration(answer->retry_after_ms, out);
}

static void refused(struct kula_answer *answer, const char *said) {
    struct string *out = &answer->problem;
    answer->outcome = KULA_REFUSED;
    if (answer->status == 401)
        string_addf(out,
                    "Kula does not take the API token (%s): put a valid key of the type "
                    "Application API, from Settings > API Management, into kula.token_file",
                    said);
    else if (answer->status == 403)
        string_addf(out,
                    "Kula does not let this token do that (%s): webhooks have to be part of the "
                    "account's plan, and the key of the type Application API",
                    said);
    else
        string_addf(out, "Kula refuses this (%s)", said);
}

static void nonsense(struct kula_answer *answer, const struct kula_refusal *refusal) {
    struct string *out = &answer->problem;
    answer->outcome = KULA_NONSENSE;
    string_addf(out, "what answers at %s does not speak as Kula's API does (%d", refusal->url,
                answer->status);
    /* An error page says whose it is. Nothing else is quoted, for it may hold a secret. */
    if (text_starts(refusal->body, "<")) {
        string_add_of(out, ", \"");
        add_words(out, refusal->body, BEGINNING_BYTES);
        string_add_of(out, "\"");
    } else if (refusal->body.size) {
        string_add_of(out, ", without what was asked for");
    }
    string_add_of(out, "): is kula.api right, or does a proxy stand between?");
}

static void classify(struct kula_answer *answer, const struct kula_refusal *refusal,
                     const char *said) {
    if (answer->status == 429)
        limited(answer, said);
    else if (answer->status < 400)
        nonsense(answer, refusal);
    else if (answer->status >= 500) {
        answer->outcome = KULA_AWAY;
        string_addf(&answer->problem, "Kula has trouble of its own (%s): try again later", said);
    } else if (answer->status == 404 || answer->status == 410) {
        answer->outcome = KULA_MISSING;
        string_addf(&answer->problem, "Kula has no such thing (%s)", said);
    } else {
        refused(answer, said);
    }
}

void kula_refusal_read(struct kula_answer *answer, const struct kula_refusal *refusal) {
    struct json_tree *tree = json_tree_read(refusal->body);
    struct string error = {0}, said = {0};
    answer->status = refusal->status;
    answer->retry_after_ms = wait_ms(tree, refusal->retry_after_ms);
    add_error(tree, &error);
    string_addf(&said, "%d%s%s", refusal->status, error.size ? " " : "",
                error.size ? error.data : "");
    /* An error page of somebody in between; Kula's own errors are JSON. */
    if (!tree && refusal->body.size && refusal->status < 500 && refusal->status != 429)
        nonsense(answer, refusal);
    else
        classify(answer, refusal, said.data);
    json_tree_destroy(tree);
    string_finish(&error);
    string_finish(&said);
}

void kula_refusal_of_nonsense(struct kula_answer *answer, const struct kula_refusal *refusal) {
    answer->status = refusal->status;
    nonsense(answer, refusal);
}

bool kula_refusal_is_about_events(const struct kula_answer *answer) {
    return (answer->status == 400 || answer->status == 422) && answer->problem.data &&
           strstr(answer->problem.data, "events");
}
