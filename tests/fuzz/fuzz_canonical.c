/* A body that somebody has made up, read as JavaScript would: what comes of it is JSON, has itself
 * as its second reading, and says the same to who reads the envelope. */
#include <assert.h>
#include <string.h>

#include "base/json.h"
#include "kula/canonical.h"
#include "kula/envelope.h"

/* Whichever of two equal keys counts, the envelope does not go by it. */
static void compare_envelopes(struct text body, struct text canonical) {
    struct envelope one, other;
    if (envelope_parse(body, &one) != ENVELOPE_FINE)
        return;
    assert(envelope_parse(canonical, &other) == ENVELOPE_FINE);
    assert(strcmp(one.id, other.id) == 0 && strcmp(one.type, other.type) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct json_reader nothing = {0};
    struct text body = text_slice((const char *)data, size);
    struct string canonical = {0}, again = {0};
    if (canonical_format(body, &canonical)) {
        struct text text = string_text(&canonical);
        assert(json_read(body, &nothing, NULL) == JSON_WHOLE);
        assert(json_read(text, &nothing, NULL) == JSON_WHOLE);
        compare_envelopes(body, text);
        if (text.size <= CANONICAL_MOST) {
            assert(canonical_format(text, &again));
            assert(text_equal(text, string_text(&again)));
        }
    }
    string_finish(&canonical);
    string_finish(&again);
    return 0;
}
