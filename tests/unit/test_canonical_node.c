/* Our reading of made-up documents against JavaScript's own: test_canonical_node documents.js */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/text.h"
#include "kula/canonical.h"

enum { SEED = 20260115, DOCUMENTS = 20000, NO_SUCH_COMMAND = 127 };

static const char *script;

static void add_bytes(struct text hex, struct string *bytes) {
    for (size_t i = 0; i + 1 < hex.size; i += 2) {
        char digits[] = {hex.data[i], hex.data[i + 1], '\0'};
        string_add_char(bytes, (char)strtoul(digits, NULL, 16));
    }
}

/* A line: the document in hex, and what JavaScript made of it, or "-". */
static void compare(struct text line, int number) {
    struct string document = {0}, expected = {0}, got = {0};
    bool has_reading;
    add_bytes(text_cut(&line, ' '), &document);
    has_reading = !text_is(line, "-");
    if (has_reading)
        add_bytes(line, &expected);
    bool read = canonical_format(string_text(&document), &got);
    if (read != has_reading || (read && !text_equal(string_text(&got), string_text(&expected))))
        fail_msg("document %d of seed %d:\n%.*s\nis to JavaScript\n%.*s\nand to us\n%.*s", number,
                 SEED, TEXT_ARG(string_text(&document)), TEXT_ARG(string_text(&expected)),
                 TEXT_ARG(string_text(&got)));
    string_finish(&document);
    string_finish(&expected);
    string_finish(&got);
}

static void test_we_read_each_document_as_javascript_does(void **state) {
    struct string command = {0};
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    int number = 0;
    (void)state;
    string_addf(&command, "node '%s' %d %d", script, SEED, DOCUMENTS);
    FILE *documents = popen(command.data, "re");
    assert_non_null(documents);
    while ((size = getline(&line, &room, documents)) > 0)
        compare(text_slice(line, (size_t)size - 1), ++number);
    int status = pclose(documents);
    free(line);
    string_finish(&command);
    if (WEXITSTATUS(status) == NO_SUCH_COMMAND)
        skip(); /* Debian's package nodejs has it */
    assert_int_equal(status, 0);
    assert_int_equal(number, DOCUMENTS);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_we_read_each_document_as_javascript_does),
    };
    script = argc > 1 ? argv[1] : "documents.js";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
