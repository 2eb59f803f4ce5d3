/* What the ledger's scripts are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ledger/command.h"

static void test_lua_is_told_the_same_pattern(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *lua;
    } cases[] = {
        {"*", "^.*$"},
        {"!*", "!^.*$"},
        {"ping", "^ping$"},
        {"application.*", "^application%..+$"},
        {"!job_posting.*.x", "!^job%_posting%.[^.]+%.x$"},
        {"*.created", "^[^.]+%.created$"},
        {"*.*", "^[^.]+%..+$"},
        {"a%b-c^$()[]+?", "^a%%b%-c%^%$%(%)%[%]%+%?$"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct command command = {0};
        command_pattern(&command, text_of(cases[i].pattern));
        assert_int_equal(command.count, 1);
        assert_string_equal(command.made.data, cases[i].lua);
        command_finish(&command);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lua_is_told_the_same_pattern),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
