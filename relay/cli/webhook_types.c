#include "cli/webhook_types.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/nearest.h"
#include "base/pattern.h"

bool webhook_types_ask(struct webhook_desk *desk, struct webhook_types *types) {
    kula_api_types(desk->api, webhook_desk_on_answer, desk);
    if (!webhook_desk_wait(desk))
        return false;
    types->listed = webhook_desk_take(desk);
    return true;
}

void webhook_types_finish(struct webhook_types *types) {
    kula_answer_destroy(types->listed);
    free(types->chosen);
    *types = (struct webhook_types){0};
}

/* NULL where none is near; free() it. */
static char *nearest(const struct webhook_types *types, const char *type) {
    size_t least = 1 + strlen(type) / 3;
    char *best = NULL;
    for (size_t i = 0; i < types->listed->type_count; i++) {
        char *known = text_copy(types->listed->types[i]);
        size_t distance = nearest_distance(type, known);
        if (distance > least || (best && distance == least)) {
            free(known);
            continue;
        }
        free(best);
        best = known;
        least = distance;
    }
    return best;
}

bool webhook_types_unknown(struct webhook_desk *desk, const struct webhook_types *types,
                           const char *type) {
    char *near = nearest(types, type);
    cli_fail(&desk->cli, CLI_FAILED,
             "Kula lists no event \"%s\"%s%s%s (`kula-relay webhook events` shows all)", type,
             near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    free(near);
    return false;
}

static bool means_something(const struct webhook_types *types, const char *pattern) {
    for (size_t i = 0; i < types->listed->type_count; i++)
        if (pattern_list_matches(&pattern, 1, types->listed->types[i]))
            return true;
    return false;
}

bool webhook_types_choose(struct webhook_desk *desk, struct webhook_types *types,
                          const char *const *patterns, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (*patterns[i] != '!' && !means_something(types, patterns[i]))
            return webhook_types_unknown(desk, types, patterns[i]);
    types->chosen =
        memory_resize(types->chosen, (types->listed->type_count + 1) * sizeof(*types->chosen));
    types->count = 0;
    for (size_t i = 0; i < types->listed->type_count; i++)
        if (pattern_list_matches(patterns, count, types->listed->types[i]))
            types->chosen[types->count++] = types->listed->types[i];
    return types->count || cli_fail(&desk->cli, CLI_FAILED,
                                    "that leaves no event of those that Kula lists; `kula-relay "
                                    "webhook events` shows them");
}

static bool is_pattern(struct webhook_desk *desk, const char *word) {
    struct string why = {0};
    bool fine = pattern_valid(text_of(word), &why);
    if (!fine)
        options_wrong(&desk->cli.options, "--events: %s", why.data);
    string_finish(&why);
    return fine;
}

bool webhook_types_choose_listed(struct webhook_desk *desk, struct webhook_types *types,
                                 const char *patterns) {
    struct text rest = text_of(patterns);
    char **words = memory_new((rest.size + 1) * sizeof *words);
    size_t count = 0;
    bool fine = true;
    while (fine && rest.size) {
        words[count] = text_copy(text_trim(text_cut(&rest, ',')));
        fine = is_pattern(desk, words[count++]);
    }
    fine = fine && webhook_types_choose(desk, types, (const char *const *)words, count);
    for (size_t i = 0; i < count; i++)
        free(words[i]);
    free(words);
    return fine;
}
