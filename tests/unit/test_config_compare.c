/* What a running program hears of another configuration: the keys that differ, which of
 * them it can take as it is, and what is merely bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "base/config_compare.h"
#include "scratch.h"

static char folder[] = "/tmp/kula-relay-test-XXXXXX";

#define LISTEN "  listen: [{address: \"a:1\", certificate: cert, private_key: key}]\n"
#define REST   "  spool: {directory: spool}\n"
#define KULA   "{name: kula, path: /k, secret_files: [secret]}"
#define BASE   "serve:\n" LISTEN "  endpoints: [" KULA "]\n" REST

struct compare_case {
    const char *yaml;
    const char *live;
    const char *restart;
};

static const struct compare_case cases[] = {
    {BASE, "", ""},
    {BASE "  dedup_window: 7d\n", "", ""}, /* the default, now written down */
    {BASE "log: {level: warning}\n", "log.level", ""},
    {BASE "log: {format: json}\n", "", "log.format"},
    {BASE "  pen: {max_size: 1MiB, max_events: 7}\n", "serve.pen.max_size, serve.pen.max_events",
     ""},
    {BASE "  dedup_window: 1d\n  body_limit: 1MiB\n", "serve.dedup_window", "serve.body_limit"},
    {BASE "redis: {url: \"redis://b:1/0\", prefix: q}\n", "", "redis.url, redis.prefix"},
    /* The neighbour's sections say nothing to serve. */
    {BASE "services: [{name: crm, url: \"http://crm/\"}]\nforward: {admin: \"a:2\"}\n", "", ""},
    {"serve:\n" LISTEN "  endpoints: [{name: kula, path: /k, secret_files: [secret, old]}]\n" REST,
     "serve.endpoints[0].secret_files", ""},
    {"serve:\n" LISTEN "  endpoints: [{name: kula, path: /k, secret_files: [secret], stale: retry,"
     " accounts: [\"1\"]}]\n" REST,
     "serve.endpoints[0].stale, serve.endpoints[0].accounts", ""},
    {"serve:\n" LISTEN "  endpoints: [" KULA ", {name: l, path: /l, secret_files: [old]}]\n" REST,
     "serve.endpoints[1]", ""},
    {"serve:\n"
     "  listen: [{address: \"a:1\", certificate: old, private_key: secret}]\n"
     "  endpoints: [" KULA "]\n" REST,
     "serve.listen[0].certificate, serve.listen[0].private_key", ""},
    /* A listener cannot begin or cease to speak TLS. */
    {"serve:\n"
     "  listen: [{address: \"a:1\"}]\n"
     "  endpoints: [" KULA "]\n" REST,
     "", "serve.listen[0].certificate, serve.listen[0].private_key"},
    {"serve:\n"
     "  listen:\n"
     "    - {address: \"a:1\", certificate: cert, private_key: key}\n"
     "    - {address: \"a:2\", certificate: cert, private_key: key}\n"
     "  endpoints: [" KULA "]\n" REST,
     "", "serve.listen[1]"},
};

static enum config_for whose = CONFIG_FOR_SERVE;

static struct config *parse(const char *yaml) {
    struct string problems = {0};
    struct config *config = config_parse(text_of(yaml), "t", whose, &problems);
    if (problems.size)
        print_error("%s", problems.data);
    assert_non_null(config);
    return config;
}

static void assert_names(const struct config *was, const struct config *is,
                         enum config_change wanted, const char *names) {
    struct string got = {0};
    config_compare(was, is, whose, wanted, &got);
    assert_string_equal(got.data ? got.data : "", names);
    string_finish(&got);
}

static void assert_differs(const char *base, const struct compare_case *one) {
    struct config *was = parse(base), *is = parse(one->yaml);
    assert_names(was, is, CONFIG_CHANGE_LIVE, one->live);
    assert_names(was, is, CONFIG_CHANGE_RESTART, one->restart);
    assert_names(is, was, CONFIG_CHANGE_LIVE, one->live);
    assert_names(is, was, CONFIG_CHANGE_RESTART, one->restart);
    config_destroy(was);
    config_destroy(is);
}

static void test_what_differs_is_named_both_ways(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_differs(BASE, &cases[i]);
}

static void test_a_secret_with_another_content_differs(void **state) {
    (void)state;
    static const char yaml[] = BASE "redis: {password_file: password}\n";
    struct config *was = parse(yaml);
    scratch_write("secret", "another-secret-of-some-length\n");
    scratch_write("password", "another-password\n");
    struct config *is = parse(yaml);
    assert_names(was, is, CONFIG_CHANGE_LIVE, "serve.endpoints[0].secret_files");
    assert_names(was, is, CONFIG_CHANGE_RESTART, "redis.password_file");
    config_destroy(was);
    config_destroy(is);
}

#define CRM     "{name: crm, url: \"http://crm/\", header_files: {X-A: secret}}"
#define FORWARD "services: [" CRM "]\n"

static const struct compare_case forward_cases[] = {
    {FORWARD, "", ""},
    {FORWARD "forward: {retention: {dead: 1d}}\n", "forward.retention.dead", ""},
    {FORWARD "forward: {admin: \"a:2\"}\nredis: {prefix: q}\n", "", "redis.prefix, forward.admin"},
    {FORWARD BASE, "", ""}, /* the neighbour's section */
    {"services: [" CRM ", {name: search, url: \"http://search/\"}]\n", "services[1]", ""},
    {"services: [{name: crm, url: \"https://crm/\", timeout: 5s, header_files: {X-A: secret}}]\n",
     "services[0].url, services[0].timeout", ""},
    {"services: [{name: crm, url: \"http://crm/\", header_files: {X-A: old}}]\n",
     "services[0].header_files.X-A", ""},
};

static void test_services_may_all_change_while_forward_runs(void **state) {
    (void)state;
    whose = CONFIG_FOR_FORWARD;
    for (size_t i = 0; i < sizeof forward_cases / sizeof *forward_cases; i++)
        assert_differs(FORWARD, &forward_cases[i]);
    whose = CONFIG_FOR_SERVE;
}

static void test_another_content_of_a_services_files_differs(void **state) {
    (void)state;
    static const char yaml[] =
        "services:\n"
        "  - {name: a, url: \"http://a/\", header_files: {X-A: secret, X-B: old}}\n"
        "  - {name: b, url: \"http://b/\", sign: {scheme: kula, secret_files: [old, secret]}}\n"
        "  - {name: c, url: \"http://c/\", ca_file: old, client_certificate: cert,\n"
        "     client_key: key}\n";
    whose = CONFIG_FOR_FORWARD;
    struct config *was = parse(yaml);
    scratch_write("secret", "another-secret-of-some-length");
    scratch_write("cert", "another certificate");
    struct config *is = parse(yaml);
    assert_names(was, is, CONFIG_CHANGE_LIVE,
                 "services[0].header_files.X-A, services[1].sign.secret_files, "
                 "services[2].client_certificate");
    assert_names(was, is, CONFIG_CHANGE_RESTART, "");
    config_destroy(was);
    config_destroy(is);
    whose = CONFIG_FOR_SERVE;
}

static void test_many_differences_end_in_and_more(void **state) {
    (void)state;
    struct string yaml = {0}, names = {0};
    string_add_of(&yaml, "serve:\n" LISTEN REST "  endpoints:\n    - " KULA "\n");
    struct config *was = parse(yaml.data);
    for (int i = 0; i < 30; i++)
        string_addf(&yaml, "    - {name: e%d, path: /e%d, secret_files: [secret]}\n", i, i);
    struct config *is = parse(yaml.data);
    config_compare(was, is, CONFIG_FOR_SERVE, CONFIG_CHANGE_LIVE, &names);
    assert_true(text_starts(string_text(&names), "serve.endpoints[1], serve.endpoints[2], "));
    assert_true(names.size > 10 &&
                text_is(text_slice(names.data + names.size - 10, 10), ", and more"));
    config_destroy(was);
    config_destroy(is);
    string_finish(&names);
    string_finish(&yaml);
}

static void test_a_short_secret_is_an_alarm_and_no_problem(void **state) {
    (void)state;
    struct string lines = {0};
    struct config *config = parse("serve:\n" LISTEN REST "  endpoints: [{name: kula, path: /k,\n"
                                  "    secret_files: [old, short]}]\n");
    config_alarms(config, &lines);
    assert_string_equal(lines.data, "t:5:25: serve.endpoints[0].secret_files[1]: the secret in "
                                    "short has fewer than 16 bytes and could be guessed; have "
                                    "Kula make a new one\n");
    config_destroy(config);
    string_finish(&lines);
}

static void test_what_is_said_of_a_key_stands_behind_its_place(void **state) {
    (void)state;
    struct string lines = {0};
    struct config *config = parse(BASE);
    config_tell(config, "serve.listen[0].certificate", &lines, "has %s", "ended\n");
    config_tell(config, "redis.url", &lines, "is slow"); /* not in the file */
    assert_string_equal(lines.data, "t:2:29: serve.listen[0].certificate: has ended?\n"
                                    "t:1:1: redis.url: is slow\n");
    config_destroy(config);
    string_finish(&lines);
}

static const char *const files[] = {"secret", "old", "short", "password", "cert", "key"};
enum { FILES = sizeof files / sizeof *files };

static int fill_folder(void **state) {
    (void)state;
    for (size_t i = 0; i < FILES; i++)
        scratch_write(files[i], "long-enough-to-be-a-secret");
    scratch_write("short", "fifteen-bytes-x\n");
    return 0;
}

static int set_up(void **state) {
    (void)state;
    unsetenv("KULA_RELAY_REDIS_URL");
    unsetenv("KULA_WEBHOOK_SECRET_FILE");
    return !mkdtemp(folder) || chdir(folder);
}

static int tear_down(void **state) {
    (void)state;
    return chdir("/") || !scratch_remove(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_what_differs_is_named_both_ways, fill_folder),
        cmocka_unit_test_setup(test_a_secret_with_another_content_differs, fill_folder),
        cmocka_unit_test_setup(test_services_may_all_change_while_forward_runs, fill_folder),
        cmocka_unit_test_setup(test_another_content_of_a_services_files_differs, fill_folder),
        cmocka_unit_test_setup(test_many_differences_end_in_and_more, fill_folder),
        cmocka_unit_test_setup(test_a_short_secret_is_an_alarm_and_no_problem, fill_folder),
        cmocka_unit_test_setup(test_what_is_said_of_a_key_stands_behind_its_place, fill_folder),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
