/* A body that somebody has made up: the envelope is read or refused, and what is read
 * can stand in a log, in a header and in a key of Redis. */
#include <assert.h>
#include <string.h>

#include "kula/envelope.h"

static void assert_plain(const char *value, size_t least) {
    size_t size = strlen(value);
    assert(size >= least && size <= 255);
    for (size_t i = 0; i < size; i++)
        assert(value[i] > ' ' && value[i] <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct envelope envelope;
    enum envelope_fault fault = envelope_parse(text_slice((const char *)data, size), &envelope);
    if (fault != ENVELOPE_FINE) {
        assert(envelope_fault_name(fault));
        return 0;
    }
    assert_plain(envelope.id, 1);
    assert_plain(envelope.type, 1);
    return 0;
}
