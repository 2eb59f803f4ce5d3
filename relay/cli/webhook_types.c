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

bool webhook_types_unknown(struct webhook_desk *desk, const struct webhook_types *types,
                           const char *type) {
    struct nearest nearest = {.word = text_of(type)};
    struct string hint = {0};
    for (size_t i = 0; i < types->listed->type_count; i++)
        nearest_offer(&nearest, types->listed->types[i]);
    nearest_add(&nearest, &hint);
    cli_fail(&desk->cli, CLI_FAILED,
             "Kula lists no event \"%s\"%.*s (`kula-relay webhook events` shows all)", type,
             TEXT_ARG(string_text(&hint)));
    string_finish(&hint);
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
