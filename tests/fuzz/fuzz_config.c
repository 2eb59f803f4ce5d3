/* A configuration that somebody has made up: it is good or every mistake in it is told
 * with its place. No file is opened, whatever it names. */
#include <assert.h>
#include <stdlib.h>

#include "base/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct string said = {0};
    struct config *config =
        config_parse(text_slice((const char *)data, size), "fuzz", CONFIG_FOR_SPOOL, &said);
    assert(!config == (said.size > 0));
    if (config)
        config_print(config, &said);
    else
        assert(text_starts(string_text(&said), "fuzz:") && said.data[said.size - 1] == '\n');
    config_destroy(config);
    string_finish(&said);
    return 0;
}
