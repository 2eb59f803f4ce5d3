/* What is said about a configuration's certificates, by the day on which it is said. */
#include "net/certificates.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "net/tls.h"

enum { DAY_S = 24 * 3600 };

static char folder[] = "/tmp/kula-relay-test-XXXXXX";
static const char *const files[] = {"crt", "key", "other", "other_key", "secret"};
enum { FILES = sizeof files / sizeof *files };

#define CONFIG(first, second)                                                                      \
    "serve:\n"                                                                                     \
    "  listen:\n"                                                                                  \
    "    - {address: \"a:1\"" first "}\n"                                                          \
    "    - {address: \"a:2\"" second "}\n"                                                         \
    "  endpoints: [{name: kula, path: /k, secret_files: [secret]}]\n"                              \
    "  spool: {directory: spool}\n"

static struct certificates *certificates;

static void look(void *arg, struct config *config) {
    (void)arg;
    certificates = certificates_load(config);
    certificates_check_services(config);
    certificates_check_redis(config);
}

/* With its certificates; to be ended by done(). */
static struct config *parse(const char *yaml) {
    struct string problems = {0};
    struct config *config =
        config_parse_with(text_of(yaml), "t", CONFIG_FOR_SERVE, look, NULL, &problems);
    if (problems.size)
        print_error("%s", problems.data);
    assert_non_null(config);
    return config;
}

static void done(struct config *config) {
    certificates_destroy(certificates);
    config_destroy(config);
}

/* Each line of what is told begins with one of `said`, which are lines too. */
static void assert_told(enum config_for needs, const char *yaml, const char *said) {
    struct string problems = {0};
    struct config *config = config_parse_with(text_of(yaml), "t", needs, look, NULL, &problems);
    struct text told = string_text(&problems), wanted = text_of(said);
    assert_true(!config == (wanted.size > 0));
    while (told.size || wanted.size) {
        struct text line = text_cut(&told, '\n'), begin = text_cut(&wanted, '\n');
        if (!begin.size || line.size < begin.size || memcmp(line.data, begin.data, begin.size) != 0)
            fail_msg("%s", problems.data);
    }
    done(config);
    string_finish(&problems);
}

static void test_each_mistake_is_told_at_its_key(void **state) {
    (void)state;
    assert_told(CONFIG_FOR_SERVE,
                CONFIG(", certificate: crt, private_key: other_key",
                       ", certificate: secret, private_key: key"),
                "t:3:42: serve.listen[0].private_key: the private key other_key does not belong to "
                "the certificate crt\n"
                "t:4:24: serve.listen[1].certificate: secret holds no usable certificate in PEM "
                "form\n");
}

static void test_it_is_told_with_all_other_mistakes_in_the_order_of_the_file(void **state) {
    (void)state;
    assert_told(CONFIG_FOR_SERVE,
                "serve:\n"
                "  body_limit: 1 parsec\n"
                "  listen:\n"
                "    - {address: \"a:1\", certificate: secret, private_key: key}\n"
                "    - {address: \"a:2\", certificate: secret}\n"
                "    - {address: \"a:3\", certificate: missing, private_key: key}\n"
                "    - {address: \"a:4\", certificate: \"\", private_key: [key]}\n"
                "  endpoints: [{name: kula, path: /k, secret_files: [secret]}]\n"
                "  spool: {directory: spool}\n"
                "redis: {url: \"rediss://a\", ca_file: secret, prefix: \"\"}\n",
                "t:2:15: serve.body_limit: \n"
                "t:4:24: serve.listen[0].certificate: secret holds no usable certificate\n"
                "t:5:24: serve.listen[1].certificate: needs private_key beside it\n"
                "t:6:24: serve.listen[2].certificate: cannot read the file missing: \n"
                "t:7:37: serve.listen[3].certificate: \n"
                "t:7:54: serve.listen[3].private_key: \n"
                "t:10:28: redis.ca_file: secret holds no usable CA certificate in PEM form\n"
                "t:10:53: redis.prefix: \n");
}

static void test_a_plain_listener_needs_none(void **state) {
    (void)state;
    struct config *config = parse(CONFIG("", ", certificate: crt, private_key: key"));
    assert_null(certificates_of(certificates, 0));
    assert_non_null(certificates_of(certificates, 1));
    done(config);
}

static void test_what_a_service_could_not_use_is_told_at_its_key(void **state) {
    (void)state;
    static const struct {
        const char *settings, *said;
    } cases[] = {
        {"ca_file: crt, client_certificate: other, client_key: other_key", ""},
        {"ca_file: key", "t:1:45: services[0].ca_file: key holds no usable CA certificate"},
        {"client_certificate: secret, client_key: key",
         "t:1:45: services[0].client_certificate: secret holds no usable certificate in PEM form"},
        {"client_certificate: crt, client_key: other_key",
         "t:1:70: services[0].client_key: the private key other_key does not belong to the "
         "certificate crt"},
        {"client_certificate: crt, client_key: secret",
         "t:1:70: services[0].client_key: secret holds no usable private key in PEM form"},
        {"ca_file: key, client_certificate: crt, client_key: secret",
         "t:1:45: services[0].ca_file: key holds no usable CA certificate\n"
         "t:1:84: services[0].client_key: secret holds no usable private key in PEM form\n"},
        {"ca_file: missing", "t:1:45: services[0].ca_file: cannot read the file missing: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct string yaml = {0};
        string_addf(&yaml, "services: [{name: crm, url: \"https://crm/\", %s}]\n",
                    cases[i].settings);
        assert_told(CONFIG_FOR_FORWARD, yaml.data, cases[i].said);
        string_finish(&yaml);
    }
}

static void test_what_is_bad_depends_on_the_day(void **state) {
    (void)state;
    struct string lines = {0};
    struct config *config = parse(CONFIG("", ", certificate: crt, private_key: key"));
    struct tls_validity validity = tls_validity(certificates_of(certificates, 1));
    const struct {
        int64_t now_s;
        const char *said; /* NULL: nothing */
    } cases[] = {
        {validity.from_s - 1, "is not valid before"},
        {validity.from_s, NULL},
        {validity.until_s - 15 * DAY_S, NULL},
        {validity.until_s - 14 * DAY_S - 1, NULL},
        {validity.until_s - 14 * DAY_S, "ends soon"},
        {validity.until_s - 1, "ends soon"},
        {validity.until_s, "ended at"},
        {validity.until_s + 300 * DAY_S, "ended at"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        string_clear(&lines);
        certificates_alarms(certificates, config, cases[i].now_s, &lines);
        if (!cases[i].said) {
            assert_int_equal(lines.size, 0);
            continue;
        }
        assert_true(text_starts(string_text(&lines), "t:4:24: serve.listen[1].certificate: "));
        assert_non_null(strstr(lines.data, cases[i].said));
        assert_ptr_equal(strchr(lines.data, '\n'), lines.data + lines.size - 1);
    }
    string_finish(&lines);
    done(config);
}

static int set_up(void **state) {
    struct string why = {0};
    (void)state;
    unsetenv("KULA_WEBHOOK_SECRET_FILE");
    if (!mkdtemp(folder) || chdir(folder))
        return -1;
    FILE *file = fopen("secret", "w");
    fputs("long-enough-to-be-a-secret", file);
    fclose(file);
    return !tls_make_self_signed("crt", "key", &why) ||
           !tls_make_self_signed("other", "other_key", &why);
}

static int tear_down(void **state) {
    (void)state;
    for (size_t i = 0; i < FILES; i++)
        unlink(files[i]);
    return chdir("/") || rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_mistake_is_told_at_its_key),
        cmocka_unit_test(test_it_is_told_with_all_other_mistakes_in_the_order_of_the_file),
        cmocka_unit_test(test_a_plain_listener_needs_none),
        cmocka_unit_test(test_what_a_service_could_not_use_is_told_at_its_key),
        cmocka_unit_test(test_what_is_bad_depends_on_the_day),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
