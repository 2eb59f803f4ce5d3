#include "net/redis_refusal.h"

enum redis_refusal redis_refusal_of(struct text error) {
    static const struct {
        const char *word;
        enum redis_refusal refusal;
    } rows[] = {
        {"BUSY", REDIS_REFUSAL_REST},         {"CLUSTERDOWN", REDIS_REFUSAL_REST},
        {"LOADING", REDIS_REFUSAL_RECONNECT}, {"MASTERDOWN", REDIS_REFUSAL_RECONNECT},
        {"MISCONF", REDIS_REFUSAL_REST},      {"NOAUTH", REDIS_REFUSAL_RECONNECT},
        {"NOREPLICAS", REDIS_REFUSAL_REST},   {"NOSCRIPT", REDIS_REFUSAL_NO_SCRIPT},
        {"OOM", REDIS_REFUSAL_REST},          {"READONLY", REDIS_REFUSAL_RECONNECT},
        {"TRYAGAIN", REDIS_REFUSAL_REST},     {"WRONGPASS", REDIS_REFUSAL_RECONNECT},
    };
    struct text word = text_cut(&error, ' ');
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (text_is(word, rows[i].word))
            return rows[i].refusal;
    return REDIS_REFUSAL_FINAL;
}
