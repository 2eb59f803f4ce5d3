#include "forward/lane_key.h"

#include "base/json.h"

enum { PARTS_MOST = 8 };

struct search {
    struct text parts[PARTS_MOST];
    size_t count;
    size_t depth;   /* brackets that are open */
    size_t matched; /* parts that led here */
    struct string *key;
};

static bool is_there(const struct search *search) {
    return search->depth == search->count && search->matched == search->count;
}

static bool on_key(void *arg, struct text name) {
    struct search *search = arg;
    size_t above = search->depth - 1;
    if (search->matched < above || above >= search->count)
        return true;
    search->matched = above + text_equal(name, search->parts[above]);
    if (search->matched > above) /* what another member of this name had counts no more */
        string_clear(search->key);
    return true;
}

static bool on_value(void *arg, struct text value) {
    struct search *search = arg;
    if (is_there(search)) {
        string_clear(search->key);
        string_add(search->key, value);
    }
    return true;
}

static bool on_open(void *arg, char bracket) {
    struct search *search = arg;
    (void)bracket;
    search->depth++;
    return true;
}

static bool on_close(void *arg, char bracket) {
    struct search *search = arg;
    (void)bracket;
    search->depth--;
    if (search->matched > search->depth)
        search->matched = search->depth;
    return true;
}

static bool find(struct text path, struct text body, struct string *key) {
    static const struct json_reader reader = {
        .on_key = on_key,
        .on_string = on_value,
        .on_number = on_value,
        .on_open = on_open,
        .on_close = on_close,
    };
    struct search search = {.key = key};
    while (path.size && search.count < PARTS_MOST)
        search.parts[search.count++] = text_cut(&path, '.');
    return json_read(body, &reader, &search) == JSON_WHOLE;
}

bool lane_key(const char *order_by, const struct ledger_event *event, struct string *key) {
    string_clear(key);
    if (text_is(text_of(order_by), "account"))
        string_add(key, event->account);
    else if (!find(text_of(order_by), event->body, key))
        string_clear(key);
    if (key->size > LANE_KEY_MOST)
        key->size = LANE_KEY_MOST;
    return key->size > 0;
}
