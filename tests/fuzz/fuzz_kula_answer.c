/* An answer of Kula's management API that somebody has made up: the first byte says what is
 * looked for, the second whether it is a refusal; the rest is the body. What is found can be
 * written as JSON, and what is told is one line that steers no terminal. */
#include <assert.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "kula_api/kula_refusal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void assert_tellable(struct text line) {
    while (line.size) {
        uint32_t character;
        size_t size = utf8_read(line, &character);
        assert(size && !utf8_steers(character));
        line = text_slice(line.data + size, line.size - size);
    }
}

static void refuse(struct kula_answer *answer, const struct kula_refusal *refusal) {
    kula_refusal_read(answer, refusal);
    assert(answer->outcome != KULA_DONE && answer->problem.size);
    assert(answer->retry_after_ms > 0 && answer->retry_after_ms <= KULA_LIMIT_WINDOW_S * 1000);
    assert_tellable(string_text(&answer->problem));
}

static void read_answer(struct kula_answer *answer, enum kula_shape shape, struct text body) {
    const struct kula_question question = {
        .shape = shape, .page = 1, .page_size = 2, .type = "a.b", .now_ms = 1};
    if (!kula_answer_read(answer, &question, body))
        return;
    for (size_t i = 0; i < answer->webhook_count; i++)
        assert(answer->webhooks[i].id.size);
    assert(shape != KULA_SECRET || answer->secret.size);
    assert(shape != KULA_TYPES || answer->type_count);
    struct json_tree *sample = json_tree_read(string_text(&answer->sample));
    assert(shape != KULA_SAMPLE || json_tree_kind(json_tree_get(sample, "event")) == JSON_STRING);
    json_tree_destroy(sample);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const int statuses[] = {400, 401, 403, 404, 422, 429, 500, 302};
    if (size < 2)
        return 0;
    struct kula_answer *answer = memory_new(sizeof *answer);
    struct text body = text_slice((const char *)data + 2, size - 2);
    const struct kula_refusal refusal = {
        .status = statuses[data[1] % 8], .body = body, .url = "https://api"};
    if (data[1] & 8)
        refuse(answer, &refusal);
    else
        read_answer(answer, (enum kula_shape)(data[0] % (KULA_SAMPLE + 1)), body);
    kula_answer_destroy(answer);
    return 0;
}
