/* Requests to others: what is sent, what comes back, and peers that refuse,
 * stall, hang up and never stop talking. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "net/http_client.h"
#include "net/tls.h"
#include "scripted.h"

enum { SOON_MS = 15000, BRIEF_MS = 300, BIG = 8 * 1024 * 1024 };

struct desk {
    struct loop *loop;
    struct http_client *client;
    struct scripted *server;
    char url[128];
};

struct seen {
    unsigned times;
    enum http_outcome outcome;
    int status;
    int64_t retry_after_ms, took_ms;
    struct string body, error;
};

static int open_desk(void **state) {
    struct desk *desk = memory_new(sizeof *desk);
    desk->loop = loop_create();
    desk->client = http_client_create(desk->loop);
    desk->server = scripted_start(desk->loop, NULL, NULL);
    snprintf(desk->url, sizeof desk->url, "http://127.0.0.1:%u/hook", scripted_port(desk->server));
    *state = desk;
    return 0;
}

static int close_desk(void **state) {
    struct desk *desk = *state;
    http_client_destroy(desk->client);
    scripted_stop(desk->server);
    loop_destroy(desk->loop);
    free(desk);
    return 0;
}

static void on_done(void *arg, const struct http_result *result) {
    struct seen *seen = arg;
    seen->times++;
    seen->outcome = result->outcome;
    seen->status = result->status;
    seen->retry_after_ms = result->retry_after_ms;
    seen->took_ms = result->took_ms;
    string_add(&seen->body, result->body);
    string_add_of(&seen->error, result->error);
    assert_true(!result->error == (result->outcome != HTTP_FAILED));
}

static void finish(struct seen *seen) {
    string_finish(&seen->body);
    string_finish(&seen->error);
}

static struct http_call post(const struct desk *desk, const char *body) {
    return (struct http_call){.method = "POST",
                              .url = desk->url,
                              .body = text_of(body),
                              .timeout_ms = SOON_MS,
                              .connect_timeout_ms = SOON_MS};
}

static void wait_for(struct desk *desk, const struct seen *seen) {
    int64_t until_ms = clock_steady_ms() + 2 * SOON_MS;
    while (!seen->times) {
        loop_turn(desk->loop);
        assert_true(clock_steady_ms() < until_ms);
    }
    assert_int_equal(seen->times, 1);
}

static void send_and_wait(struct desk *desk, const struct http_call *call, struct seen *seen) {
    *seen = (struct seen){0};
    http_client_send(desk->client, call, on_done, seen);
    assert_int_equal(seen->times, 0);
    wait_for(desk, seen);
}

static void say(struct desk *desk, const struct scripted_answer *answer) {
    scripted_script(desk->server, answer, 1);
}

static void test_only_what_was_asked_for_is_sent(void **state) {
    static const struct scripted_answer ok = {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"};
    static const char *const headers[] = {"Content-Type: application/json", "X-Kula-Event: a.b",
                                          NULL};
    struct desk *desk = *state;
    struct http_call call = post(desk, "{\"a\":1}");
    struct seen seen;
    char expected[256];
    call.headers = headers;
    call.keep_bytes = 100;
    say(desk, &ok);
    send_and_wait(desk, &call, &seen);
    assert_int_equal(seen.outcome, HTTP_ANSWERED);
    assert_int_equal(seen.status, 200);
    assert_true(text_is(string_text(&seen.body), "fine"));
    snprintf(expected, sizeof expected,
             "POST /hook HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Type: application/json\r\n"
             "X-Kula-Event: a.b\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
             scripted_port(desk->server));
    assert_string_equal(scripted_last(desk->server).data, expected);
    finish(&seen);
}

/* For so long the machine was suspended: one clock knows. */
static time_t suspended_s;

int clock_gettime(clockid_t which, struct timespec *now) {
    int status = (int)syscall(SYS_clock_gettime, which, now);
    now->tv_sec += which == CLOCK_BOOTTIME ? suspended_s : 0;
    return status;
}

static void freeze_process(void) {
    usleep((BRIEF_MS + 50) * 1000);
}

static void suspend_machine(void) {
    suspended_s = 60;
}

static void expect_not_sent_after(struct desk *desk, void (*interrupt)(void)) {
    static const struct scripted_answer ok = {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
    struct http_call call = post(desk, "{}");
    struct seen seen;
    say(desk, &ok);
    send_and_wait(desk, &call, &seen); /* a connection that is kept */
    finish(&seen);
    call.timeout_ms = BRIEF_MS;
    seen = (struct seen){0};
    http_client_send(desk->client, &call, on_done, &seen);
    interrupt();
    wait_for(desk, &seen);
    assert_int_equal(seen.outcome, HTTP_FAILED);
    assert_true(text_is(string_text(&seen.error), "its time was over before it could be sent"));
    assert_int_equal(scripted_requests(desk->server), 1);
    finish(&seen);
}

static void test_what_could_not_be_sent_within_its_time_is_not_sent_later(void **state) {
    expect_not_sent_after(*state, freeze_process);
}

static void test_what_was_to_be_sent_before_the_machine_slept_is_not_sent_after(void **state) {
    expect_not_sent_after(*state, suspend_machine);
    suspended_s = 0;
}

static void test_a_get_has_no_body(void **state) {
    static const struct scripted_answer ok = {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"};
    struct desk *desk = *state;
    struct http_call call = post(desk, NULL);
    struct seen seen;
    call.method = "GET";
    say(desk, &ok);
    send_and_wait(desk, &call, &seen);
    assert_int_equal(seen.status, 200);
    assert_int_equal(seen.body.size, 0);
    assert_true(text_starts(scripted_last(desk->server), "GET /hook HTTP/1.1\r\n"));
    assert_null(strstr(scripted_last(desk->server).data, "Content"));
    finish(&seen);
}

static void test_each_answer_has_its_status_and_none_is_followed(void **state) {
    static const struct {
        const char *answer;
        int status;
        int64_t retry_after_ms;
    } cases[] = {
        {"HTTP/1.1 204 No Content\r\n\r\n", 204, 0},
        {"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204, 0},
        {"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno", 500, 0},
        {"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", 410, 0},
        {"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", 302, 0},
        {"HTTP/1.1 429 Slow\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n", 429, 17000},
        {"HTTP/1.1 503 Wait\r\nRetry-After: Thu, 01 Jan 1998 00:00:00 GMT\r\n"
         "Content-Length: 0\r\n\r\n",
         503, 0},
        {"HTTP/1.1 503 Wait\r\nretry-after:  Fri, 31 Dec 9999 23:59:59 GMT\r\n"
         "Content-Length: 0\r\n\r\n",
         503, 365LL * 24 * 3600 * 1000},
        {"HTTP/1.1 503 Wait\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n", 503, 0},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Yes\r\nContent-Length: 0\r\n\r\n", 202, 0},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, 0},
    };
    struct desk *desk = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct scripted_answer answer = {cases[i].answer};
        struct http_call call = post(desk, "x");
        struct seen seen;
        say(desk, &answer);
        send_and_wait(desk, &call, &seen);
        assert_int_equal(seen.outcome, HTTP_ANSWERED);
        assert_int_equal(seen.status, cases[i].status);
        assert_int_equal(seen.retry_after_ms, cases[i].retry_after_ms);
        assert_int_equal(scripted_requests(desk->server), i + 1);
        finish(&seen);
    }
    /* One after the other over the same connection. */
    assert_int_equal(scripted_connections(desk->server), 1);
}

static void on_done_ask_headers(void *arg, const struct http_result *result) {
    struct seen *seen = arg;
    on_done(seen, result);
    if (result->outcome != HTTP_ANSWERED)
        assert_int_equal(http_result_header(result, "X-Left").size, 0);
    string_add(&seen->error, http_result_header(result, "x-left"));
    string_add(&seen->error, http_result_header(result, "X-Missing"));
}

static void test_a_header_of_the_answer_can_be_asked_for(void **state) {
    static const struct scripted_answer cases[] = {
        {"HTTP/1.1 200 OK\r\nX-Left: 17\r\nContent-Length: 0\r\n\r\n"},
        {"HTTP/1.1 200 OK\r\nX-Left: 17\r\n", SCRIPTED_CLOSE}};
    struct desk *desk = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_call call = post(desk, "x");
        struct seen seen = {0};
        say(desk, &cases[i]);
        http_client_send(desk->client, &call, on_done_ask_headers, &seen);
        wait_for(desk, &seen);
        assert_int_equal(strcmp(seen.error.data, "17") == 0, i == 0);
        finish(&seen);
    }
}

static void test_a_body_of_eight_mib_arrives_byte_for_byte(void **state) {
    static const struct scripted_answer ok = {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
    struct desk *desk = *state;
    char *big = memory_new(BIG);
    struct http_call call = post(desk, NULL);
    struct seen seen;
    for (size_t i = 0; i < BIG; i++)
        big[i] = (char)(i * 7 + i / 511);
    call.body = text_slice(big, BIG);
    say(desk, &ok);
    send_and_wait(desk, &call, &seen);
    assert_int_equal(seen.status, 200);
    struct text last = scripted_last(desk->server);
    assert_true(last.size > BIG);
    assert_memory_equal(last.data + last.size - BIG, big, BIG);
    assert_null(strstr(last.data, "Expect"));
    finish(&seen);
    free(big);
}

static void fails(struct desk *desk, const struct http_call *call, const char *words) {
    struct seen seen;
    send_and_wait(desk, call, &seen);
    assert_int_equal(seen.outcome, HTTP_FAILED);
    if (!strstr(seen.error.data, words))
        fail_msg("\"%s\" without \"%s\"", seen.error.data, words);
    assert_null(strstr(seen.error.data, "secret body"));
    finish(&seen);
}

static void test_what_is_no_answer_fails_with_words(void **state) {
    static const struct {
        struct scripted_answer answer;
        const char *words;
    } cases[] = {
        {{"", SCRIPTED_CLOSE}, "Empty reply"},
        {{"HTTP/1.1 200 OK\r\nContent-Le", SCRIPTED_CLOSE}, "within its headers"},
        {{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", SCRIPTED_CLOSE}, "within its headers"},
        {{"HTTP/1.1 100 Continue\r\n\r\n", SCRIPTED_CLOSE}, ""},
        {{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", SCRIPTED_CLOSE}, "with 6 bytes"},
        {{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha", SCRIPTED_CLOSE}, ""},
        {{"hello, I speak no HTTP\r\n", SCRIPTED_CLOSE}, "HTTP/0.9"},
        {{"HTTP/1.1 204 No\r\nContent-Length: 4\r\n\r\nyes!"}, "204 with a body"},
        {{"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}, "204 with a body"},
        {{"HTTP/1.1 101 Switch\r\n\r\n"}, "leaves HTTP"},
    };
    struct desk *desk = *state;
    struct http_call call = post(desk, "secret body");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        say(desk, &cases[i].answer);
        fails(desk, &call, cases[i].words);
    }
}

static void test_a_closed_port_is_refused(void **state) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    struct desk *desk = *state;
    struct http_call call = post(desk, "x");
    char url[64];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", (unsigned)ntohs(address.sin_port));
    call.url = url;
    fails(desk, &call, "connect");
    close(fd);
}

static void test_what_cannot_be_sent_fails_later_too(void **state) {
    static const char *const split[] = {"X-A: a\r\nX-B: b", NULL};
    static const char *const urls[] = {"ftp://127.0.0.1/", "http://", "file:///etc/hostname",
                                       "http+unix:///nowhere/x.sock:/"};
    struct desk *desk = *state;
    struct http_call call = post(desk, "x");
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        call.url = urls[i];
        fails(desk, &call, "");
    }
    call = post(desk, "x");
    call.headers = split;
    fails(desk, &call, "control characters");
    assert_int_equal(scripted_requests(desk->server), 0);
}

static void test_a_stalled_answer_ends_at_the_deadline(void **state) {
    static const struct scripted_answer stalls[] = {
        {""},
        {"HTTP/1.1 200 OK\r\n"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"},
    };
    struct desk *desk = *state;
    struct http_call call = post(desk, "x");
    call.timeout_ms = BRIEF_MS;
    for (size_t i = 0; i < sizeof stalls / sizeof stalls[0]; i++) {
        int64_t from_ms = clock_steady_ms();
        say(desk, &stalls[i]);
        fails(desk, &call, "timed out");
        assert_in_range(clock_steady_ms() - from_ms, BRIEF_MS - 5, SOON_MS);
    }
}

/* What a talkative server says again and again: two chunks, or bytes of a body. */
static const char *chatter(void) {
    enum { CHUNK = 0x8000 };
    static char said[2 * (CHUNK + 8) + 1];
    char *to = said;
    for (size_t i = 0; i < 2; i++) {
        to += sprintf(to, "%x\r\n", CHUNK);
        memset(to, 'x', CHUNK);
        to += CHUNK;
        to += sprintf(to, "\r\n");
    }
    return said;
}

static void test_an_endless_answer_is_none(void **state) {
    const struct {
        struct scripted_answer answer;
        const char *words;
    } cases[] = {
        {{"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n", SCRIPTED_KEEP, chatter()},
         "body is longer than 1 MiB"},
        {{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", SCRIPTED_KEEP, chatter()},
         "body is longer than 1 MiB"},
        {{"HTTP/1.1 200 OK\r\n\r\n", SCRIPTED_KEEP, chatter()}, "body is longer than 1 MiB"},
        {{"HTTP/1.1 200 OK\r\n", SCRIPTED_KEEP, "X-Talk: on and on and on and on and on\r\n"},
         "headers are longer than 64 KiB"},
        {{"HTTP/1.1 200 OK\r\nX-Talk: ", SCRIPTED_KEEP, "on and on and on and on and on "},
         "a line of the answer's headers is longer than 64 KiB"},
        {{"HTTP/1.1 ", SCRIPTED_KEEP, "on and on and on and on and on and on "}, ""},
        {{"HTTP/1.1 100 Continue\r\n\r\n", SCRIPTED_KEEP, "HTTP/1.1 100 Continue\r\n\r\n"},
         "headers are longer than 64 KiB"},
    };
    struct desk *desk = *state;
    struct http_call call = post(desk, "x");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        say(desk, &cases[i].answer);
        fails(desk, &call, cases[i].words);
        /* What else it had to say is in nobody's way. */
        assert_int_equal(scripted_connections(desk->server), i + 1);
    }
}

static void test_a_long_body_is_read_to_its_end_and_kept_in_part(void **state) {
    enum { LONG = 1024 * 1024 };
    struct desk *desk = *state;
    struct http_call call = post(desk, "x");
    struct string bytes = {0};
    struct seen seen;
    string_addf(&bytes, "HTTP/1.1 503 Talk\r\nContent-Length: %d\r\n\r\n", LONG);
    for (size_t i = 0; i < LONG; i++)
        string_add_char(&bytes, (char)('a' + i % 26));
    const struct scripted_answer answer = {bytes.data};
    call.keep_bytes = 6;
    say(desk, &answer);
    for (size_t i = 0; i < 2; i++) {
        send_and_wait(desk, &call, &seen);
        assert_int_equal(seen.status, 503);
        assert_true(text_is(string_text(&seen.body), "abcdef"));
        finish(&seen);
    }
    assert_int_equal(scripted_connections(desk->server), 1);
    string_finish(&bytes);
}

static void test_guarded_addresses_are_not_gone_to_unless_allowed(void **state) {
    static const char *const urls[] = {
        "http://169.254.169.254/",      "http://0xa9fea9fe/",        "http://[fe80::1]/",
        "http://[::ffff:169.254.1.2]/", "http://[fd00:ec2::254]:8/", "https://169.254.0.1/",
    };
    struct desk *desk = *state;
    struct http_call call = post(desk, "x");
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        call.url = urls[i];
        fails(desk, &call, "link-local or metadata address, and link_local: allow is not set");
    }
    /* Goes nowhere, for it does not say through which interface. */
    call.url = "http://[fe80::1]/";
    call.link_local = true;
    fails(desk, &call, "onnect");
}

static void test_many_at_once_share_no_answers(void **state) {
    static const struct scripted_answer ok = {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
    struct desk *desk = *state;
    struct http_call call = post(desk, "x");
    enum { MANY = 50 };
    struct seen seen[MANY] = {{0}};
    say(desk, &ok);
    for (size_t round = 0; round < 2; round++) {
        memset(seen, 0, sizeof seen);
        for (size_t i = 0; i < MANY; i++)
            http_client_send(desk->client, &call, on_done, &seen[i]);
        for (size_t i = 0; i < MANY; i++) {
            wait_for(desk, &seen[i]);
            assert_int_equal(seen[i].status, 200);
            finish(&seen[i]);
        }
    }
    assert_int_equal(scripted_requests(desk->server), 2 * MANY);
    assert_in_range(scripted_connections(desk->server), 1, MANY);
}

static void test_destroying_stops_what_is_in_flight(void **state) {
    static const struct scripted_answer silence = {""};
    static const char *const split[] = {"X-A: a\nX-B: b", NULL};
    struct desk *desk = *state;
    struct http_call call = post(desk, "x");
    struct seen sent = {0}, unsent = {0}, unsendable = {0};
    say(desk, &silence);
    http_client_send(desk->client, &call, on_done, &sent);
    while (!scripted_requests(desk->server))
        loop_turn(desk->loop);
    http_client_send(desk->client, &call, on_done, &unsent);
    call.headers = split;
    http_client_send(desk->client, &call, on_done, &unsendable);
    http_client_destroy(desk->client);
    desk->client = NULL;
    assert_int_equal(sent.times + unsent.times + unsendable.times, 3);
    assert_int_equal(sent.outcome, HTTP_STOPPED);
    assert_int_equal(unsent.outcome, HTTP_STOPPED);
    finish(&sent);
    finish(&unsent);
    finish(&unsendable);
}

struct chain {
    struct desk *desk;
    struct seen *last;
};

static void on_done_again(void *arg, const struct http_result *result) {
    struct chain *chain = arg;
    struct http_call call = post(chain->desk, "again");
    assert_int_equal(result->status, 200);
    http_client_send(chain->desk->client, &call, on_done, chain->last);
}

static void on_done_destroy(void *arg, const struct http_result *result) {
    struct desk *desk = arg;
    assert_int_equal(result->status, 200);
    http_client_destroy(desk->client);
    desk->client = NULL;
}

static void test_a_callback_may_send_or_destroy(void **state) {
    static const struct scripted_answer ok = {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
    struct desk *desk = *state;
    struct http_call call = post(desk, "x");
    struct seen last = {0};
    struct chain chain = {desk, &last};
    say(desk, &ok);
    http_client_send(desk->client, &call, on_done_again, &chain);
    wait_for(desk, &last);
    assert_int_equal(last.status, 200);
    http_client_send(desk->client, &call, on_done_destroy, desk);
    while (desk->client)
        loop_turn(desk->loop);
    finish(&last);
}

static void test_a_unix_socket_takes_the_target_behind_it(void **state) {
    static const struct scripted_answer ok = {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
    char folder[] = "/tmp/http-client-XXXXXX", path[64], url[96];
    struct desk *desk = *state;
    struct http_call call = post(desk, "x");
    struct seen seen;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/x.sock", folder);
    snprintf(url, sizeof url, "http+unix://%s:/a/../b?c=d", path);
    struct scripted *server = scripted_start(desk->loop, path, NULL);
    scripted_script(server, &ok, 1);
    call.url = url;
    send_and_wait(desk, &call, &seen);
    assert_int_equal(seen.status, 200);
    assert_true(
        text_starts(scripted_last(server), "POST /a/../b?c=d HTTP/1.1\r\nHost: localhost\r\n"));
    finish(&seen);
    scripted_stop(server);
    remove(path);
    rmdir(folder);
}

static void test_over_tls_the_certificate_has_to_be_for_the_host(void **state) {
    static const struct scripted_answer ok = {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
    char folder[] = "/tmp/http-client-XXXXXX", certificate[64], key[64], url[64];
    struct desk *desk = *state;
    struct http_call call = post(desk, "x");
    struct string why = {0};
    struct seen seen;
    assert_non_null(mkdtemp(folder));
    snprintf(certificate, sizeof certificate, "%s/tls.crt", folder);
    snprintf(key, sizeof key, "%s/tls.key", folder);
    assert_true(tls_make_self_signed(certificate, key, &why));
    struct ssl_ctx_st *tls = tls_server_create(certificate, key, NULL, &why);
    struct scripted *server = scripted_start(desk->loop, NULL, tls);
    scripted_script(server, &ok, 1);
    snprintf(url, sizeof url, "https://localhost:%u/", scripted_port(server));
    call.url = url;
    fails(desk, &call, "certificate");
    call.ca_file = certificate;
    send_and_wait(desk, &call, &seen);
    assert_int_equal(seen.status, 200);
    finish(&seen);
    /* The connection stands, but one was made by trusting a file, and the other trusts this. */
    char pem[4096];
    call.ca_file = NULL;
    call.ca = text_slice(pem, (size_t)file_read(certificate, pem, sizeof pem));
    scripted_script(server, &ok, 1);
    send_and_wait(desk, &call, &seen);
    assert_int_equal(seen.status, 200);
    finish(&seen);
    call.ca = text_of("no certificate");
    fails(desk, &call, "certificate");
    call.ca = (struct text){0};
    call.ca_file = certificate;
    /* The same address, by a name that the certificate does not have. */
    snprintf(url, sizeof url, "https://other.localhost:%u/", scripted_port(server));
    fails(desk, &call, "'other.localhost'");
    call.ca_file = "/nowhere/ca.pem";
    fails(desk, &call, "/nowhere/ca.pem");
    scripted_stop(server);
    tls_destroy(tls);
    remove(certificate);
    remove(key);
    rmdir(folder);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_desk, close_desk)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_only_what_was_asked_for_is_sent),
        TEST(test_what_could_not_be_sent_within_its_time_is_not_sent_later),
        TEST(test_what_was_to_be_sent_before_the_machine_slept_is_not_sent_after),
        TEST(test_a_get_has_no_body),
        TEST(test_each_answer_has_its_status_and_none_is_followed),
        TEST(test_a_header_of_the_answer_can_be_asked_for),
        TEST(test_a_body_of_eight_mib_arrives_byte_for_byte),
        TEST(test_what_is_no_answer_fails_with_words),
        TEST(test_a_closed_port_is_refused),
        TEST(test_what_cannot_be_sent_fails_later_too),
        TEST(test_a_stalled_answer_ends_at_the_deadline),
        TEST(test_an_endless_answer_is_none),
        TEST(test_a_long_body_is_read_to_its_end_and_kept_in_part),
        TEST(test_guarded_addresses_are_not_gone_to_unless_allowed),
        TEST(test_many_at_once_share_no_answers),
        TEST(test_destroying_stops_what_is_in_flight),
        TEST(test_a_callback_may_send_or_destroy),
        TEST(test_a_unix_socket_takes_the_target_behind_it),
        TEST(test_over_tls_the_certificate_has_to_be_for_the_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
