/* The guard's verdict on a request, which is the same however the net cuts it. */
#include "net/http_guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* After those, which it needs. */
#include <cmocka.h>

#include "http_cases.h"

enum { LIMIT = 32, TABLE_LIMIT = 1024 };

/* Bytes that arrive in pieces of `size`, the first of `first`. */
struct wire {
    struct text rest;
    size_t size;
    size_t next; /* of the piece that is arriving */
};

/* One request; of the head alone where that is all. */
static enum http_guard_verdict read_request(struct http_guard *guard, struct wire *wire,
                                            bool head_only) {
    enum http_guard_verdict verdict = HTTP_GUARD_MORE;
    while (wire->rest.size || verdict == HTTP_GUARD_HEAD) {
        size_t most = wire->next < wire->rest.size ? wire->next : wire->rest.size;
        struct text piece = text_slice(wire->rest.data, most);
        verdict = http_guard_feed(guard, &piece);
        size_t taken = most - piece.size;
        wire->rest = text_slice(wire->rest.data + taken, wire->rest.size - taken);
        wire->next = wire->next == taken ? wire->size : wire->next - taken;
        if (verdict == HTTP_GUARD_WHOLE || verdict == HTTP_GUARD_REFUSED ||
            (verdict == HTTP_GUARD_HEAD && head_only))
            break;
    }
    return verdict;
}

/* A request in pieces of `size` bytes; the caller finishes the guard. */
static enum http_guard_verdict feed(struct http_guard *guard, struct text input, size_t size) {
    struct wire wire = {input, size, size};
    http_guard_init(guard, LIMIT);
    return read_request(guard, &wire, false);
}

/* As one piece. */
static enum http_guard_verdict judge(struct http_guard *guard, struct text input) {
    return feed(guard, input, input.size);
}

/* ---- The table, in all its cuts ---- */

#define HOST    "Host: a\r\n"
#define POST    "POST / HTTP/1.1\r\n" HOST
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static enum http_fault fault_of(int status) {
    return status == 400   ? HTTP_FAULT_MALFORMED
           : status == 413 ? HTTP_FAULT_BODY_TOO_LARGE
           : status == 431 ? HTTP_FAULT_HEAD_TOO_LARGE
                           : HTTP_FAULTS;
}

/* Is the next request what the table says it is? It ends the connection where `*closes`. */
static bool is_as_told(struct wire *wire, int status, bool *closes) {
    struct http_guard guard;
    bool not_ours = status == 404 || status == 405; /* which the head tells, to somebody else */
    http_guard_init(&guard, TABLE_LIMIT);
    enum http_guard_verdict verdict = read_request(&guard, wire, not_ours);
    bool refused = fault_of(status) != HTTP_FAULTS;
    bool as_told = refused ? verdict == HTTP_GUARD_REFUSED && guard.fault == fault_of(status)
                           : verdict == (not_ours ? HTTP_GUARD_HEAD : HTTP_GUARD_WHOLE);
    *closes = refused || not_ours || guard.close;
    http_guard_finish(&guard);
    return as_told;
}

static void assert_case(const struct http_case *one, size_t first, size_t size) {
    struct wire wire = {text_slice((const char *)one->bytes, one->size), size, first};
    bool closes = false;
    for (const int *status = one->statuses; *status; status++)
        if (closes || !is_as_told(&wire, *status, &closes))
            fail_msg("%s: no %d, cut at %zu and each %zu", one->name, *status, first, size);
    if (closes != one->closes || (!closes && wire.rest.size))
        fail_msg("%s: %s, cut at %zu and each %zu", one->name, closes ? "closed" : "open", first,
                 size);
}

/* Of long ones not every cut in two: they are alike. */
static void test_each_case_is_read_as_the_table_says_however_it_is_cut(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t step = cases[i].size < 2000 ? 1 : cases[i].size / 50;
        for (size_t first = 1; first <= cases[i].size; first += step)
            assert_case(&cases[i], first, cases[i].size);
        assert_case(&cases[i], 1, 1);
    }
}

/* ---- What passes, and what becomes of it ---- */

struct good {
    const char *input;
    const char *method;
    const char *path;
    const char *body;
};

static const struct good good[] = {
    {"GET /a/b?c=/d HTTP/1.1\r\n" HOST "\r\n", "GET", "/a/b", ""},
    {"GET /? HTTP/1.1\r\n" HOST "\r\n", "GET", "/", ""},
    {"M-SEARCH /%00 HTTP/1.1\r\n" HOST "\r\n", "M-SEARCH", "/%00", ""},
    {"\r\n\r\nPUT /a HTTP/1.0\r\n\r\n", "PUT", "/a", ""},
    {POST "Content-Length: \t005 \r\n\r\nhello", "POST", "/", "hello"},
    {POST "Content-Length: 3\r\n\r\n\r\n\n", "POST", "/", "\r\n\n"},
    {CHUNKED "1\r\nh\r\n00004\r\nello\r\n0000\r\n\r\n", "POST", "/", "hello"},
    {CHUNKED "A\r\n0123456789\r\n7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", "POST", "/",
     "0123456789\r\n0\r\n\r\n"},
};

static void assert_reads(const struct good *one, size_t size) {
    struct http_guard guard;
    assert_int_equal(feed(&guard, text_of(one->input), size), HTTP_GUARD_WHOLE);
    assert_true(text_is(http_guard_method(&guard), one->method));
    assert_true(text_is(http_guard_path(&guard), one->path));
    assert_true(text_is(http_guard_body(&guard), one->body));
    http_guard_finish(&guard);
}

static void test_method_path_and_body_are_the_same_however_cut(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        for (size_t size = 1; size <= strlen(good[i].input); size++)
            assert_reads(&good[i], size);
}

static void test_a_nul_byte_is_refused_wherever_it_stands(void **state) {
    (void)state;
    const char *head = "POST /a HTTP/1.1\r\nHost: a\r\nX: b\r\n\r\n";
    size_t size = strlen(head);
    for (size_t at = 0; at < size; at++) {
        struct http_guard guard;
        char *input = text_copy(text_of(head));
        input[at] = '\0';
        enum http_guard_verdict verdict = judge(&guard, text_slice(input, size));
        /* The last line's end taken away, it is only not there yet. */
        assert_int_equal(verdict, at == size - 1 ? HTTP_GUARD_MORE : HTTP_GUARD_REFUSED);
        http_guard_finish(&guard);
        free(input);
    }
}

/* ---- What it tells ---- */

static void test_headers_are_found_by_name(void **state) {
    (void)state;
    struct http_guard guard;
    struct text value, last;
    judge(&guard, text_of("GET /X: HTTP/1.1\r\nHost: a\r\nx-one: \t1 \r\nX-Two:\r\nX-ONE: 2\r\n"
                          "X: X-Three: 3\r\n\r\n"));
    assert_int_equal(http_guard_header(&guard, "X-One", &value, &last), 2);
    assert_true(text_is(value, "1"));
    assert_true(text_is(last, "2"));
    assert_int_equal(http_guard_header(&guard, "x-two", &value, &last), 1);
    assert_int_equal(value.size, 0);
    assert_int_equal(http_guard_header(&guard, "X-Three", &value, &last), 0);
    assert_int_equal(http_guard_header(&guard, "GET /X", &value, &last), 0);
    assert_int_equal(http_guard_header(&guard, "", &value, &last), 0);
    http_guard_finish(&guard);
}

static void test_expect_counts_from_http_1_1_on_and_only_as_100_continue(void **state) {
    (void)state;
    static const struct {
        const char *input;
        bool expects;
    } expecting[] = {
        {POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n", true},
        {POST "Expect: something\r\nContent-Length: 1\r\n\r\n", false},
        {"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", false},
    };
    for (size_t i = 0; i < sizeof expecting / sizeof *expecting; i++) {
        struct http_guard guard;
        assert_int_equal(judge(&guard, text_of(expecting[i].input)), HTTP_GUARD_MORE);
        assert_int_equal(guard.expects_continue, expecting[i].expects);
        http_guard_finish(&guard);
    }
}

static void test_empty_lines_begin_no_request(void **state) {
    (void)state;
    static const struct {
        const char *input;
        bool begun;
    } beginnings[] = {{"", false},
                      {"\r", false},
                      {"\r\n", false},
                      {"\r\n\r", false},
                      {"G", true},
                      {"\r\nG", true},
                      {"GET / HTTP/1.1\r\n", true}};
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        struct http_guard guard;
        judge(&guard, text_of(beginnings[i].input));
        assert_int_equal(http_guard_begun(&guard), beginnings[i].begun);
        http_guard_finish(&guard);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_case_is_read_as_the_table_says_however_it_is_cut),
        cmocka_unit_test(test_method_path_and_body_are_the_same_however_cut),
        cmocka_unit_test(test_a_nul_byte_is_refused_wherever_it_stands),
        cmocka_unit_test(test_headers_are_found_by_name),
        cmocka_unit_test(test_expect_counts_from_http_1_1_on_and_only_as_100_continue),
        cmocka_unit_test(test_empty_lines_begin_no_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
