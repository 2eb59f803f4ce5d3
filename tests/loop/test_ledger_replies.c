/* Only the script's own words say that an event is stored. Whatever else stands where
 * Redis should, or whatever Redis has become, its answers to an append are no 2xx. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/config.h"
#include "base/memory.h"
#include "ledger/ledger.h"
#include "ledger/scripts.h"

enum { DEADLINE_MS = 20000 };

/* Somebody who greets as Redis does, and answers what follows as he was told. */
struct impostor {
    char folder[32];
    struct sockaddr_un address;
    int door, peer;
};

struct scene {
    struct impostor impostor;
    struct config config;
    struct loop *loop;
    struct loop_timer *deadline;
    struct ledger *ledger;
    bool done;
    enum ledger_stored stored;
    struct ledger_batched batched; /* its `trouble` is not to be looked at */
};

static void on_deadline(void *arg) {
    (void)arg;
    fail_msg("nothing came before the deadline");
}

/* What was asked is of no interest, but unread it would fill the socket. How much it was. */
static size_t pass_over(const struct impostor *impostor) {
    char asked[4096];
    size_t bytes = 0;
    for (ssize_t got; (got = recv(impostor->peer, asked, sizeof asked, MSG_DONTWAIT)) > 0;)
        bytes += (size_t)got;
    return bytes;
}

static void say(const struct impostor *impostor, struct text bytes) {
    pass_over(impostor);
    assert_int_equal(send(impostor->peer, bytes.data, bytes.size, MSG_NOSIGNAL), bytes.size);
}

/* All of it first, in as many turns as it takes: nobody answers what was not asked. */
static void wait_until_asked(const struct impostor *impostor, struct loop *loop) {
    size_t asked = 0, scripts = 0;
    for (struct redis_script *const *script = scripts_all; *script; script++)
        scripts += strlen((*script)->source);
    while ((asked += pass_over(impostor)) < scripts)
        loop_turn(loop);
}

/* What is asked is known beforehand: CLIENT SETNAME, ECHO, each script, the layout. */
static void greet(struct impostor *impostor, struct loop *loop) {
    struct string replies = {0};
    impostor->peer = accept(impostor->door, NULL, NULL);
    assert_true(impostor->peer >= 0);
    wait_until_asked(impostor, loop);
    string_add_of(&replies, "+OK\r\n$5\r\nhello\r\n");
    for (struct redis_script *const *script = scripts_all; *script; script++)
        string_addf(&replies, "$40\r\n%s\r\n", (*script)->sha1);
    string_add_of(&replies, "$-1\r\n");
    say(impostor, string_text(&replies));
    string_finish(&replies);
}

static void open_door(struct impostor *impostor) {
    snprintf(impostor->folder, sizeof impostor->folder, "/tmp/kr-impostor-XXXXXX");
    char *made = mkdtemp(impostor->folder);
    assert_non_null(made);
    impostor->address.sun_family = AF_UNIX;
    snprintf(impostor->address.sun_path, sizeof impostor->address.sun_path, "%s/sock",
             impostor->folder);
    impostor->door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(
        bind(impostor->door, (struct sockaddr *)&impostor->address, sizeof impostor->address), 0);
    assert_int_equal(listen(impostor->door, 1), 0);
}

static int set_up(void **state) {
    struct scene *scene = memory_new(sizeof *scene);
    struct string url = {0}, why = {0};
    open_door(&scene->impostor);
    string_addf(&url, "unix://%s", scene->impostor.address.sun_path);
    scene->config.redis.url = url.data;
    scene->config.redis.prefix = text_copy(text_of("kula"));
    scene->loop = loop_create();
    scene->deadline = loop_timer_create(scene->loop, on_deadline, NULL);
    loop_timer_set(scene->deadline, DEADLINE_MS);
    scene->ledger = ledger_create(scene->loop, &scene->config, "test", NULL, NULL, &why);
    assert_non_null(scene->ledger);
    greet(&scene->impostor, scene->loop);
    while (!ledger_connected(scene->ledger))
        loop_turn(scene->loop);
    *state = scene;
    return 0;
}

static int tear_down(void **state) {
    struct scene *scene = *state;
    ledger_destroy(scene->ledger);
    loop_timer_destroy(scene->deadline);
    loop_destroy(scene->loop);
    close(scene->impostor.peer);
    close(scene->impostor.door);
    unlink(scene->impostor.address.sun_path);
    rmdir(scene->impostor.folder);
    free(scene->config.redis.url);
    free(scene->config.redis.prefix);
    free(scene);
    return 0;
}

static const struct ledger_item item = {
    .event = {.id = {"evt_1", 5}, .type = {"ping", 4}, .endpoint = {"kula", 4}},
    .window_ms = 60000};

static void await(struct scene *scene, const char *reply) {
    scene->done = false;
    say(&scene->impostor, text_of(reply));
    while (!scene->done)
        loop_turn(scene->loop);
}

static void on_stored(void *arg, const struct ledger_appended *appended) {
    struct scene *scene = arg;
    scene->stored = appended->stored;
    scene->done = true;
}

static enum ledger_stored append(struct scene *scene, const char *reply) {
    ledger_append(scene->ledger, &item, DEADLINE_MS, on_stored, scene);
    await(scene, reply);
    return scene->stored;
}

static void on_batched(void *arg, const struct ledger_batched *batched) {
    struct scene *scene = arg;
    scene->batched = *batched;
    scene->done = true;
}

static const struct ledger_batched *append_batch(struct scene *scene, const char *reply) {
    ledger_append_batch(scene->ledger,
                        &(struct ledger_batch){.spool = "0123456789abcdef",
                                               .last = 1,
                                               .items = &item,
                                               .count = 1,
                                               .deadline_ms = DEADLINE_MS},
                        on_batched, scene);
    await(scene, reply);
    return &scene->batched;
}

static const char stored_reply[] =
    "*3\r\n:1\r\n$1\r\n1\r\n*1\r\n*2\r\n$6\r\nstored\r\n$3\r\n1-1\r\n";
static const char duplicate_reply[] =
    "*3\r\n:1\r\n$1\r\n1\r\n*1\r\n*2\r\n$9\r\nduplicate\r\n$3\r\n1-1\r\n";

static const char stored_batch[] = "*3\r\n:1\r\n$1\r\n1\r\n*2\r\n:1\r\n:0\r\n";
static const char duplicate_batch[] = "*3\r\n:1\r\n$1\r\n1\r\n*2\r\n:0\r\n:1\r\n";

static const char *const no_answers[] = {
    "+OK\r\n",
    ":1\r\n",
    "$-1\r\n",
    "*0\r\n",
    "$6\r\nstored\r\n",
    "*2\r\n$6\r\nstored\r\n$3\r\n1-1\r\n",                          /* not where it belongs */
    "*3\r\n:1\r\n$1\r\n1\r\n*0\r\n",                                /* nothing of the event */
    "*3\r\n:1\r\n$1\r\n1\r\n$6\r\nstored\r\n",                      /* no list of results */
    "*3\r\n:1\r\n$1\r\n1\r\n*1\r\n$6\r\nstored\r\n",                /* no result */
    "*3\r\n:1\r\n$1\r\n1\r\n*1\r\n*2\r\n$5\r\nStore\r\n$0\r\n\r\n", /* another word */
    "*3\r\n:1\r\n$1\r\n1\r\n*1\r\n*2\r\n$8\r\nstored!!\r\n$0\r\n\r\n",
    "*3\r\n:1\r\n$1\r\n1\r\n*1\r\n*2\r\n$-1\r\n$-1\r\n",
    "*3\r\n:1\r\n$1\r\n1\r\n*2\r\n$1\r\nx\r\n:0\r\n",
    "*3\r\n:1\r\n$1\r\n1\r\n*2\r\n:2\r\n:0\r\n",  /* more than there was */
    "*3\r\n:1\r\n$1\r\n1\r\n*2\r\n:-1\r\n:2\r\n", /* fewer than none */
    "*7\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n",
};

static void test_the_words_of_the_script_are_believed(void **state) {
    struct scene *scene = *state;
    assert_int_equal(append(scene, stored_reply), LEDGER_STORED);
    assert_int_equal(append(scene, duplicate_reply), LEDGER_DUPLICATE);
    const struct ledger_batched *batched = append_batch(scene, stored_batch);
    assert_int_equal(batched->outcome, LEDGER_DONE);
    assert_true(batched->follows);
    assert_int_equal(batched->stored, 1);
    assert_int_equal(append_batch(scene, duplicate_batch)->duplicate, 1);
}

static void test_nothing_else_says_that_an_event_is_stored(void **state) {
    struct scene *scene = *state;
    for (size_t i = 0; i < sizeof no_answers / sizeof *no_answers; i++)
        assert_int_equal(append(scene, no_answers[i]), LEDGER_NOT_STORED);
    assert_int_equal(append(scene, stored_reply), LEDGER_STORED);
}

static void test_nothing_else_says_that_a_batch_is_stored(void **state) {
    struct scene *scene = *state;
    for (size_t i = 0; i < sizeof no_answers / sizeof *no_answers; i++) {
        const struct ledger_batched *batched = append_batch(scene, no_answers[i]);
        assert_int_equal(batched->outcome, LEDGER_REFUSED);
        assert_int_equal(batched->stored + batched->duplicate, 0);
    }
    assert_int_equal(append_batch(scene, stored_batch)->outcome, LEDGER_DONE);
}

static void test_a_batch_of_which_one_event_is_not_spoken_of_is_not_stored(void **state) {
    struct scene *scene = *state;
    const struct ledger_item two[] = {item, item};
    ledger_append_batch(scene->ledger,
                        &(struct ledger_batch){.spool = "0123456789abcdef",
                                               .last = 2,
                                               .items = two,
                                               .count = 2,
                                               .deadline_ms = DEADLINE_MS},
                        on_batched, scene);
    await(scene, stored_batch);
    assert_int_equal(scene->batched.outcome, LEDGER_REFUSED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_the_words_of_the_script_are_believed),
        TEST(test_nothing_else_says_that_an_event_is_stored),
        TEST(test_nothing_else_says_that_a_batch_is_stored),
        TEST(test_a_batch_of_which_one_event_is_not_spoken_of_is_not_stored),
    };
    return cmocka_run_group_tests_name("ledger_replies", tests, NULL, NULL);
}
