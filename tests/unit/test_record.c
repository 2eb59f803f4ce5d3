/* A record comes back as it went in, and nothing else passes for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "spool/crc.h"
#include "spool/record.h"

enum { SEGMENT = 7 };

static const struct record event = {
    .sequence = 42,
    .kind = RECORD_EVENT,
    .received_ms = INT64_C(1764000000123),
    .endpoint = {"kula", 4},
    .id = {"evt_1", 5},
    .type = {"candidate.created", 17},
    .account = {"acc", 3},
    .created = {"2026-11-23T20:00:00Z", 20},
    .trace = {"", 0},
    .window_ms = 604800000,
    .body = {"{\"a\":\"\0\xff\"}", 10},
};
static const struct record pen = {
    .sequence = UINT64_MAX,
    .kind = RECORD_PEN,
    .received_ms = -1,
    .endpoint = {"k", 1},
    .reason = {"not JSON", 8},
    .signature = {"t=1,v1=00", 9},
};
static const struct record bare = {.sequence = 1};

static char *encoded(const struct record *record, size_t *bytes) {
    *bytes = record_bytes(record);
    char *data = memory_new(*bytes);
    memset(data, 0xa5, *bytes); /* the padding is the encoder's to write */
    record_encode(record, SEGMENT, data);
    return data;
}

static void assert_text(struct text left, struct text right) {
    assert_true(text_equal(left, right));
}

static void assert_same(const struct record *left, const struct record *right) {
    assert_int_equal(left->sequence, right->sequence);
    assert_int_equal(left->kind, right->kind);
    assert_int_equal(left->received_ms, right->received_ms);
    assert_int_equal(left->window_ms, right->window_ms);
    assert_text(left->endpoint, right->endpoint);
    assert_text(left->id, right->id);
    assert_text(left->type, right->type);
    assert_text(left->account, right->account);
    assert_text(left->created, right->created);
    assert_text(left->trace, right->trace);
    assert_text(left->reason, right->reason);
    assert_text(left->signature, right->signature);
    assert_text(left->body, right->body);
}

static void test_what_is_encoded_is_decoded(void **state) {
    const struct record *const records[] = {&event, &pen, &bare};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct record found;
        size_t bytes, next = 0;
        char *data = encoded(records[i], &bytes);
        assert_int_equal(bytes % RECORD_ALIGN, 0);
        assert_int_equal(record_decode(text_slice(data, bytes), SEGMENT, &found, &next),
                         RECORD_WHOLE);
        assert_int_equal(next, bytes);
        assert_same(&found, records[i]);
        free(data);
    }
}

static void test_no_flipped_bit_passes(void **state) {
    struct record found;
    size_t bytes, next;
    char *data = encoded(&event, &bytes);
    (void)state;
    for (size_t bit = 0; bit < bytes * 8; bit++) {
        data[bit / 8] = (char)(data[bit / 8] ^ 1 << bit % 8);
        assert_int_equal(record_decode(text_slice(data, bytes), SEGMENT, &found, &next),
                         RECORD_DAMAGED);
        /* With the head whole, its end is known. */
        assert_int_equal(next, bit / 8 < 4 || (bit / 8 >= 8 && bit / 8 < RECORD_HEAD)
                                   ? (size_t)RECORD_ALIGN
                                   : bytes);
        data[bit / 8] = (char)(data[bit / 8] ^ 1 << bit % 8);
    }
    free(data);
}

static void test_no_part_of_one_passes(void **state) {
    struct record found;
    size_t bytes, next;
    char *data = encoded(&event, &bytes);
    (void)state;
    for (size_t size = 0; size < bytes; size++) {
        char *part = memory_copy(data, size); /* so that a reader that goes too far is caught */
        enum record_found expected = size < RECORD_HEAD ? RECORD_NONE : RECORD_DAMAGED;
        assert_int_equal(record_decode(text_slice(part, size), SEGMENT, &found, &next), expected);
        assert_true(next <= size);
        free(part);
    }
    free(data);
}

static void test_a_record_of_another_segment_is_not_taken_until_it_is_sealed_for_it(void **state) {
    struct record found;
    size_t bytes, next;
    char *data = encoded(&event, &bytes);
    (void)state;
    assert_int_equal(record_decode(text_slice(data, bytes), SEGMENT + 1, &found, &next),
                     RECORD_DAMAGED);
    assert_int_equal(next, RECORD_ALIGN);
    record_seal(data, SEGMENT + 1);
    assert_int_equal(record_decode(text_slice(data, bytes), SEGMENT + 1, &found, &next),
                     RECORD_WHOLE);
    assert_same(&found, &event);
    free(data);
}

static void test_zeros_are_nothing(void **state) {
    static const char zeros[256];
    struct record found;
    size_t next;
    (void)state;
    assert_int_equal(record_decode(text_slice(zeros, sizeof zeros), SEGMENT, &found, &next),
                     RECORD_NONE);
    assert_int_equal(next, RECORD_ALIGN);
    assert_int_equal(record_decode((struct text){0}, SEGMENT, &found, &next), RECORD_NONE);
    assert_int_equal(next, 0);
}

static void test_a_head_says_how_long_its_record_is(void **state) {
    size_t bytes, measured = 0;
    char *data = encoded(&event, &bytes);
    (void)state;
    assert_true(record_measure(text_slice(data, RECORD_HEAD), SEGMENT, &measured));
    assert_int_equal(measured, bytes);
    assert_false(record_measure(text_slice(data, RECORD_HEAD - 1), SEGMENT, &measured));
    assert_false(record_measure(text_slice(data, RECORD_HEAD), SEGMENT + 1, &measured));
    free(data);
}

/* The check value that the catalogues give for CRC-32C, and zeros and ones from RFC 3720. */
static void test_the_crc_is_the_one_of_the_catalogues(void **state) {
    char bytes[32] = {0};
    (void)state;
    assert_int_equal(crc_add(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc_add(crc_add(0, "1234", 4), "56789", 5), 0xe3069283);
    assert_int_equal(crc_add(0, "", 0), 0);
    assert_int_equal(crc_add(0, bytes, sizeof bytes), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(crc_add(0, bytes, sizeof bytes), 0x62a8ab43);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_encoded_is_decoded),
        cmocka_unit_test(test_no_flipped_bit_passes),
        cmocka_unit_test(test_no_part_of_one_passes),
        cmocka_unit_test(test_a_record_of_another_segment_is_not_taken_until_it_is_sealed_for_it),
        cmocka_unit_test(test_zeros_are_nothing),
        cmocka_unit_test(test_a_head_says_how_long_its_record_is),
        cmocka_unit_test(test_the_crc_is_the_one_of_the_catalogues),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
