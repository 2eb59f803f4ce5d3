/* Which endpoint a webhook of Kula's delivers to: a secret that comes to another one is of no use.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/webhook_endpoint.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static char short_name[] = "short", long_name[] = "long", top_name[] = "top", gone_name[] = "gone";
static char short_path[] = "/kula", long_path[] = "/webhooks/kula", top_path[] = "/";
static char id[] = "wh_1", other_id[] = "wh_2";
static char url[] = "https://a.example/webhooks/kula", other_url[] = "https://a.example/kula";

static struct config_endpoint endpoints[] = {
    {.name = short_name, .path = short_path},
    {.name = long_name, .path = long_path},
    {.name = top_name, .path = top_path},
};

static const char *name_of(const struct config_endpoint *endpoint) {
    return endpoint ? endpoint->name : "none";
}

static void test_a_webhook_that_is_not_listed_goes_by_the_path_of_its_url(void **state) {
    static const struct {
        const char *url, *likeliest, *certain;
    } cases[] = {
        {"https://a.example/kula", "short", "short"},
        {"https://a.example/webhooks/kula", "long", "long"},
        {"https://a.example:8443/webhooks/kula?token=a/b", "long", "long"},
        {"https://a.example/behind/kula", "short", "short"},
        {"https://a.example/behind/webhooks/kula", "long", "none"},
        {"https://a.example//kula", "short", "short"},
        {"https://a.example", "top", "top"},
        {"https://a.example/", "top", "top"},
        {"https://a.example/?next=/kula", "top", "top"},
        {"https://a.example/behind/", "top", "top"},
        {"https://a.example/hakula", "none", "none"},
        {"https://a.example/kula2", "none", "none"},
        {"https://a.example/elsewhere?next=/kula", "none", "none"},
        {"https://kula/elsewhere", "none", "none"},
        {"https://kula", "top", "top"},
        {"", "none", "none"},
    };
    const struct config config = {.endpoints = endpoints, .endpoint_count = COUNT(endpoints)};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct kula_webhook webhook = {.id = text_of(id), .url = text_of(cases[i].url)};
        assert_string_equal(name_of(webhook_endpoint_likeliest(&config, &webhook)),
                            cases[i].likeliest);
        assert_string_equal(name_of(webhook_endpoint_certain(&config, &webhook)), cases[i].certain);
    }
}

static void test_what_the_configuration_says_of_a_webhook_holds(void **state) {
    static const struct {
        struct config_webhook known[2];
        const char *certain;
    } cases[] = {
        {{{.id = id, .url = url, .endpoint = short_name}, {.url = other_url, .endpoint = top_name}},
         "short"},
        {{{.url = url, .endpoint = top_name}, {.url = other_url, .endpoint = short_name}}, "top"},
        {{{.id = id, .url = other_url, .endpoint = top_name},
          {.id = other_id, .url = url, .endpoint = short_name}},
         "top"},
        {{{.url = other_url, .endpoint = short_name},
          {.id = other_id, .url = url, .endpoint = top_name}},
         "long"},
        {{{.url = url, .endpoint = gone_name}, {.url = other_url, .endpoint = short_name}}, "none"},
        /* Once by its id and once by its URL, for two endpoints. */
        {{{.id = id, .url = other_url, .endpoint = short_name},
          {.url = url, .endpoint = long_name}},
         "none"},
    };
    const struct kula_webhook webhook = {.id = text_of(id), .url = text_of(url)};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct config_webhook known[] = {cases[i].known[0], cases[i].known[1]};
        const struct config config = {.endpoints = endpoints,
                                      .endpoint_count = COUNT(endpoints),
                                      .kula = {.webhooks = known, .webhook_count = COUNT(known)}};
        assert_string_equal(name_of(webhook_endpoint_certain(&config, &webhook)), cases[i].certain);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_webhook_that_is_not_listed_goes_by_the_path_of_its_url),
        cmocka_unit_test(test_what_the_configuration_says_of_a_webhook_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
