/* What a configuration comes to: values, defaults, where each came from, and
 * which files are read. Its mistakes stand in test_config_problems.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/config.h"
#include "scratch.h"

static char folder[] = "/tmp/kula-relay-test-XXXXXX";
static char *example; /* deploy/kula-relay.yaml */

static const char every_key[] = "redis:\n"
                                "  url: rediss://redis.example:6380/2\n"
                                "  user: relay\n"
                                "  password_file: secret\n"
                                "  ca_file: cert\n"
                                "  prefix: \"{kula}\"\n"
                                "serve:\n"
                                "  listen:\n"
                                "    - {address: \"0.0.0.0:8443\", certificate: cert, private_key: "
                                "key}\n"
                                "    - {address: \"[::1]:0\"}\n"
                                "  admin: 127.0.0.1:9464\n"
                                "  endpoints:\n"
                                "    - name: kula\n"
                                "      path: /webhooks/kula\n"
                                "      secret_files: [secret, old]\n"
                                "      tolerance: 10m\n"
                                "      stale: reject\n"
                                "      signed_body: raw_or_canonical\n"
                                "      unmatched: retry\n"
                                "      accounts: [4711, acc_2]\n"
                                "  body_limit: 1MiB\n"
                                "  connections: 50\n"
                                "  bytes_in_flight: 64MiB\n"
                                "  dedup_window: 1d\n"
                                "  pen: {max_size: 8MiB, max_events: 77}\n"
                                "  durability: ledger\n"
                                "  spool: {directory: spool, max_size: 2GiB, keep: 30m}\n"
                                "forward:\n"
                                "  admin: localhost:9465\n"
                                "  retention: {events: 2d, dead: 9d, max_events: 77, foreign: 1h}\n"
                                "services:\n"
                                "  - name: crm\n"
                                "    url: https://crm/hooks\n"
                                "    events: [\"application.*\", \"!application.updated\"]\n"
                                "    endpoints: [kula]\n"
                                "    start: 24h\n"
                                "    timeout: 2s\n"
                                "    connect_timeout: 250ms\n"
                                "    concurrency: 3\n"
                                "    rate: 50\n"
                                "    order_by: data.candidate_id\n"
                                "    retry: {first: 2s, most: 1m, give_up: 7d}\n"
                                "    sign:\n"
                                "      scheme: standard-webhooks\n"
                                "      secret_files: [webhook, webhook2]\n"
                                "    headers: {X-Source: kula}\n"
                                "    header_files: {Authorization: header}\n"
                                "    ca_file: cert\n"
                                "    client_certificate: cert\n"
                                "    client_key: key\n"
                                "    link_local: allow\n"
                                "log: {level: debug, format: json}\n"
                                "kula:\n"
                                "  api: http://localhost:8090/v1\n"
                                "  token_file: token\n"
                                "  webhooks:\n"
                                "    - endpoint: kula\n"
                                "      id: wh_1\n"
                                "      url: https://hooks.example/webhooks/kula\n"
                                "      events: [\"application.*\", \"!application.updated\"]\n";

static const char two_services[] = "services:\n"
                                   "  - {name: a, url: \"http://a\"}\n"
                                   "  - {name: b, url: \"http://b\", start: beginning}\n";

static const char one_endpoint[] = "serve:\n"
                                   "  endpoints:\n"
                                   "    - {name: k, path: /k}\n";

/* The tests are started in the build folder, where __FILE__ leads to the source. */
static char *read_example(void) {
    struct string path = {0}, content = {0};
    string_add(&path, text_slice(__FILE__, strlen(__FILE__) - strlen("tests/unit/test_config.c")));
    string_add_of(&path, "deploy/kula-relay.yaml");
    FILE *file = fopen(path.data, "r");
    assert_non_null(file);
    for (int c = fgetc(file); c != EOF; c = fgetc(file))
        string_add_char(&content, (char)c);
    fclose(file);
    string_finish(&path);
    return content.data;
}

static int set_up(void **state) {
    (void)state;
    unsetenv("KULA_RELAY_CONFIG");
    unsetenv("KULA_RELAY_REDIS_URL");
    unsetenv("KULA_WEBHOOK_SECRET_FILE");
    unsetenv("KULA_API_TOKEN_FILE");
    example = read_example();
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    scratch_write("secret", "s3cret\n");
    scratch_write("old", "older");
    scratch_write("header", "Bearer t0ken\r\n");
    scratch_write("webhook", "whsec_MjQgYnl0ZXMsIGluIGJhc2U2NCBoZXJl\n");
    scratch_write("webhook2", "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXY=");
    scratch_write("cert", "c\n");
    scratch_write("key", "k\n");
    scratch_write("token", "kula_t0ken\n");
    assert_int_equal(chmod("token", 0600), 0);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    free(example);
    return chdir("/") || !scratch_remove(folder);
}

static struct config *parse(const char *yaml, enum config_for needs) {
    struct string problems = {0};
    struct config *config = config_parse(text_of(yaml), "t", needs, &problems);
    if (problems.size)
        print_error("%s", problems.data);
    assert_non_null(config);
    string_finish(&problems);
    return config;
}

static void assert_secret(const struct secret *secret, const char *content) {
    assert_int_equal(secret->size, strlen(content));
    if (secret->size)
        assert_memory_equal(secret->data, content, secret->size);
}

/* Whether a text as printed by config_print or config_describe holds this line. */
static void assert_line(const struct string *lines, const char *line) {
    struct text rest = string_text(lines);
    while (rest.size)
        if (text_is(text_cut(&rest, '\n'), line))
            return;
    fail_msg("no line \"%s\" in:\n%s", line, lines->data);
}

static void test_every_key_arrives_redis_and_serve(void **state) {
    (void)state;
    struct config *config = parse(every_key, CONFIG_FOR_ALL);
    assert_string_equal(config->file, "t");
    assert_string_equal(config->redis.url, "rediss://redis.example:6380/2");
    assert_string_equal(config->redis.user, "relay");
    assert_string_equal(config->redis.password_file, "secret");
    assert_string_equal(config->redis.ca_file, "cert");
    assert_string_equal(config->redis.prefix, "{kula}");
    assert_secret(&config->redis_password, "s3cret");
    assert_int_equal(config->listener_count, 2);
    assert_string_equal(config->listeners[0].address, "0.0.0.0:8443");
    assert_string_equal(config->listeners[0].certificate, "cert");
    assert_string_equal(config->listeners[0].private_key, "key");
    assert_string_equal(config->listeners[1].address, "[::1]:0");
    assert_null(config->listeners[1].certificate);
    assert_string_equal(config->serve_admin, "127.0.0.1:9464");
    assert_int_equal(config->body_limit_bytes, 1 << 20);
    assert_int_equal(config->connections, 50);
    assert_int_equal(config->bytes_in_flight, 64 << 20);
    assert_int_equal(config->dedup_window_ms, 86400000);
    assert_int_equal(config->pen_max_bytes, 8 << 20);
    assert_int_equal(config->pen_max_events, 77);
    assert_string_equal(config->forward_admin, "localhost:9465");
    assert_int_equal(config->retention.events_ms, INT64_C(2) * 86400000);
    assert_int_equal(config->retention.dead_ms, INT64_C(9) * 86400000);
    assert_int_equal(config->retention.max_events, 77);
    assert_int_equal(config->retention.foreign_ms, 3600000);
    assert_int_equal(config->log_level, LOG_LEVEL_DEBUG);
    assert_int_equal(config->log_format, LOG_FORMAT_JSON);
    config_destroy(config);
}

static void test_every_key_arrives_endpoint(void **state) {
    (void)state;
    struct config *config = parse(every_key, CONFIG_FOR_ALL);
    assert_int_equal(config->endpoint_count, 1);
    const struct config_endpoint *endpoint = config->endpoints;
    assert_string_equal(endpoint->name, "kula");
    assert_string_equal(endpoint->path, "/webhooks/kula");
    assert_int_equal(endpoint->secret_file_count, 2);
    assert_string_equal(endpoint->secret_files[1], "old");
    assert_secret(&endpoint->secrets[0], "s3cret");
    assert_secret(&endpoint->secrets[1], "older");
    assert_int_equal(endpoint->tolerance_ms, 600000);
    assert_int_equal(endpoint->stale, CONFIG_STALE_REJECT);
    assert_int_equal(endpoint->unmatched, CONFIG_UNMATCHED_RETRY);
    assert_int_equal(endpoint->signed_body, CONFIG_SIGNED_BODY_RAW_OR_CANONICAL);
    assert_int_equal(endpoint->account_count, 2);
    assert_string_equal(endpoint->accounts[0], "4711");
    config_destroy(config);
}

static void test_every_key_arrives_service(void **state) {
    (void)state;
    struct config *config = parse(every_key, CONFIG_FOR_ALL);
    assert_int_equal(config->service_count, 1);
    const struct config_service *service = config->services;
    assert_string_equal(service->name, "crm");
    assert_string_equal(service->url, "https://crm/hooks");
    assert_int_equal(service->event_count, 2);
    assert_string_equal(service->events[1], "!application.updated");
    assert_int_equal(service->endpoint_count, 1);
    assert_string_equal(service->endpoints[0], "kula");
    assert_int_equal(service->start, CONFIG_START_AGO);
    assert_int_equal(service->start_ago_ms, 86400000);
    assert_int_equal(service->timeout_ms, 2000);
    assert_int_equal(service->connect_timeout_ms, 250);
    assert_int_equal(service->concurrency, 3);
    assert_int_equal(service->rate, 50);
    assert_string_equal(service->order_by, "data.candidate_id");
    assert_int_equal(service->retry_first_ms, 2000);
    assert_int_equal(service->retry_most_ms, 60000);
    assert_int_equal(service->retry_give_up_ms, 604800000);
    assert_int_equal(service->sign, CONFIG_SIGN_STANDARD_WEBHOOKS);
    assert_int_equal(service->sign_secret_file_count, 2);
    assert_string_equal(service->sign_secret_files[1], "webhook2");
    assert_secret(&service->sign_keys[0], "24 bytes, in base64 here");
    assert_secret(&service->sign_keys[1], "0123456789abcdefghijklmnopqrstuv");
    assert_int_equal(service->header_count, 2);
    assert_string_equal(service->headers[0].name, "X-Source");
    assert_string_equal(service->headers[0].value, "kula");
    assert_null(service->headers[0].file);
    assert_string_equal(service->headers[1].name, "Authorization");
    assert_string_equal(service->headers[1].value, "Bearer t0ken");
    assert_string_equal(service->headers[1].file, "header");
    assert_string_equal(service->ca_file, "cert");
    assert_string_equal(service->client_certificate, "cert");
    assert_string_equal(service->client_key, "key");
    assert_int_equal(service->link_local, CONFIG_LINK_LOCAL_ALLOW);
    config_destroy(config);
}

static void test_every_key_arrives_kula(void **state) {
    (void)state;
    struct config *config = parse(every_key, CONFIG_FOR_KULA);
    const struct config_webhook *webhook = config->kula.webhooks;
    assert_string_equal(config->kula.api, "http://localhost:8090/v1");
    assert_secret(&config->kula.token, "kula_t0ken");
    assert_int_equal(config->kula.webhook_count, 1);
    assert_string_equal(webhook->endpoint, "kula");
    assert_string_equal(webhook->id, "wh_1");
    assert_string_equal(webhook->url, "https://hooks.example/webhooks/kula");
    assert_int_equal(webhook->event_count, 2);
    assert_string_equal(webhook->events[1], "!application.updated");
    config_destroy(config);
}

static void test_what_is_left_out_has_its_default(void **state) {
    (void)state;
    struct config *config = parse(two_services, CONFIG_FOR_FORWARD);
    assert_string_equal(config->redis.url, "redis://127.0.0.1:6379/0");
    assert_string_equal(config->redis.prefix, "kula");
    assert_null(config->redis.user);
    assert_null(config->serve_admin);
    assert_int_equal(config->listener_count, 0);
    assert_int_equal(config->body_limit_bytes, 8 << 20);
    assert_int_equal(config->connections, 10000);
    assert_int_equal(config->bytes_in_flight, 256 << 20);
    assert_int_equal(config->dedup_window_ms, 604800000);
    assert_int_equal(config->pen_max_bytes, 64 << 20);
    assert_int_equal(config->pen_max_events, 10000);
    assert_int_equal(config->durability, CONFIG_DURABILITY_SPOOL);
    assert_null(config->spool_directory);
    assert_int_equal(config->spool_max_bytes, 1 << 30);
    assert_int_equal(config->spool_keep_ms, 3600000);
    assert_int_equal(config->retention.events_ms, INT64_C(7) * 86400000);
    assert_int_equal(config->retention.dead_ms, INT64_C(30) * 86400000);
    assert_int_equal(config->retention.max_events, 10000000);
    assert_int_equal(config->retention.foreign_ms, INT64_C(7) * 86400000);
    assert_int_equal(config->log_level, LOG_LEVEL_INFO);
    assert_int_equal(config->log_format, LOG_FORMAT_AUTO);
    const struct config_service *service = config->services;
    assert_int_equal(service->event_count, 0);
    assert_int_equal(service->endpoint_count, 0);
    assert_int_equal(service->start, CONFIG_START_NOW);
    assert_int_equal(config->services[1].start, CONFIG_START_BEGINNING);
    assert_int_equal(service->timeout_ms, 15000);
    assert_int_equal(service->connect_timeout_ms, 5000);
    assert_int_equal(service->concurrency, 8);
    assert_int_equal(service->rate, 0);
    assert_string_equal(service->order_by, "none");
    assert_int_equal(service->retry_first_ms, 1000);
    assert_int_equal(service->retry_most_ms, 900000);
    assert_int_equal(service->retry_give_up_ms, 259200000);
    assert_int_equal(service->sign, CONFIG_SIGN_NONE);
    assert_int_equal(service->sign_secret_file_count, 0);
    assert_int_equal(service->link_local, CONFIG_LINK_LOCAL_REFUSE);
    config_destroy(config);
}

static void test_an_endpoint_has_its_defaults(void **state) {
    (void)state;
    struct config *config = parse(one_endpoint, CONFIG_FOR_LEDGER);
    assert_int_equal(config->endpoints[0].tolerance_ms, 300000);
    assert_int_equal(config->endpoints[0].stale, CONFIG_STALE_ACCEPT);
    assert_int_equal(config->endpoints[0].unmatched, CONFIG_UNMATCHED_REJECT);
    assert_int_equal(config->endpoints[0].signed_body, CONFIG_SIGNED_BODY_RAW);
    assert_int_equal(config->endpoints[0].account_count, 0);
    config_destroy(config);
}

struct reads_case {
    enum config_for needs;
    const char *password, *secret, *header, *sign, *token;
};

static void test_each_command_reads_only_its_own_secrets(void **state) {
    (void)state;
    static const struct reads_case cases[] = {
        {CONFIG_FOR_ALL, "s3cret", "s3cret", "Bearer t0ken", "24 bytes, in base64 here",
         "kula_t0ken"},
        {CONFIG_FOR_SERVE, "s3cret", "s3cret", NULL, "", ""},
        {CONFIG_FOR_FORWARD, "s3cret", "", "Bearer t0ken", "24 bytes, in base64 here", ""},
        {CONFIG_FOR_LEDGER, "s3cret", "", NULL, "", ""},
        {CONFIG_FOR_SEND, "", "s3cret", NULL, "", ""},
        {CONFIG_FOR_KULA, "", "", NULL, "", "kula_t0ken"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config *config = parse(every_key, cases[i].needs);
        const char *header = config->services[0].headers[1].value;
        assert_secret(&config->redis_password, cases[i].password);
        assert_secret(&config->endpoints[0].secrets[0], cases[i].secret);
        assert_secret(&config->services[0].sign_keys[0], cases[i].sign);
        assert_secret(&config->kula.token, cases[i].token);
        assert_int_equal(header != NULL, cases[i].header != NULL);
        if (header)
            assert_string_equal(header, cases[i].header);
        config_destroy(config);
    }
}

static void test_a_folder_of_secrets_comes_before_the_named_ones_newest_first(void **state) {
    (void)state;
    static const char yaml[] =
        "serve: {endpoints: [{name: k, path: /k, secret_files: [secret], secret_dir: dir}]}\n";
    static const struct {
        const char *name;
        time_t written;
    } made[] = {{"dir/a", 2000}, {"dir/b", 3000}, {"dir/.coming", 4000}, {"dir/c", 1000}};
    static const char *const expected[] = {"dir/b", "dir/a", "dir/c", "secret"};
    struct string key = {0};
    assert_int_equal(mkdir("dir", 0700), 0);
    assert_int_equal(mkdir("dir/folder", 0700), 0);
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        const struct timespec times[2] = {{made[i].written, 0}, {made[i].written, 0}};
        scratch_write(made[i].name, made[i].name);
        assert_int_equal(utimensat(AT_FDCWD, made[i].name, times, 0), 0);
    }
    struct config *config = parse(yaml, CONFIG_FOR_SEND);
    const struct config_endpoint *endpoint = config->endpoints;
    assert_int_equal(endpoint->secret_file_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(endpoint->secret_files[i], expected[i]);
    assert_secret(&endpoint->secrets[0], "dir/b");
    assert_secret(&endpoint->secrets[3], "s3cret");
    config_secret_key(config, 0, 2, &key);
    config_secret_key(config, 0, 3, &key);
    assert_string_equal(key.data,
                        "serve.endpoints[0].secret_dirserve.endpoints[0].secret_files[0]");
    config_destroy(config);

    config = parse(yaml, CONFIG_FOR_LEDGER);
    assert_int_equal(config->endpoints[0].secret_file_count, 1);
    config_destroy(config);
    scratch_remove("dir");
    string_finish(&key);
}

static void test_the_environment_names_redis(void **state) {
    (void)state;
    struct string lines = {0};
    setenv("KULA_RELAY_REDIS_URL", "unix:///run/r.sock", 1);
    struct config *config = parse(every_key, CONFIG_FOR_LEDGER);
    assert_string_equal(config->redis.url, "unix:///run/r.sock");
    config_print(config, &lines);
    assert_line(&lines, "redis.url = unix:///run/r.sock   # environment");
    config_destroy(config);
    string_finish(&lines);

    setenv("KULA_RELAY_REDIS_URL", "redis://u:hunter2@h", 1);
    assert_null(config_parse(text_of(every_key), "t", CONFIG_FOR_LEDGER, &lines));
    assert_string_equal(lines.data,
                        "$KULA_RELAY_REDIS_URL: redis.url: user and password do not belong into "
                        "the URL: name the user in redis.user and the password's file in "
                        "redis.password_file\n");
    string_finish(&lines);

    setenv("KULA_RELAY_REDIS_URL", "", 1); /* as good as unset */
    config = parse(every_key, CONFIG_FOR_LEDGER);
    assert_string_equal(config->redis.url, "rediss://redis.example:6380/2");
    config_destroy(config);
    unsetenv("KULA_RELAY_REDIS_URL");
}

static void test_the_environment_names_the_secret_of_the_only_endpoint(void **state) {
    (void)state;
    struct string lines = {0};
    setenv("KULA_WEBHOOK_SECRET_FILE", "old", 1);
    struct config *config = parse(one_endpoint, CONFIG_FOR_SEND);
    assert_int_equal(config->endpoints[0].secret_file_count, 1);
    assert_secret(&config->endpoints[0].secrets[0], "older");
    config_destroy(config);

    config = parse(every_key, CONFIG_FOR_SEND); /* which names two */
    assert_int_equal(config->endpoints[0].secret_file_count, 1);
    assert_string_equal(config->endpoints[0].secret_files[0], "old");
    config_print(config, &lines);
    assert_line(&lines, "serve.endpoints[0].secret_files = old   # environment");
    config_destroy(config);
    string_finish(&lines);

    setenv("KULA_WEBHOOK_SECRET_FILE", "missing", 1);
    assert_null(config_parse(text_of(every_key), "t", CONFIG_FOR_SEND, &lines));
    assert_non_null(strstr(lines.data, "$KULA_WEBHOOK_SECRET_FILE: serve.endpoints[0]."));
    string_finish(&lines);
    unsetenv("KULA_WEBHOOK_SECRET_FILE");
}

static void test_the_environment_names_the_token(void **state) {
    (void)state;
    struct string lines = {0};
    setenv("KULA_API_TOKEN_FILE", "token", 1);
    struct config *config = parse(one_endpoint, CONFIG_FOR_KULA);
    assert_secret(&config->kula.token, "kula_t0ken");
    assert_string_equal(config->kula.api, "https://api.kula.ai/v1");
    config_print(config, &lines);
    assert_line(&lines, "kula.token_file = token   # environment");
    config_destroy(config);
    unsetenv("KULA_API_TOKEN_FILE");
    string_finish(&lines);
}

static void test_of_two_endpoints_the_environment_means_neither(void **state) {
    (void)state;
    setenv("KULA_WEBHOOK_SECRET_FILE", "missing", 1);
    struct config *config = parse("serve:\n"
                                  "  endpoints:\n"
                                  "    - {name: k, path: /k, secret_files: [secret]}\n"
                                  "    - {name: l, path: /l, secret_files: [old]}\n",
                                  CONFIG_FOR_SEND);
    assert_secret(&config->endpoints[0].secrets[0], "s3cret");
    assert_secret(&config->endpoints[1].secrets[0], "older");
    config_destroy(config);
    unsetenv("KULA_WEBHOOK_SECRET_FILE");
}

static void test_print_shows_values_and_where_they_came_from(void **state) {
    (void)state;
    struct string lines = {0};
    struct config *config = parse(every_key, CONFIG_FOR_ALL);
    config_print(config, &lines);
    assert_line(&lines, "redis.password_file = secret   # t:4");
    assert_line(&lines, "serve.listen[0].address = 0.0.0.0:8443   # t:9");
    assert_line(&lines, "serve.listen[1].certificate = (none)   # default");
    assert_line(&lines, "serve.endpoints[0].secret_files = [secret, old]   # t:15");
    assert_line(&lines, "serve.durability = ledger   # t:26");
    assert_line(&lines, "serve.spool.keep = 30m   # t:27");
    assert_line(&lines, "services[0].retry.most = 1m   # t:42");
    assert_line(&lines, "services[0].headers.X-Source = kula   # t:46");
    assert_line(&lines, "services[0].header_files.Authorization = header   # t:47");
    assert_line(&lines, "services[0].sign.secret_files = [webhook, webhook2]   # t:45");
    assert_null(strstr(lines.data, "s3cret"));
    assert_null(strstr(lines.data, "t0ken"));
    config_destroy(config);
    string_clear(&lines);

    config = parse(two_services, CONFIG_FOR_ALL);
    config_print(config, &lines);
    assert_line(&lines, "services[1].name = b   # t:3");
    assert_line(&lines, "services[1].timeout = 15s   # default");
    assert_line(&lines, "services[1].events = [\"*\"]   # default");
    assert_line(&lines, "serve.endpoints = (none)   # default");
    config_destroy(config);
    string_finish(&lines);
}

/* The last word of each described key, as it stands in a file. */
static void assert_in_example(struct text path) {
    struct string key = {0};
    struct text rest = path;
    while (rest.size)
        path = text_cut(&rest, '.');
    string_add(&key, path);
    string_add_char(&key, ':');
    if (!strstr(example, key.data))
        fail_msg("the example has no %s", key.data);
    string_finish(&key);
}

static void test_describe_and_the_example_hold_every_key(void **state) {
    (void)state;
    struct string lines = {0};
    size_t keys = 0;
    config_describe(&lines);
    assert_line(&lines, "services[].timeout = 15s   (10ms to 10m)");
    assert_line(&lines, "services[].start = now   (now | beginning | a duration)");
    assert_line(&lines, "serve.listen[].address   (needed)");
    assert_line(&lines, "redis.user = (none)");
    assert_line(&lines, "services[].retry:");
    for (struct text rest = string_text(&lines); rest.size;) {
        struct text line = text_cut(&rest, '\n');
        struct text path = text_cut(&line, ' ');
        if (path.size == 0)
            continue; /* a meaning, below its key */
        if (path.data[path.size - 1] == ':')
            path.size--;
        assert_in_example(path);
        keys++;
    }
    assert_true(keys > 40);
    string_finish(&lines);
}

static void test_the_example_is_fine_but_for_files_that_are_not_there(void **state) {
    (void)state;
    struct string lines = {0};
    size_t missing = 0;
    config_destroy(config_parse(text_of(example), "t", CONFIG_FOR_ALL, &lines));
    for (struct text rest = string_text(&lines); rest.size; missing++) {
        struct text line = text_cut(&rest, '\n');
        if (!memmem(line.data, line.size, "No such file", strlen("No such file")))
            fail_msg("%.*s", TEXT_ARG(line));
    }
    assert_true(missing <= 13);
    string_finish(&lines);
}

static void test_what_is_too_large_is_refused(void **state) {
    (void)state;
    struct string yaml = {0}, lines = {0};
    string_add_of(&yaml, "services:\n");
    for (int i = 0; i < 1001; i++)
        string_add_of(&yaml, "- a\n");
    assert_null(config_parse(string_text(&yaml), "t", CONFIG_FOR_ALL, &lines));
    assert_string_equal(lines.data,
                        "t:2:1: this is too long: a list or map has 1000 items at most\n");
    string_clear(&lines);
    while (yaml.size <= 256 * 1024)
        string_add_of(&yaml, "# more\n");
    assert_null(config_parse(string_text(&yaml), "t", CONFIG_FOR_ALL, &lines));
    assert_string_equal(lines.data, "t:1:1: this is too large: a file has 256 KiB at most\n");
    string_finish(&yaml);
    string_finish(&lines);
}

static void test_a_long_wrong_value_is_cut_between_characters(void **state) {
    (void)state;
    struct string yaml = {0}, lines = {0};
    string_add_of(&yaml, "log: {level: a");
    for (int i = 0; i < 100; i++)
        string_add_of(&yaml, "\xc3\xa4");
    string_add_of(&yaml, "}\n");
    assert_null(config_parse(string_text(&yaml), "t", CONFIG_FOR_ALL, &lines));
    assert_non_null(strstr(lines.data, "\xc3\xa4\" is not known"));
    string_finish(&yaml);
    string_finish(&lines);
}

static void test_the_file_is_found_as_the_manual_says(void **state) {
    (void)state;
    struct string lines = {0};
    assert_null(config_load("missing.yaml", CONFIG_FOR_ALL, &lines));
    assert_string_equal(lines.data, "missing.yaml: cannot read it: No such file or directory\n");
    string_clear(&lines);
    assert_null(config_load(".", CONFIG_FOR_ALL, &lines));
    assert_string_equal(lines.data, ".: cannot read it: Is a directory\n");
    string_clear(&lines);

    scratch_write("kula-relay.yaml", two_services);
    struct config *config = config_load(NULL, CONFIG_FOR_FORWARD, &lines);
    assert_non_null(config);
    assert_string_equal(config->file, "./kula-relay.yaml");
    config_destroy(config);

    setenv("KULA_RELAY_CONFIG", "elsewhere.yaml", 1);
    assert_null(config_load(NULL, CONFIG_FOR_ALL, &lines));
    assert_non_null(strstr(lines.data, "elsewhere.yaml: "));
    config = config_load("kula-relay.yaml", CONFIG_FOR_FORWARD, &lines);
    assert_non_null(config);
    config_destroy(config);
    unsetenv("KULA_RELAY_CONFIG");
    unlink("kula-relay.yaml");
    string_finish(&lines);
}

static void look_nowhere(void *arg, struct config *config) {
    (void)arg;
    (void)config;
}

static void test_once_more_it_is_read_from_its_text_and_from_what_is_in_its_files(void **state) {
    (void)state;
    struct string lines = {0};
    scratch_write("again.yaml", two_services);
    struct config *config = config_load("again.yaml", CONFIG_FOR_FORWARD, &lines);
    assert_non_null(config);
    scratch_write("again.yaml", "half done: [");
    struct config *again = config_again_with(config, look_nowhere, NULL, &lines);
    assert_non_null(again);
    assert_string_equal(again->file, "again.yaml");
    assert_int_equal(again->service_count, 2);
    config_destroy(config);
    unlink("again.yaml");
    config = config_again_with(again, look_nowhere, NULL, &lines);
    assert_non_null(config);
    config_destroy(again);
    config_destroy(config);
    string_finish(&lines);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key_arrives_redis_and_serve),
        cmocka_unit_test(test_every_key_arrives_endpoint),
        cmocka_unit_test(test_every_key_arrives_service),
        cmocka_unit_test(test_every_key_arrives_kula),
        cmocka_unit_test(test_what_is_left_out_has_its_default),
        cmocka_unit_test(test_an_endpoint_has_its_defaults),
        cmocka_unit_test(test_each_command_reads_only_its_own_secrets),
        cmocka_unit_test(test_a_folder_of_secrets_comes_before_the_named_ones_newest_first),
        cmocka_unit_test(test_the_environment_names_redis),
        cmocka_unit_test(test_the_environment_names_the_secret_of_the_only_endpoint),
        cmocka_unit_test(test_the_environment_names_the_token),
        cmocka_unit_test(test_of_two_endpoints_the_environment_means_neither),
        cmocka_unit_test(test_print_shows_values_and_where_they_came_from),
        cmocka_unit_test(test_describe_and_the_example_hold_every_key),
        cmocka_unit_test(test_the_example_is_fine_but_for_files_that_are_not_there),
        cmocka_unit_test(test_what_is_too_large_is_refused),
        cmocka_unit_test(test_a_long_wrong_value_is_cut_between_characters),
        cmocka_unit_test(test_the_file_is_found_as_the_manual_says),
        cmocka_unit_test(test_once_more_it_is_read_from_its_text_and_from_what_is_in_its_files),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
