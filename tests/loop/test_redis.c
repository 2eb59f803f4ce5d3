/* The connection to Redis while all is well, and what stands in its way from
 * the start: replies, order, sizes, URLs, passwords, life and death. */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <unistd.h>

#include "redis_desk.h"
#include "redis_house.h"

#include "base/memory.h"
#include "net/tls.h"

enum { SOON_MS = 10000 };

static void test_replies_of_each_kind_are_told_apart(void **state) {
    struct redis_house *house = *state;
    static const struct {
        const char *command;
        enum redis_outcome outcome;
        enum redis_kind kind;
        const char *text;
        int64_t integer;
        size_t count;
    } cases[] = {
        {"PING", REDIS_REPLIED, REDIS_STATUS, "PONG", 0, 0},
        {"ECHO 42", REDIS_REPLIED, REDIS_TEXT, "42", 42, 0},
        {"INCR kinds:n", REDIS_REPLIED, REDIS_INTEGER, "", 1, 0},
        {"DECRBY kinds:n 8", REDIS_REPLIED, REDIS_INTEGER, "", -7, 0},
        {"GET kinds:none", REDIS_REPLIED, REDIS_NIL, "", 0, 0},
        {"MGET kinds:none kinds:n", REDIS_REPLIED, REDIS_ARRAY, "", 0, 2},
        {"KEYS nothing*", REDIS_REPLIED, REDIS_ARRAY, "", 0, 0},
        {"XREAD COUNT 1 STREAMS kinds:s 0", REDIS_REPLIED, REDIS_NIL, "", 0, 0},
        {"INCR", REDIS_REFUSED, REDIS_ERROR, "ERR wrong number of arguments for 'incr' command", 0,
         0},
        {"LPUSH kinds:n x", REDIS_REFUSED, REDIS_ERROR,
         "WRONGTYPE Operation against a key holding the wrong kind of value", 0, 0},
    };
    struct desk *desk = desk_open(redis_house_url(house));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ask ask;
        desk_ask(desk, &ask, cases[i].command, SOON_MS, true);
        desk_wait(desk, &ask);
        assert_int_equal(ask.outcome, cases[i].outcome);
        assert_int_equal(ask.kind, cases[i].kind);
        assert_true(text_is(string_text(&ask.text), cases[i].text));
        assert_int_equal(ask.integer, cases[i].integer);
        assert_int_equal(ask.count, cases[i].count);
        ask_finish(&ask);
    }
    assert_int_equal(desk->ups, 1);
    desk_close(desk);
}

static void on_nested(void *arg, enum redis_outcome outcome, const struct redis_value *value) {
    bool *seen = arg;
    assert_int_equal(outcome, REDIS_REPLIED);
    const struct redis_value *stream = redis_item(value, 0);
    const struct redis_value *entry = redis_item(redis_item(stream, 1), 0);
    assert_true(text_is(redis_text(redis_item(stream, 0)), "nested"));
    assert_true(text_is(redis_text(redis_item(entry, 0)), "5-1"));
    assert_true(text_is(redis_text(redis_item(redis_item(entry, 1), 3)), "d"));
    /* Readers need not count. */
    assert_int_equal(redis_item(redis_item(redis_item(entry, 9), 9), 9)->kind, REDIS_NIL);
    *seen = true;
}

static void test_arrays_in_arrays_come_whole(void **state) {
    struct redis_house *house = *state;
    const struct text words[] = {text_of("XREAD"), text_of("STREAMS"), text_of("nested"),
                                 text_of("0")};
    bool seen = false;
    redis_house_say(house, "XADD nested 5-1 a b c d");
    struct desk *desk = desk_open(redis_house_url(house));
    redis_call(desk->redis, &(struct redis_call){.args = words, .count = 4, .deadline_ms = SOON_MS},
               on_nested, &seen);
    while (!seen)
        loop_turn(desk->loop);
    desk_close(desk);
}

enum { MANY = 1000 };

static void test_a_thousand_calls_in_flight_come_back_in_order(void **state) {
    struct redis_house *house = *state;
    struct desk *desk = desk_open(redis_house_url(house));
    struct ask *asks = memory_new(MANY * sizeof *asks);
    for (size_t i = 0; i < MANY; i++)
        desk_ask(desk, &asks[i], "INCR ordered", SOON_MS, false);
    desk_wait(desk, &asks[MANY - 1]);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(asks[i].times, 1);
        assert_int_equal(asks[i].turn, i + 1);
        assert_int_equal(asks[i].integer, i + 1);
        ask_finish(&asks[i]);
    }
    free(asks);
    desk_close(desk);
}

static void test_a_value_of_eight_mib_goes_there_and_back(void **state) {
    struct redis_house *house = *state;
    const size_t size = 8 * 1024 * 1024;
    char *big = memory_new(size);
    for (size_t i = 0; i < size; i++)
        big[i] = (char)(i * 31 + i / 257);
    const struct text words[] = {text_of("SET"), text_of("big"), text_slice(big, size)};
    struct desk *desk = desk_open(redis_house_url(house));
    struct ask set, get;
    desk_call(desk, &set,
              &(struct redis_call){.args = words, .count = 3, .deadline_ms = 2 * SOON_MS});
    desk_ask(desk, &get, "GET big", 2 * SOON_MS, true);
    desk_wait(desk, &get);
    assert_int_equal(set.outcome, REDIS_REPLIED);
    assert_true(text_equal(string_text(&get.text), words[2]));
    ask_finish(&set);
    ask_finish(&get);
    free(big);
    desk_close(desk);
}

static void test_the_database_of_the_url_is_the_one_used(void **state) {
    struct redis_house *house = *state;
    char url[160];
    struct ask ask;
    snprintf(url, sizeof url, "%s?db=3", redis_house_url(house));
    struct desk *desk = desk_open(url);
    desk_ask(desk, &ask, "CLIENT INFO", SOON_MS, true);
    desk_wait(desk, &ask);
    assert_non_null(strstr(ask.text.data, " db=3 "));
    assert_non_null(strstr(ask.text.data, " name=test "));
    ask_finish(&ask);
    desk_close(desk);
}

/* A port that nobody listens on: taken from the kernel and given back. */
static uint16_t free_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void ping(const char *url, const char *ca_file) {
    struct ask ask;
    struct desk *desk = desk_open_with(&(struct redis_options){.url = url, .ca_file = ca_file});
    desk_ask(desk, &ask, "PING", SOON_MS, true);
    desk_wait(desk, &ask);
    assert_int_equal(ask.outcome, REDIS_REPLIED);
    ask_finish(&ask);
    desk_close(desk);
}

static void test_numbers_and_localhost_need_no_name_server(void **state) {
    static const char *const hosts[] = {"127.0.0.1", "localhost", "[::1]"};
    char port[12], url[64];
    (void)state;
    snprintf(port, sizeof port, "%u", (unsigned)free_port());
    const char *args[] = {"--port", port, NULL};
    struct redis_house *house = redis_house_start(args);
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        snprintf(url, sizeof url, "redis://%s:%s/0", hosts[i], port);
        ping(url, NULL);
    }
    redis_house_stop(house);
}

static void test_over_tls_the_certificate_has_to_be_for_the_host(void **state) {
    char folder[] = "/tmp/redis-tls-XXXXXX", certificate[64], key[64], port[12], url[64];
    struct string why = {0};
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(certificate, sizeof certificate, "%s/tls.crt", folder);
    snprintf(key, sizeof key, "%s/tls.key", folder);
    snprintf(port, sizeof port, "%u", (unsigned)free_port());
    assert_true(tls_make_self_signed(certificate, key, &why));
    const char *args[] = {"--tls-port",
                          port,
                          "--tls-cert-file",
                          certificate,
                          "--tls-key-file",
                          key,
                          "--tls-auth-clients",
                          "no",
                          NULL};
    struct redis_house *house = redis_house_start(args);
    snprintf(url, sizeof url, "rediss://localhost:%s", port);
    ping(url, certificate);
    snprintf(url, sizeof url, "rediss://127.0.0.1:%s", port);
    ping(url, certificate);
    /* The system does not know who signed it; and it is not for this address. */
    struct desk *desk = desk_open(url);
    desk_wait_trouble(desk, "self-signed certificate");
    desk_close(desk);
    snprintf(url, sizeof url, "rediss://127.0.0.2:%s", port);
    desk = desk_open_with(&(struct redis_options){.url = url, .ca_file = certificate});
    desk_wait_trouble(desk, "mismatch");
    desk_close(desk);
    redis_house_stop(house);
    remove(certificate);
    remove(key);
    rmdir(folder);
}

static void test_a_password_opens_and_a_wrong_one_is_told(void **state) {
    static const char *const args[] = {"--requirepass", "sesame street", NULL};
    unsigned char right[] = "sesame street", wrong[] = "sesame";
    struct secret secret = {right, sizeof right - 1};
    struct redis_house *house = redis_house_start(args);
    struct redis_options options = {.url = redis_house_url(house), .name = "test"};
    (void)state;
    struct desk *desk = desk_open_with(&options);
    desk_wait_trouble(desk, "NOAUTH");
    desk_close(desk);
    options.password = &secret;
    desk = desk_open_with(&options);
    desk_wait_connected(desk);
    assert_int_equal(redis_trouble(desk->redis).size, 0);
    desk_close(desk);
    secret = (struct secret){wrong, sizeof wrong - 1};
    desk = desk_open_with(&options);
    desk_wait_trouble(desk, "refuses AUTH: WRONGPASS");
    assert_int_equal(desk->ups, 0);
    desk_close(desk);
    redis_house_stop(house);
}

static void test_trouble_says_where_and_why(void **state) {
    char url[64], sentence[96];
    uint16_t port = free_port();
    (void)state;
    snprintf(url, sizeof url, "redis://127.0.0.1:%u", (unsigned)port);
    snprintf(sentence, sizeof sentence, "cannot connect to 127.0.0.1:%u: Connection refused",
             (unsigned)port);
    struct desk *desk = desk_open(url);
    desk_wait_trouble(desk, sentence);
    desk_close(desk);
    desk = desk_open("unix:///nowhere/redis.sock");
    desk_wait_trouble(desk, "cannot connect to /nowhere/redis.sock: No such file or directory");
    desk_close(desk);
}

static struct redis_script counting = {.name = "counting",
                                       .source = "return redis.call('INCRBY', KEYS[1], ARGV[1])"};
static struct redis_script answering = {.name = "answering", .source = "return {1, 'two'}"};

static void test_scripts_run_and_come_back_after_a_flush(void **state) {
    struct redis_house *house = *state;
    struct redis_script *const scripts[] = {&counting, &answering, NULL};
    const struct text words[] = {text_of("flushed"), text_of("20")};
    struct desk *desk =
        desk_open_with(&(struct redis_options){.url = redis_house_url(house), .scripts = scripts});
    struct ask first, second, third, beside;
    /* Not repeatable: a missing script has done nothing, so it is sent again all the same. */
    const struct redis_call call = {
        .script = &counting, .key_count = 1, .args = words, .count = 2, .deadline_ms = SOON_MS};
    desk_call(desk, &first, &call);
    desk_wait(desk, &first);
    assert_int_equal(first.integer, 20);
    redis_house_say(house, "SCRIPT FLUSH");
    desk_call(desk, &second, &call);
    desk_ask(desk, &beside, "GET flushed", SOON_MS, true);
    desk_call(
        desk, &third,
        &(struct redis_call){.script = &answering, .deadline_ms = SOON_MS, .repeatable = true});
    desk_wait(desk, &third);
    assert_int_equal(second.integer, 40);
    assert_int_equal(beside.integer, 40);
    assert_int_equal(third.count, 2);
    assert_int_equal(second.turn, 2);
    assert_int_equal(desk->ups, 2);
    assert_int_equal(desk->downs, 1);
    ask_finish(&first);
    ask_finish(&second);
    ask_finish(&third);
    ask_finish(&beside);
    desk_close(desk);
}

static void test_destroying_with_calls_open_calls_nobody(void **state) {
    struct redis_house *house = *state;
    struct desk *desk = desk_open(redis_house_url(house));
    struct ask sent, waiting;
    desk_wait_connected(desk);
    desk_ask(desk, &sent, "BLPOP never 30", SOON_MS, false);
    desk_ask(desk, &waiting, "PING", SOON_MS, false);
    desk_close(desk);
    assert_int_equal(sent.times + waiting.times, 0);
}

static void on_done_destroy(void *arg, enum redis_outcome outcome,
                            const struct redis_value *value) {
    struct desk *desk = arg;
    assert_int_equal(outcome, REDIS_REPLIED);
    assert_true(text_is(redis_text(value), "PONG"));
    redis_destroy(desk->redis);
    desk->redis = NULL;
    assert_true(text_is(redis_text(value), "PONG"));
}

static void test_a_callback_may_destroy_its_connection(void **state) {
    struct redis_house *house = *state;
    const struct text ping_word = text_of("PING");
    struct desk *desk = desk_open(redis_house_url(house));
    const struct redis_call call = {.args = &ping_word, .count = 1, .deadline_ms = SOON_MS};
    struct ask never[2];
    redis_call(desk->redis, &call, on_done_destroy, desk);
    desk_call(desk, &never[0], &call);
    desk_call(desk, &never[1], &call);
    while (desk->redis)
        loop_turn(desk->loop);
    assert_int_equal(never[0].times + never[1].times, 0);
    desk_close(desk);
}

static void on_done_again(void *arg, enum redis_outcome outcome, const struct redis_value *value) {
    struct ask *ask = arg;
    const struct text word = text_of("PING");
    (void)value;
    assert_int_equal(outcome, REDIS_REPLIED);
    desk_call(ask->desk, ask,
              &(struct redis_call){.args = &word, .count = 1, .deadline_ms = SOON_MS});
}

static void test_a_callback_may_call(void **state) {
    struct redis_house *house = *state;
    const struct text word = text_of("PING");
    struct desk *desk = desk_open(redis_house_url(house));
    struct ask ask = {.desk = desk};
    redis_call(desk->redis, &(struct redis_call){.args = &word, .count = 1, .deadline_ms = SOON_MS},
               on_done_again, &ask);
    desk_wait(desk, &ask);
    assert_int_equal(ask.outcome, REDIS_REPLIED);
    ask_finish(&ask);
    desk_close(desk);
}

static void test_urls_are_read_strictly(void **state) {
    static const struct {
        const char *url, *trouble; /* NULL: good */
    } cases[] = {
        {"redis://127.0.0.1:6379/0", NULL},
        {"redis://redis", NULL},
        {"redis://redis.internal:7000", NULL},
        {"rediss://[2001:db8::1]:6380/15", NULL},
        {"redis://[::1]", NULL},
        {"unix:///run/redis.sock", NULL},
        {"unix:///run/redis.sock?db=4", NULL},
        {"", "begins with"},
        {"127.0.0.1:6379", "begins with"},
        {"http://127.0.0.1", "begins with"},
        {"REDIS://127.0.0.1", "begins with"},
        {"redis://", "the host"},
        {"redis:///0", "the host"},
        {"redis://:6379", "the host"},
        {"redis://a b", "the host"},
        {"redis://h\xc3\xb6st", "the host"},
        {"redis://::1", "the host"},
        {"redis://[::1", "brackets"},
        {"redis://[no]:1", "not an IPv6"},
        {"redis://[::1]6379", "a colon"},
        {"redis://h:", "the port"},
        {"redis://h:0", "the port"},
        {"redis://h:65536", "the port"},
        {"redis://h:+1", "the port"},
        {"redis://h:1/", "the database"},
        {"redis://h:1/x", "the database"},
        {"redis://h:1/0/1", "the database"},
        {"redis://h:1/0?db=1", "the database"},
        {"redis://user:secret@h:1", "redis.password_file"},
        {"redis://:secret@[::1]:1/0", "redis.password_file"},
        {"unix://run/redis.sock", "whole path"},
        {"unix:///", "whole path"},
        {"unix:///run/redis.sock?db=", "the database"},
        {"unix:///run/redis.sock?db=-1", "the database"},
        {"unix:///run/redis.sock?database=1", "?db=NUMBER"},
        {"unix:///0123456789012345678901234567890123456789012345678901234567890123456789"
         "012345678901234567890123456789012345678901234567890123456789",
         "107 bytes"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct string why = {0};
        bool good = redis_url_valid(cases[i].url, &why);
        if (good != !cases[i].trouble)
            fail_msg("%s: %s", cases[i].url, why.data ? why.data : "taken");
        if (!good && !strstr(why.data, cases[i].trouble))
            fail_msg("%s: %s", cases[i].url, why.data);
        assert_true(good || !strstr(why.data, "secret"));
        string_finish(&why);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replies_of_each_kind_are_told_apart),
        cmocka_unit_test(test_arrays_in_arrays_come_whole),
        cmocka_unit_test(test_a_thousand_calls_in_flight_come_back_in_order),
        cmocka_unit_test(test_a_value_of_eight_mib_goes_there_and_back),
        cmocka_unit_test(test_the_database_of_the_url_is_the_one_used),
        cmocka_unit_test(test_numbers_and_localhost_need_no_name_server),
        cmocka_unit_test(test_over_tls_the_certificate_has_to_be_for_the_host),
        cmocka_unit_test(test_a_password_opens_and_a_wrong_one_is_told),
        cmocka_unit_test(test_trouble_says_where_and_why),
        cmocka_unit_test(test_scripts_run_and_come_back_after_a_flush),
        cmocka_unit_test(test_destroying_with_calls_open_calls_nobody),
        cmocka_unit_test(test_a_callback_may_destroy_its_connection),
        cmocka_unit_test(test_a_callback_may_call),
        cmocka_unit_test(test_urls_are_read_strictly),
    };
    return cmocka_run_group_tests(tests, redis_house_set_up, redis_house_tear_down);
}
