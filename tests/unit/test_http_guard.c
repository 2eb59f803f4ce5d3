/* The guard's verdict on a request, which is the same however the net cuts it. */
#include "net/http_guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* After those, which it needs. */
#include <cmocka.h>

enum { LIMIT = 32 };

struct outcome {
    enum http_guard_verdict verdict;
    enum http_fault fault;
    size_t taken;
    unsigned heads;
};

/* Feeds `input` in pieces of `size` bytes, the first of `first`. */
static struct outcome feed(struct http_guard *guard, struct text input, size_t first, size_t size) {
    struct outcome outcome = {.verdict = HTTP_GUARD_MORE};
    http_guard_init(guard, LIMIT);
    struct text rest = input;
    for (size_t next = first; rest.size || outcome.verdict == HTTP_GUARD_HEAD; next = size) {
        struct text piece = text_slice(rest.data, next < rest.size ? next : rest.size);
        size_t given = piece.size;
        outcome.verdict = http_guard_feed(guard, &piece);
        rest = text_slice(rest.data + given - piece.size, rest.size - given + piece.size);
        outcome.heads += outcome.verdict == HTTP_GUARD_HEAD;
        if (outcome.verdict == HTTP_GUARD_WHOLE || outcome.verdict == HTTP_GUARD_REFUSED)
            break;
    }
    outcome.fault = guard->fault;
    outcome.taken = input.size - rest.size;
    return outcome;
}

/* As one piece; the caller finishes the guard. */
static struct outcome judge(struct http_guard *guard, struct text input) {
    return feed(guard, input, input.size, input.size);
}

static void assert_same(struct outcome a, struct outcome b) {
    assert_int_equal(a.verdict, b.verdict);
    assert_int_equal(a.heads, b.heads);
    assert_int_equal(a.fault, b.fault);
    if (a.verdict == HTTP_GUARD_WHOLE)
        assert_int_equal(a.taken, b.taken);
}

/* Every cut in two, and single bytes. */
static void assert_same_however_cut(struct text input, struct outcome expected) {
    struct http_guard guard;
    for (size_t first = 1; first < input.size; first++) {
        assert_same(expected, feed(&guard, input, first, input.size));
        http_guard_finish(&guard);
    }
    assert_same(expected, feed(&guard, input, 1, 1));
    http_guard_finish(&guard);
}

/* ---- What passes ---- */

#define HOST    "Host: a\r\n"
#define POST    "POST / HTTP/1.1\r\n" HOST
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

struct good {
    const char *input;
    const char *method;
    const char *path;
    const char *body;
    const char *rest;
    bool close;
};

static const struct good good[] = {
    {"GET / HTTP/1.1\r\n" HOST "\r\n", "GET", "/", "", "", false},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET", "/", "", "", false},
    {"GET /a/b?c=/d HTTP/1.1\r\n" HOST "\r\n", "GET", "/a/b", "", "", false},
    {"GET /? HTTP/1.1\r\n" HOST "\r\n", "GET", "/", "", "", false},
    {"\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", "GET", "/", "", "", false},
    {"M-SEARCH /%00 HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "M-SEARCH", "/%00", "", "", false},
    {"GET / HTTP/1.0\r\n\r\n", "GET", "/", "", "", true},
    {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET", "/", "", "", true},
    {"GET / HTTP/1.1\r\n" HOST "Connection: x , CLOSE\r\n\r\n", "GET", "/", "", "", true},
    {"GET / HTTP/1.1\r\n" HOST "Connection: closed\r\n\r\n", "GET", "/", "", "", false},
    {"GET / HTTP/1.1\r\n" HOST "X:\r\nY: \t\xc3\xa9 \r\n\r\n", "GET", "/", "", "", false},
    {POST "Content-Length: 0\r\n\r\nGET", "POST", "/", "", "GET", false},
    {POST "content-length:5\r\n\r\nhello", "POST", "/", "hello", "", false},
    {POST "Content-Length: \t005 \r\n\r\nhelloPOST", "POST", "/", "hello", "POST", false},
    {POST "Content-Length: 3\r\n\r\n\r\n\n\n", "POST", "/", "\r\n\n", "\n", false},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi", "GET", "/", "hi", "", false},
    {"POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi", "POST", "/", "hi", "", true},
    {CHUNKED "0\r\n\r\n", "POST", "/", "", "", false},
    {POST "transfer-encoding:CHUNKED\r\n\r\n0\r\n\r\n", "POST", "/", "", "", false},
    {CHUNKED "5\r\nhello\r\n0\r\n\r\nPOST", "POST", "/", "hello", "POST", false},
    {CHUNKED "1\r\nh\r\n00004\r\nello\r\n0000\r\n\r\n", "POST", "/", "hello", "", false},
    {CHUNKED "A\r\n0123456789\r\n7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", "POST", "/",
     "0123456789\r\n0\r\n\r\n", "", false},
};

static void test_what_is_unambiguous_passes(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct http_guard guard;
        struct text input = text_of(good[i].input);
        struct outcome outcome = judge(&guard, input);
        if (outcome.verdict != HTTP_GUARD_WHOLE)
            fail_msg("refused: %s", good[i].input);
        assert_int_equal(outcome.heads, 1);
        assert_int_equal(outcome.taken, input.size - strlen(good[i].rest));
        assert_true(text_is(http_guard_method(&guard), good[i].method));
        assert_true(text_is(http_guard_path(&guard), good[i].path));
        assert_true(text_is(http_guard_body(&guard), good[i].body));
        assert_int_equal(guard.close, good[i].close);
        http_guard_finish(&guard);
        assert_same_however_cut(input, outcome);
    }
}

/* ---- What does not ---- */

static const struct {
    const char *input;
    enum http_fault fault;
} bad[] = {
    /* The request line. */
    {"\r\n\r\n\r\n", HTTP_FAULT_MALFORMED},
    {"\nGET / HTTP/1.1\r\n", HTTP_FAULT_MALFORMED},
    {"\r\r\n", HTTP_FAULT_MALFORMED},
    {" GET / HTTP/1.1\r\n", HTTP_FAULT_MALFORMED},
    {"GET  / HTTP/1.1\r\n", HTTP_FAULT_MALFORMED},
    {"GET /  HTTP/1.1\r\n", HTTP_FAULT_MALFORMED},
    {"GET / HTTP/1.1 \r\n", HTTP_FAULT_MALFORMED},
    {"GET\t/\tHTTP/1.1\r\n", HTTP_FAULT_MALFORMED},
    {"GET /\r\n", HTTP_FAULT_MALFORMED},
    {"GET\r\n", HTTP_FAULT_MALFORMED},
    {"G(T / HTTP/1.1\r\n", HTTP_FAULT_MALFORMED},
    {"GET / HTTP/1.1\n", HTTP_FAULT_MALFORMED},
    {"GET / HTTP/1.1\r\r\n", HTTP_FAULT_MALFORMED},
    {"GET / HTTP/1.2\r\n", HTTP_FAULT_MALFORMED},
    {"GET / HTTP/9.9\r\n", HTTP_FAULT_MALFORMED},
    {"GET / HTTP/1.10\r\n", HTTP_FAULT_MALFORMED},
    {"GET / http/1.1\r\n", HTTP_FAULT_MALFORMED},
    {"PRI * HTTP/2.0\r\n", HTTP_FAULT_MALFORMED},
    {"OPTIONS * HTTP/1.1\r\n", HTTP_FAULT_MALFORMED},
    {"CONNECT a:80 HTTP/1.1\r\n", HTTP_FAULT_MALFORMED},
    {"GET http://a/ HTTP/1.1\r\n", HTTP_FAULT_MALFORMED},
    {"GET /a#b HTTP/1.1\r\n", HTTP_FAULT_MALFORMED},
    {"GET /\x7f HTTP/1.1\r\n", HTTP_FAULT_MALFORMED},
    {"GET /\xc3\xa9 HTTP/1.1\r\n", HTTP_FAULT_MALFORMED},
    {"\x16\x03\x01\x02\x01\x01\r\n", HTTP_FAULT_MALFORMED}, /* TLS, to a plain listener */
    /* Header lines. */
    {POST ": a\r\n", HTTP_FAULT_MALFORMED},
    {POST "X\r\n", HTTP_FAULT_MALFORMED},
    {POST "X : a\r\n", HTTP_FAULT_MALFORMED},
    {POST "X\t: a\r\n", HTTP_FAULT_MALFORMED},
    {POST "X Y: a\r\n", HTTP_FAULT_MALFORMED},
    {POST "X\x01: a\r\n", HTTP_FAULT_MALFORMED},
    {POST "X: a\r\n b\r\n", HTTP_FAULT_MALFORMED},
    {POST "X: a\r\n\tb: c\r\n", HTTP_FAULT_MALFORMED},
    {POST "X: a\n\r\n", HTTP_FAULT_MALFORMED},
    {POST "X: a\rb\r\n", HTTP_FAULT_MALFORMED},
    {POST "X: \x1b[2J\r\n", HTTP_FAULT_MALFORMED},
    {POST "X: \x7f\r\n", HTTP_FAULT_MALFORMED},
    {POST "\n", HTTP_FAULT_MALFORMED},
    /* Host. */
    {"GET / HTTP/1.1\r\n\r\n", HTTP_FAULT_MALFORMED},
    {"GET / HTTP/1.1\r\n" HOST HOST, HTTP_FAULT_MALFORMED},
    {"GET / HTTP/1.0\r\n" HOST HOST, HTTP_FAULT_MALFORMED},
    {"GET / HTTP/1.1\r\nHost: a b\r\n", HTTP_FAULT_MALFORMED},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n", HTTP_FAULT_MALFORMED},
    {"GET / HTTP/1.1\r\nHost: a,b@c\r\n", HTTP_FAULT_MALFORMED},
    /* Where the body ends. */
    {POST "Content-Length : 5\r\n", HTTP_FAULT_MALFORMED},
    {POST "Content-Length:\r\n", HTTP_FAULT_MALFORMED},
    {POST "Content-Length: +5\r\n", HTTP_FAULT_MALFORMED},
    {POST "Content-Length: -1\r\n", HTTP_FAULT_MALFORMED},
    {POST "Content-Length: 0x5\r\n", HTTP_FAULT_MALFORMED},
    {POST "Content-Length: 5 5\r\n", HTTP_FAULT_MALFORMED},
    {POST "Content-Length: 5, 5\r\n", HTTP_FAULT_MALFORMED},
    {POST "Content-Length: 5\r\nContent-Length: 5\r\n", HTTP_FAULT_MALFORMED},
    {POST "Content-Length: 5\r\nContent-Length: 6\r\n", HTTP_FAULT_MALFORMED},
    {POST "Content-Length: 18446744073709551616\r\n", HTTP_FAULT_MALFORMED},
    {POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_FAULT_MALFORMED},
    {POST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", HTTP_FAULT_MALFORMED},
    {POST "Transfer-Encoding: gzip, chunked\r\n", HTTP_FAULT_MALFORMED},
    {POST "Transfer-Encoding: chunked, chunked\r\n", HTTP_FAULT_MALFORMED},
    {POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", HTTP_FAULT_MALFORMED},
    {POST "Transfer-Encoding: xchunked\r\n", HTTP_FAULT_MALFORMED},
    {POST "Transfer-Encoding: identity\r\n", HTTP_FAULT_MALFORMED},
    {POST "Transfer-Encoding: \x0b"
          "chunked\r\n",
     HTTP_FAULT_MALFORMED},
    {POST "Transfer-Encoding:\r\n", HTTP_FAULT_MALFORMED},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n", HTTP_FAULT_MALFORMED},
    {POST "Content-Length: 33\r\n\r\n", HTTP_FAULT_BODY_TOO_LARGE},
    {POST "Content-Length: 18446744073709551615\r\n\r\n", HTTP_FAULT_BODY_TOO_LARGE},
    /* Chunks. */
    {CHUNKED "\r\n", HTTP_FAULT_MALFORMED},
    {CHUNKED "5\n", HTTP_FAULT_MALFORMED},
    {CHUNKED "5 \r\n", HTTP_FAULT_MALFORMED},
    {CHUNKED "+5\r\n", HTTP_FAULT_MALFORMED},
    {CHUNKED "0x5\r\n", HTTP_FAULT_MALFORMED},
    {CHUNKED "5g\r\n", HTTP_FAULT_MALFORMED},
    {CHUNKED "5;a=b\r\n", HTTP_FAULT_MALFORMED},
    {CHUNKED "0;a\r\n", HTTP_FAULT_MALFORMED},
    {CHUNKED "5\r\nhello0\r\n", HTTP_FAULT_MALFORMED},
    {CHUNKED "5\r\nhelloo\r\n", HTTP_FAULT_MALFORMED},
    {CHUNKED "5\r\nhello\n", HTTP_FAULT_MALFORMED},
    {CHUNKED "5\r\nhello\r0\r\n", HTTP_FAULT_MALFORMED},
    {CHUNKED "0\r\nX: a\r\n", HTTP_FAULT_MALFORMED},
    {CHUNKED "0\r\nGET /smuggled HTTP/1.1\r\n", HTTP_FAULT_MALFORMED},
    {CHUNKED "00000000000000005\r\n", HTTP_FAULT_MALFORMED},
    {CHUNKED "10000000000000005\r\n", HTTP_FAULT_MALFORMED},
    {CHUNKED "ffffffffffffffff\r\n", HTTP_FAULT_BODY_TOO_LARGE},
    {CHUNKED "21\r\n", HTTP_FAULT_BODY_TOO_LARGE},
    {CHUNKED "1\r\na\r\n20\r\n", HTTP_FAULT_BODY_TOO_LARGE},
};

static void test_what_somebody_could_read_otherwise_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct http_guard guard;
        struct outcome outcome = judge(&guard, text_of(bad[i].input));
        if (outcome.verdict != HTTP_GUARD_REFUSED)
            fail_msg("not refused: %s", bad[i].input);
        if (outcome.fault != bad[i].fault)
            fail_msg("%s: %s", http_fault_name(outcome.fault), bad[i].input);
        http_guard_finish(&guard);
        assert_same_however_cut(text_of(bad[i].input), outcome);
    }
}

static void test_a_nul_byte_is_refused_wherever_it_stands(void **state) {
    (void)state;
    const char *head = "POST /a HTTP/1.1\r\nHost: a\r\nX: b\r\n\r\n";
    size_t size = strlen(head);
    for (size_t at = 0; at < size; at++) {
        struct http_guard guard;
        char *input = text_copy(text_of(head));
        input[at] = '\0';
        enum http_guard_verdict verdict = judge(&guard, text_slice(input, size)).verdict;
        /* The last line's end taken away, it is only not there yet. */
        assert_int_equal(verdict, at == size - 1 ? HTTP_GUARD_MORE : HTTP_GUARD_REFUSED);
        http_guard_finish(&guard);
        free(input);
    }
}

/* ---- Limits ---- */

/* A head of exactly `size` bytes, its length made up in one header's value. */
static struct string head_of(size_t size) {
    struct string head = {0};
    string_add_of(&head, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    while (head.size < size - 4)
        string_add_char(&head, 'x');
    string_add_of(&head, "\r\n\r\n");
    return head;
}

static enum http_guard_verdict judge_string(struct string *input, enum http_fault *fault) {
    struct http_guard guard;
    struct outcome whole = judge(&guard, string_text(input));
    http_guard_finish(&guard);
    struct outcome cut = feed(&guard, string_text(input), 1, 1);
    http_guard_finish(&guard);
    assert_same(whole, cut);
    string_finish(input);
    *fault = whole.fault;
    return whole.verdict;
}

static void test_a_head_passes_up_to_its_limit(void **state) {
    (void)state;
    enum http_fault fault;
    struct string fits = head_of(HTTP_GUARD_HEAD_BYTES);
    assert_int_equal(judge_string(&fits, &fault), HTTP_GUARD_WHOLE);
    struct string too_long = head_of(HTTP_GUARD_HEAD_BYTES + 1);
    assert_int_equal(judge_string(&too_long, &fault), HTTP_GUARD_REFUSED);
    assert_int_equal(fault, HTTP_FAULT_HEAD_TOO_LARGE);
}

static struct string head_with(size_t headers) {
    struct string head = {0};
    string_add_of(&head, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (size_t i = 1; i < headers; i++)
        string_add_of(&head, "X: a\r\n");
    string_add_of(&head, "\r\n");
    return head;
}

static void test_a_hundred_headers_pass(void **state) {
    (void)state;
    enum http_fault fault;
    struct string fits = head_with(HTTP_GUARD_HEADERS);
    assert_int_equal(judge_string(&fits, &fault), HTTP_GUARD_WHOLE);
    struct string too_many = head_with(HTTP_GUARD_HEADERS + 1);
    assert_int_equal(judge_string(&too_many, &fault), HTTP_GUARD_REFUSED);
    assert_int_equal(fault, HTTP_FAULT_HEAD_TOO_LARGE);
}

static void test_a_line_without_end_is_refused_at_the_limit(void **state) {
    (void)state;
    enum http_fault fault;
    struct string endless = {0};
    while (endless.size <= HTTP_GUARD_HEAD_BYTES)
        string_add_char(&endless, 'x');
    assert_int_equal(judge_string(&endless, &fault), HTTP_GUARD_REFUSED);
    assert_int_equal(fault, HTTP_FAULT_HEAD_TOO_LARGE);
}

static void test_a_body_of_exactly_the_limit_passes(void **state) {
    (void)state;
    enum http_fault fault;
    struct string told = {0};
    string_addf(&told, POST "Content-Length: %d\r\n\r\n%0*d", LIMIT, LIMIT, 0);
    assert_int_equal(judge_string(&told, &fault), HTTP_GUARD_WHOLE);
    struct string chunked = {0};
    string_addf(&chunked, CHUNKED "%x\r\n%0*d\r\n0\r\n\r\n", (unsigned)LIMIT, LIMIT, 0);
    assert_int_equal(judge_string(&chunked, &fault), HTTP_GUARD_WHOLE);
}

/* ---- What it tells ---- */

static void test_headers_are_found_by_name(void **state) {
    (void)state;
    struct http_guard guard;
    struct text value;
    judge(&guard, text_of("GET /X: HTTP/1.1\r\nHost: a\r\nx-one: \t1 \r\nX-Two:\r\nX-ONE: 2\r\n"
                          "X: X-Three: 3\r\n\r\n"));
    assert_int_equal(http_guard_header(&guard, "X-One", &value), 2);
    assert_true(text_is(value, "1"));
    assert_int_equal(http_guard_header(&guard, "x-two", &value), 1);
    assert_int_equal(value.size, 0);
    assert_int_equal(http_guard_header(&guard, "X-Three", &value), 0);
    assert_int_equal(http_guard_header(&guard, "GET /X", &value), 0);
    assert_int_equal(http_guard_header(&guard, "", &value), 0);
    http_guard_finish(&guard);
}

static void test_expect_counts_from_http_1_1_on_and_only_as_100_continue(void **state) {
    (void)state;
    static const struct {
        const char *input;
        bool expects;
    } cases[] = {
        {POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n", true},
        {POST "Expect: something\r\nContent-Length: 1\r\n\r\n", false},
        {"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_guard guard;
        struct outcome outcome = judge(&guard, text_of(cases[i].input));
        assert_int_equal(outcome.verdict, HTTP_GUARD_MORE);
        assert_int_equal(guard.expects_continue, cases[i].expects);
        http_guard_finish(&guard);
    }
}

static void test_empty_lines_begin_no_request(void **state) {
    (void)state;
    static const struct {
        const char *input;
        bool begun;
    } cases[] = {{"", false},
                 {"\r", false},
                 {"\r\n", false},
                 {"\r\n\r", false},
                 {"G", true},
                 {"\r\nG", true},
                 {"GET / HTTP/1.1\r\n", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_guard guard;
        judge(&guard, text_of(cases[i].input));
        assert_int_equal(http_guard_begun(&guard), cases[i].begun);
        http_guard_finish(&guard);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_unambiguous_passes),
        cmocka_unit_test(test_what_somebody_could_read_otherwise_is_refused),
        cmocka_unit_test(test_a_nul_byte_is_refused_wherever_it_stands),
        cmocka_unit_test(test_a_head_passes_up_to_its_limit),
        cmocka_unit_test(test_a_hundred_headers_pass),
        cmocka_unit_test(test_a_line_without_end_is_refused_at_the_limit),
        cmocka_unit_test(test_a_body_of_exactly_the_limit_passes),
        cmocka_unit_test(test_headers_are_found_by_name),
        cmocka_unit_test(test_expect_counts_from_http_1_1_on_and_only_as_100_continue),
        cmocka_unit_test(test_empty_lines_begin_no_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
