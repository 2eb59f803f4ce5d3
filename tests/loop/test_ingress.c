/* Deliveries as Kula sends them, over real sockets into a real Redis: what each
 * is answered, and what stands in the ledger afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "kula/stamp.h"
#include "net/address.h"
#include "redis_house.h"
#include "serve/endpoints.h"
#include "serve/ingress.h"
#include "serve/store.h"

enum {
    PATIENCE_MS = 20000,
    TICK_MS = 5,
    CLIENTS = 10,
    ENDPOINTS = 5,
    BODY_LIMIT = 2 * 1024 * 1024,
    WINDOW_MS = 3600 * 1000,
    TOLERANCE_S = 300,
};

static const char key[] = "whsec_test_0123456789abcdef";
static const char path[] = "/webhooks/kula";

struct world {
    struct redis_house *house;
    struct config config;
    struct loop *loop;
    struct loop_timer *tick; /* so that a turn of the loop is never long */
    struct metrics *metrics;
    struct ledger *ledger;
    struct store *store;
    struct endpoints *endpoints;
    struct ingress *ingress;
    struct string address;
    bool empty; /* drained */
};

struct client {
    int fd;
    int status;
    struct string answer; /* as it came; one answer at a time */
    const char *body;
};

/* ---- The world ---- */

static void on_tick(void *arg) {
    struct world *world = arg;
    loop_timer_set(world->tick, TICK_MS);
}

static void on_empty(void *arg) {
    struct world *world = arg;
    world->empty = true;
}

static struct config make_config(const struct redis_house *house) {
    static char other_key[] = "the-new-one", good_key[sizeof key];
    static char names[][8] = {"kula", "strict", "patient", "listed", "twice"};
    static char paths[][20] = {"/webhooks/kula", "/strict", "/patient", "/listed", "/twice"};
    static char account[] = "12345", prefix[] = "kula";
    static char *accounts[] = {account};
    static struct secret secrets[] = {{(unsigned char *)other_key, sizeof other_key - 1},
                                      {(unsigned char *)good_key, sizeof key - 1}};
    static struct config_endpoint endpoints[] = {
        {.name = names[0], .path = paths[0]},
        {.name = names[1], .path = paths[1], .stale = CONFIG_STALE_REJECT},
        {.name = names[2],
         .path = paths[2],
         .stale = CONFIG_STALE_RETRY,
         .unmatched = CONFIG_UNMATCHED_RETRY},
        {.name = names[3], .path = paths[3], .accounts = accounts, .account_count = 1},
        {.name = names[4],
         .path = paths[4],
         .stale = CONFIG_STALE_REJECT,
         .signed_body = CONFIG_SIGNED_BODY_RAW_OR_CANONICAL},
    };
    memcpy(good_key, key, sizeof key);
    for (size_t i = 0; i < ENDPOINTS; i++) {
        endpoints[i].secrets = secrets;
        endpoints[i].secret_file_count = 2;
        endpoints[i].tolerance_ms = TOLERANCE_S * 1000;
    }
    return (struct config){
        .redis = {.url = text_copy(text_of(redis_house_url(house))), .prefix = prefix},
        .endpoints = endpoints,
        .endpoint_count = ENDPOINTS,
        .body_limit_bytes = BODY_LIMIT,
        .connections = 100,
        .bytes_in_flight = 2 * BODY_LIMIT,
        .dedup_window_ms = WINDOW_MS,
    };
}

static int world_start(void **state) {
    static const char *const keep[] = {"--appendonly", "yes", "--appendfsync", "always", NULL};
    struct world *world = memory_new(sizeof *world);
    struct string why = {0};
    world->house = redis_house_start(keep);
    world->config = make_config(world->house);
    world->loop = loop_create();
    world->tick = loop_timer_create(world->loop, on_tick, world);
    loop_timer_set(world->tick, TICK_MS);
    world->metrics = metrics_create();
    world->ledger = ledger_create(world->loop, &world->config, "test", NULL, NULL, &why);
    assert_non_null(world->ledger);
    world->endpoints = endpoints_create(&world->config);
    endpoints_enter(world->endpoints, world->metrics);
    world->store = store_create(&(struct store_needs){.loop = world->loop, .ledger = world->ledger},
                                &world->config);
    world->ingress = ingress_create(&(struct ingress_needs){.loop = world->loop,
                                                            .config = &world->config,
                                                            .metrics = world->metrics,
                                                            .store = world->store,
                                                            .endpoints = world->endpoints});
    int listener = address_listen(text_of("127.0.0.1:0"), &why);
    assert_true(listener >= 0);
    address_format_bound(listener, &world->address);
    http_server_listen(ingress_server(world->ingress), listener, NULL);
    *state = world;
    return 0;
}

static int world_stop(void **state) {
    struct world *world = *state;
    ingress_destroy(world->ingress);
    ledger_destroy(world->ledger);
    store_destroy(world->store);
    endpoints_destroy(world->endpoints);
    metrics_destroy(world->metrics);
    loop_timer_destroy(world->tick);
    loop_destroy(world->loop);
    redis_house_stop(world->house);
    free(world->config.redis.url);
    string_finish(&world->address);
    free(world);
    return 0;
}

/* ---- A client ---- */

static void client_open(struct client *client, const struct world *world) {
    const char *colon = strrchr(world->address.data, ':');
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *client = (struct client){.fd = socket(AF_INET, SOCK_STREAM, 0)};
    assert_true(client->fd >= 0);
    assert_int_equal(connect(client->fd, (struct sockaddr *)&to, sizeof to), 0);
}

static void client_close(struct client *client) {
    close(client->fd);
    string_finish(&client->answer);
}

/* Turns the loop while the socket is full: the server is in this process too. */
static void client_send(struct client *client, struct world *world, struct text bytes) {
    while (bytes.size) {
        ssize_t sent = send(client->fd, bytes.data, bytes.size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0) {
            assert_int_equal(errno, EAGAIN);
            loop_turn(world->loop);
            continue;
        }
        bytes = text_slice(bytes.data + sent, bytes.size - (size_t)sent);
    }
}

/* Whether a whole answer is there; reads what has come. */
static bool client_has_answer(struct client *client) {
    char bytes[4096];
    ssize_t got;
    while ((got = recv(client->fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        string_add(&client->answer, text_slice(bytes, (size_t)got));
    char *end = client->answer.data ? strstr(client->answer.data, "\r\n\r\n") : NULL;
    char *length = end ? strcasestr(client->answer.data, "\r\ncontent-length:") : NULL;
    if (!length)
        return false;
    client->body = end + 4;
    client->status = (int)strtol(client->answer.data + strlen("HTTP/1.1 "), NULL, 10);
    return strlen(client->body) >= strtoul(length + strlen("\r\ncontent-length:"), NULL, 10);
}

static void client_await(struct client *client, struct world *world) {
    int64_t until = clock_steady_ms() + PATIENCE_MS;
    while (!client_has_answer(client)) {
        assert_true(clock_steady_ms() < until);
        loop_turn(world->loop);
    }
}

static void client_expect(struct client *client, struct world *world, int status,
                          const char *body) {
    client_await(client, world);
    assert_int_equal(client->status, status);
    assert_string_equal(client->body, body);
    string_clear(&client->answer);
}

/* ---- Deliveries ---- */

enum { STAMP_SIZE = 128 };

static void sign(struct text body, int64_t t_s, char stamp[STAMP_SIZE]) {
    struct string made = {0};
    static unsigned char bytes[sizeof key];
    memcpy(bytes, key, sizeof key);
    struct hmac *hmac = hmac_create(&(struct secret){bytes, sizeof key - 1});
    stamp_kula((struct stamp_keys){&hmac, 1}, t_s, body, &made);
    snprintf(stamp, STAMP_SIZE, "%s", made.data);
    string_finish(&made);
    hmac_destroy(hmac);
}

static int64_t now_s(void) {
    return clock_wall_ms() / 1000;
}

/* `headers`: whole lines, each with its CRLF. */
static void post(struct client *client, struct world *world, const char *to, const char *headers,
                 struct text body) {
    struct string request = {0};
    string_addf(&request, "POST %s HTTP/1.1\r\nHost: relay\r\nContent-Length: %zu\r\n%s\r\n", to,
                body.size, headers);
    string_add(&request, body);
    client_send(client, world, string_text(&request));
    string_finish(&request);
}

static void post_signed(struct client *client, struct world *world, const char *to, int64_t t_s,
                        const char *body) {
    char stamp[STAMP_SIZE], header[STAMP_SIZE + 32];
    sign(text_of(body), t_s, stamp);
    snprintf(header, sizeof header, "X-Kula-Signature: %s\r\n", stamp);
    post(client, world, to, header, text_of(body));
}

static const char *event_named(const char *id) {
    static char body[256];
    snprintf(body, sizeof body,
             "{\"event\":\"application.hired\",\"event_id\":\"%s\",\"created_at\":"
             "\"2025-01-15T10:30:00Z\",\"account_id\":12345,\"data\":{\"name\":\"Zo\\u00eb\"}}",
             id);
    return body;
}

static void expect_stored(struct world *world, int events, int penned) {
    char reply[32];
    snprintf(reply, sizeof reply, ":%d\r\n", events);
    assert_string_equal(redis_house_say(world->house, "XLEN kula:events"), reply);
    snprintf(reply, sizeof reply, ":%d\r\n", penned);
    assert_string_equal(redis_house_say(world->house, "XLEN kula:pen"), reply);
}

static void expect_counted(struct world *world, const char *endpoint, const char *outcome,
                           int times) {
    struct string text = {0}, line = {0};
    string_addf(&line, "\nkula_relay_deliveries_total{endpoint=\"%s\",outcome=\"%s\"} %d\n",
                endpoint, outcome, times);
    metrics_format(world->metrics, &text);
    if (!strstr(text.data, line.data))
        fail_msg("not found: %s in %s", line.data, text.data);
    string_finish(&text);
    string_finish(&line);
}

static void await_in_flight(struct world *world, size_t deliveries) {
    int64_t until = clock_steady_ms() + PATIENCE_MS;
    while (ingress_deliveries_in_flight(world->ingress) != deliveries) {
        assert_true(clock_steady_ms() < until);
        loop_turn(world->loop);
    }
}

static void await_body_bytes(struct world *world, size_t bytes) {
    int64_t until = clock_steady_ms() + PATIENCE_MS;
    while (http_server_body_bytes(ingress_server(world->ingress)) < bytes) {
        assert_true(clock_steady_ms() < until);
        loop_turn(world->loop);
    }
}

static void await_ledger(struct world *world, bool connected) {
    int64_t until = clock_steady_ms() + PATIENCE_MS;
    while (ledger_connected(world->ledger) != connected) {
        assert_true(clock_steady_ms() < until);
        loop_turn(world->loop);
    }
}

/* ---- What is signed comes in ---- */

static void test_a_signed_delivery_is_stored_as_it_came(void **state) {
    struct world *world = *state;
    struct client client;
    client_open(&client, world);
    post_signed(&client, world, path, now_s(), event_named("evt_1"));
    client_expect(&client, world, 200, "{\"status\":\"accepted\",\"event_id\":\"evt_1\"}\n");
    const char *entry = redis_house_say(world->house, "XRANGE kula:events - +");
    assert_non_null(strstr(entry, event_named("evt_1")));
    assert_non_null(strstr(entry, "\r\nid\r\n$5\r\nevt_1\r\n"));
    assert_non_null(strstr(entry, "\r\ntype\r\n$17\r\napplication.hired\r\n"));
    assert_non_null(strstr(entry, "\r\nendpoint\r\n$4\r\nkula\r\n"));
    assert_non_null(strstr(entry, "\r\naccount\r\n$5\r\n12345\r\n"));
    assert_non_null(strstr(entry, "\r\ntrace\r\n$32\r\n"));
    expect_counted(world, "kula", "accepted", 1);
    client_close(&client);
}

static void test_the_same_event_again_is_told_so(void **state) {
    struct world *world = *state;
    struct client client;
    client_open(&client, world);
    post_signed(&client, world, path, now_s(), event_named("evt_1"));
    client_expect(&client, world, 200, "{\"status\":\"accepted\",\"event_id\":\"evt_1\"}\n");
    post_signed(&client, world, path, now_s() + 1, event_named("evt_1"));
    client_expect(&client, world, 200, "{\"status\":\"duplicate\",\"event_id\":\"evt_1\"}\n");
    expect_stored(world, 1, 0);
    expect_counted(world, "kula", "duplicate", 1);
    client_close(&client);
}

static void test_one_event_ten_times_at_once_is_stored_once(void **state) {
    struct world *world = *state;
    struct client clients[CLIENTS];
    int accepted = 0;
    for (int i = 0; i < CLIENTS; i++) {
        client_open(&clients[i], world);
        post_signed(&clients[i], world, path, now_s(), event_named("evt_1"));
    }
    for (int i = 0; i < CLIENTS; i++) {
        client_await(&clients[i], world);
        assert_int_equal(clients[i].status, 200);
        accepted += strstr(clients[i].body, "accepted") != NULL;
        client_close(&clients[i]);
    }
    assert_int_equal(accepted, 1);
    expect_stored(world, 1, 0);
    expect_counted(world, "kula", "duplicate", CLIENTS - 1);
}

static void test_a_body_of_a_mebibyte_comes_in(void **state) {
    struct world *world = *state;
    struct client client;
    struct string body = {0};
    string_add_of(&body, "{\"event\":\"job.updated\",\"event_id\":\"evt_big\",\"data\":\"");
    while (body.size < 1024 * 1024)
        string_add_of(&body, "Lorem ipsum dolor sit amet ");
    string_add_of(&body, "\"}");
    client_open(&client, world);
    post_signed(&client, world, path, now_s(), body.data);
    client_expect(&client, world, 200, "{\"status\":\"accepted\",\"event_id\":\"evt_big\"}\n");
    expect_stored(world, 1, 0);
    string_finish(&body);
    client_close(&client);
}

static void test_a_stale_event_is_stored_where_that_is_wanted(void **state) {
    struct world *world = *state;
    struct client client;
    client_open(&client, world);
    post_signed(&client, world, path, now_s() - TOLERANCE_S - 5, event_named("evt_old"));
    client_expect(&client, world, 200, "{\"status\":\"accepted\",\"event_id\":\"evt_old\"}\n");
    post_signed(&client, world, path, now_s() + TOLERANCE_S + 60, event_named("evt_soon"));
    client_expect(&client, world, 200, "{\"status\":\"accepted\",\"event_id\":\"evt_soon\"}\n");
    expect_stored(world, 2, 0);
    client_close(&client);
}

static void test_a_signature_ahead_of_time_is_remembered_for_longer(void **state) {
    struct world *world = *state;
    struct client client;
    client_open(&client, world);
    post_signed(&client, world, path, now_s() + TOLERANCE_S, event_named("evt_soon"));
    client_expect(&client, world, 200, "{\"status\":\"accepted\",\"event_id\":\"evt_soon\"}\n");
    const char *left = redis_house_say(world->house, "PTTL kula:seen:kula:evt_soon");
    assert_true(strtol(left + 1, NULL, 10) > WINDOW_MS);
    client_close(&client);
}

static void test_a_later_try_signed_now_does_not_shorten_what_was_remembered(void **state) {
    struct world *world = *state;
    struct client client;
    client_open(&client, world);
    post_signed(&client, world, path, now_s() + TOLERANCE_S, event_named("evt_soon"));
    client_expect(&client, world, 200, "{\"status\":\"accepted\",\"event_id\":\"evt_soon\"}\n");
    post_signed(&client, world, path, now_s(), event_named("evt_soon"));
    client_expect(&client, world, 200, "{\"status\":\"duplicate\",\"event_id\":\"evt_soon\"}\n");
    const char *left = redis_house_say(world->house, "PTTL kula:seen:kula:evt_soon");
    assert_true(strtol(left + 1, NULL, 10) > WINDOW_MS);
    client_close(&client);
}

static void test_a_later_try_signed_ahead_lengthens_what_was_remembered(void **state) {
    struct world *world = *state;
    struct client client;
    client_open(&client, world);
    post_signed(&client, world, path, now_s(), event_named("evt_soon"));
    client_expect(&client, world, 200, "{\"status\":\"accepted\",\"event_id\":\"evt_soon\"}\n");
    post_signed(&client, world, path, now_s() + TOLERANCE_S, event_named("evt_soon"));
    client_expect(&client, world, 200, "{\"status\":\"duplicate\",\"event_id\":\"evt_soon\"}\n");
    const char *left = redis_house_say(world->house, "PTTL kula:seen:kula:evt_soon");
    assert_true(strtol(left + 1, NULL, 10) > WINDOW_MS);
    client_close(&client);
}

/* ---- What is not signed does not ---- */

static void test_what_kula_did_not_sign_is_refused_and_not_stored(void **state) {
    struct world *world = *state;
    const char *body = event_named("evt_1");
    char good[STAMP_SIZE], forged[STAMP_SIZE];
    sign(text_of(body), now_s(), good);
    memcpy(forged, good, sizeof forged);
    char *last = forged + strlen(forged) - 1;
    *last = *last == '0' ? '1' : '0';
    struct string lines[6] = {{0}};
    string_add_of(&lines[0], "");
    string_add_of(&lines[1], "X-Kula-Signature: \r\n");
    string_add_of(&lines[2], "X-Kula-Signature: t=12x,v1=00\r\n");
    string_addf(&lines[3], "X-Kula-Signature: %s\r\nx-kula-signature: %s\r\n", good, good);
    string_addf(&lines[4], "X-Kula-Signature: %s\r\n", forged);
    string_addf(&lines[5], "X-Kula-Signature: t=1%s\r\n", good + strlen("t="));
    static const char *const words[] = {"signature_missing",   "signature_missing",
                                        "signature_malformed", "signature_malformed",
                                        "signature_unmatched", "signature_unmatched"};
    for (size_t i = 0; i < 6; i++) {
        struct client client;
        char expected[64];
        client_open(&client, world);
        post(&client, world, path, lines[i].data, text_of(body));
        snprintf(expected, sizeof expected, "{\"status\":\"%s\"}\n", words[i]);
        client_expect(&client, world, 401, expected);
        client_close(&client);
        string_finish(&lines[i]);
    }
    expect_stored(world, 0, 0);
    expect_counted(world, "kula", "signature_missing", 2);
    expect_counted(world, "kula", "signature_malformed", 2);
    expect_counted(world, "kula", "signature_unmatched", 2);
}

static void test_policies_for_stale_and_unmatched_hold(void **state) {
    struct world *world = *state;
    struct client client;
    int64_t late_s = now_s() - TOLERANCE_S - 5;
    client_open(&client, world);
    post_signed(&client, world, "/strict", late_s, event_named("evt_1"));
    client_expect(&client, world, 401, "{\"status\":\"stale\"}\n");
    post_signed(&client, world, path, now_s() - WINDOW_MS / 1000 - 5, event_named("evt_1"));
    client_expect(&client, world, 503, "{\"status\":\"stale_retry\"}\n");
    post_signed(&client, world, "/patient", late_s, event_named("evt_1"));
    client_await(&client, world);
    assert_non_null(strcasestr(client.answer.data, "\r\nretry-after: "));
    client_expect(&client, world, 503, "{\"status\":\"stale_retry\"}\n");
    post(&client, world, "/patient",
         "X-Kula-Signature: t=1,v1="
         "0000000000000000000000000000000000000000000000000000000000000000\r\n",
         text_of("{}"));
    client_expect(&client, world, 503, "{\"status\":\"signature_unmatched_retry\"}\n");
    expect_stored(world, 0, 0);
    client_close(&client);
}

/* ---- The second reading ---- */

enum { STRANGERS = 20, READ_TWICE = 64 * 1024 }; /* of such bodies a turn reads three */

#define NOBODYS                                                                                    \
    "X-Kula-Signature: "                                                                           \
    "t=1,v1=0000000000000000000000000000000000000000000000000000000000000000\r\n"

/* JavaScript would leave the blanks out. */
static struct string body_with_blanks(const char *blank) {
    struct string body = {0};
    string_addf(&body, "{%s\"data\":\"%0*d\"}", blank, READ_TWICE, 0);
    return body;
}

static void strangers_open(struct client strangers[STRANGERS], struct world *world) {
    size_t before = http_server_connections(ingress_server(world->ingress));
    for (int i = 0; i < STRANGERS; i++)
        client_open(&strangers[i], world);
    while (http_server_connections(ingress_server(world->ingress)) < before + STRANGERS)
        loop_turn(world->loop);
}

static void strangers_post(struct client strangers[STRANGERS], struct world *world) {
    struct string body = body_with_blanks(" ");
    for (int i = 0; i < STRANGERS; i++)
        post(&strangers[i], world, "/twice", NOBODYS, string_text(&body));
    string_finish(&body);
}

static void post_signed_as_javascript(struct client *client, struct world *world, int64_t t_s) {
    struct string body = body_with_blanks(" "), canonical = body_with_blanks("");
    char stamp[STAMP_SIZE], header[STAMP_SIZE + 32];
    sign(string_text(&canonical), t_s, stamp);
    snprintf(header, sizeof header, "X-Kula-Signature: %s\r\n", stamp);
    post(client, world, "/twice", header, string_text(&body));
    string_finish(&body);
    string_finish(&canonical);
}

static void test_strangers_keep_nobody_waiting_who_has_proved_to_be_kula(void **state) {
    struct world *world = *state;
    struct client kula, strangers[STRANGERS];
    int64_t late_s = now_s() - TOLERANCE_S - 5; /* such an answer waits for no Redis */
    int answered = 0;
    client_open(&kula, world);
    post_signed(&kula, world, "/twice", late_s, event_named("evt_1"));
    client_expect(&kula, world, 401, "{\"status\":\"stale\"}\n");
    strangers_open(strangers, world);
    strangers_post(strangers, world);
    post_signed_as_javascript(&kula, world, late_s);
    client_expect(&kula, world, 401, "{\"status\":\"stale\"}\n");
    for (int i = 0; i < STRANGERS; i++) {
        answered += client_has_answer(&strangers[i]);
        client_close(&strangers[i]);
    }
    assert_in_range(answered, 0, STRANGERS / 2);
    client_close(&kula);
}

static void test_strangers_that_wait_too_long_are_asked_to_come_back(void **state) {
    struct world *world = *state;
    struct client strangers[STRANGERS];
    int busy = 0;
    strangers_open(strangers, world);
    strangers_post(strangers, world);
    while (ingress_deliveries_in_flight(world->ingress) < STRANGERS / 2)
        loop_turn(world->loop);
    usleep(1100 * 1000);
    for (int i = 0; i < STRANGERS; i++) {
        client_await(&strangers[i], world);
        assert_true(strangers[i].status == 401 || strangers[i].status == 503);
        busy += strangers[i].status == 503;
        client_close(&strangers[i]);
    }
    assert_in_range(busy, 1, STRANGERS - 1);
    expect_counted(world, "twice", "busy", busy);
    expect_counted(world, "twice", "signature_unmatched", STRANGERS - busy);
}

/* ---- What we cannot read is kept ---- */

static void test_an_authentic_but_unreadable_delivery_goes_to_the_pen(void **state) {
    static const struct {
        const char *path;
        const char *body;
        const char *reason;
    } cases[] = {
        {path, "not json", "not_json"},
        {path, "", "not_json"},
        {path, "{\"event\":\"ping\"}", "no_id"},
        {path, "{\"event_id\":\"evt_1\"}", "no_type"},
        {path, "{\"event\":\"ping\",\"event_id\":\"evt_1\",\"event_id\":\"evt_2\"}", "twice"},
        {"/listed", "{\"event\":\"ping\",\"event_id\":\"evt_1\",\"account_id\":1}",
         "other_account"},
    };
    struct world *world = *state;
    struct client client;
    client_open(&client, world);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expected[64];
        post_signed(&client, world, cases[i].path, now_s(), cases[i].body);
        client_expect(&client, world, 200, "{\"status\":\"penned\"}\n");
        snprintf(expected, sizeof expected, "\r\n%s\r\n", cases[i].reason);
        assert_non_null(
            strstr(redis_house_say(world->house, "XREVRANGE kula:pen + - COUNT 1"), expected));
        expect_stored(world, 0, (int)i + 1);
    }
    expect_counted(world, "kula", "penned", 5);
    expect_counted(world, "listed", "penned", 1);
    client_close(&client);
}

static void test_the_body_wins_over_headers_that_nobody_signs(void **state) {
    struct world *world = *state;
    struct client client;
    char stamp[STAMP_SIZE], headers[STAMP_SIZE + 128];
    sign(text_of(event_named("evt_1")), now_s(), stamp);
    snprintf(headers, sizeof headers,
             "X-Kula-Signature: %s\r\nX-Kula-Event-Id: evt_2\r\nX-Kula-Event: ping\r\n", stamp);
    client_open(&client, world);
    post(&client, world, path, headers, text_of(event_named("evt_1")));
    client_expect(&client, world, 200, "{\"status\":\"accepted\",\"event_id\":\"evt_1\"}\n");
    assert_string_equal(redis_house_say(world->house, "EXISTS kula:seen:kula:evt_2"), ":0\r\n");
    client_close(&client);
}

/* ---- What is not a delivery ---- */

static void test_other_requests_get_their_answers(void **state) {
    static const struct {
        const char *request;
        int status;
        const char *body;
        const char *header; /* NULL: none is looked for */
    } cases[] = {
        {"GET /healthz HTTP/1.1\r\nHost: r\r\n\r\n", 200, "{\"status\":\"ok\"}\n",
         "application/json"},
        {"GET /webhooks/kula HTTP/1.1\r\nHost: r\r\n\r\n", 405,
         "{\"status\":\"method_not_allowed\"}\n", "Allow: POST"},
        {"POST /healthz HTTP/1.1\r\nHost: r\r\nContent-Length: 0\r\n\r\n", 404,
         "{\"status\":\"not_found\"}\n", NULL},
        {"POST /webhooks/kulaX HTTP/1.1\r\nHost: r\r\nContent-Length: 2\r\n\r\n{}", 404,
         "{\"status\":\"not_found\"}\n", NULL},
        {"POST /webhooks/kula HTTP/1.1\r\nHost: r\r\nContent-Length: 99999999\r\n\r\n", 413,
         "{\"status\":\"too_large\"}\n", "Connection: close"},
        {"POST /webhooks/kula HTTP/1.1\r\nHost: r\r\nContent-Length: 2\r\n"
         "Content-Length: 3\r\n\r\n{}",
         400, "{\"status\":\"malformed\"}\n", "Connection: close"},
    };
    struct world *world = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct client client;
        client_open(&client, world);
        client_send(&client, world, text_of(cases[i].request));
        client_await(&client, world);
        if (cases[i].header)
            assert_non_null(strcasestr(client.answer.data, cases[i].header));
        client_expect(&client, world, cases[i].status, cases[i].body);
        client_close(&client);
    }
    expect_counted(world, "", "not_found", 2);
    expect_counted(world, "kula", "method_not_allowed", 1);
}

static void test_too_many_bytes_in_flight_are_asked_to_come_back(void **state) {
    struct world *world = *state;
    static const char head[] = "POST /webhooks/kula HTTP/1.1\r\nHost: r\r\n"
                               "Content-Length: 2097152\r\n\r\n";
    struct client held, coming, refused;
    client_open(&held, world);
    client_open(&coming, world);
    client_open(&refused, world);
    await_ledger(world, true);
    redis_house_pause(world->house);
    post_signed(&held, world, path, now_s(), event_named("evt_1"));
    await_in_flight(world, 1);
    client_send(&coming, world, text_of(head));
    await_body_bytes(world, BODY_LIMIT);
    client_send(&refused, world, text_of(head));
    client_await(&refused, world);
    assert_non_null(strcasestr(refused.answer.data, "\r\nretry-after: "));
    client_expect(&refused, world, 503, "{\"status\":\"busy\"}\n");
    redis_house_resume(world->house);
    client_expect(&held, world, 200, "{\"status\":\"accepted\",\"event_id\":\"evt_1\"}\n");
    client_close(&held);
    client_close(&coming);
    client_close(&refused);
}

static void test_a_delivery_whose_body_does_not_come_is_counted_at_its_endpoint(void **state) {
    struct world *world = *state;
    struct client client;
    client_open(&client, world);
    client_send(&client, world,
                text_of("POST /webhooks/kula HTTP/1.1\r\nHost: r\r\nContent-Length: 2\r\n\r\n"));
    await_body_bytes(world, 2);
    ingress_drain(world->ingress, on_empty, world); /* then it has 2 s, and 8 at other times */
    client_expect(&client, world, 503, "{\"status\":\"too_slow\"}\n");
    expect_counted(world, "kula", "too_slow", 1);
    client_close(&client);
}

/* ---- Redis comes and goes ---- */

static void test_a_delivery_is_held_until_redis_is_back(void **state) {
    struct world *world = *state;
    struct client client;
    client_open(&client, world);
    await_ledger(world, true);
    redis_house_kill(world->house);
    await_ledger(world, false);
    post_signed(&client, world, path, now_s(), event_named("evt_1"));
    await_in_flight(world, 1);
    assert_false(client_has_answer(&client));
    redis_house_restart(world->house);
    client_expect(&client, world, 200, "{\"status\":\"accepted\",\"event_id\":\"evt_1\"}\n");
    expect_stored(world, 1, 0);
    client_close(&client);
}

static void test_redis_killed_before_its_reply_loses_nothing(void **state) {
    struct world *world = *state;
    struct client client;
    client_open(&client, world);
    await_ledger(world, true);
    redis_house_pause(world->house);
    post_signed(&client, world, path, now_s(), event_named("evt_1"));
    await_in_flight(world, 1);
    redis_house_restart(world->house);
    client_await(&client, world);
    assert_int_equal(client.status, 200);
    expect_stored(world, 1, 0);
    client_close(&client);
}

static void test_a_sender_that_hangs_up_while_held_harms_nobody(void **state) {
    struct world *world = *state;
    struct client gone, other;
    client_open(&gone, world);
    client_open(&other, world);
    await_ledger(world, true);
    redis_house_pause(world->house);
    post_signed(&gone, world, path, now_s(), event_named("evt_1"));
    await_in_flight(world, 1);
    client_close(&gone);
    post_signed(&other, world, path, now_s(), event_named("evt_2"));
    await_in_flight(world, 2);
    redis_house_resume(world->house);
    client_expect(&other, world, 200, "{\"status\":\"accepted\",\"event_id\":\"evt_2\"}\n");
    await_in_flight(world, 0);
    expect_stored(world, 2, 0);
    client_close(&other);
}

static void test_a_drain_waits_for_what_is_held_and_that_ends_after_8_seconds(void **state) {
    struct world *world = *state;
    struct client client;
    client_open(&client, world);
    await_ledger(world, true);
    redis_house_kill(world->house);
    int64_t since_ms = clock_steady_ms();
    post_signed(&client, world, path, now_s(), event_named("evt_1"));
    await_in_flight(world, 1);
    ingress_drain(world->ingress, on_empty, world);
    client_await(&client, world);
    int64_t took_ms = clock_steady_ms() - since_ms;
    assert_in_range(took_ms, INGRESS_HOLD_MS - 200, INGRESS_HOLD_MS + 1000);
    assert_non_null(strcasestr(client.answer.data, "\r\nretry-after: "));
    client_expect(&client, world, 503, "{\"status\":\"unavailable\"}\n");
    int64_t until = clock_steady_ms() + PATIENCE_MS;
    client_close(&client);
    while (!world->empty) {
        assert_true(clock_steady_ms() < until);
        loop_turn(world->loop);
    }
    expect_counted(world, "kula", "unavailable", 1);
}

static void test_stopping_while_a_delivery_is_held_is_clean(void **state) {
    struct world *world = *state;
    struct client client;
    client_open(&client, world);
    await_ledger(world, true);
    redis_house_pause(world->house);
    post_signed(&client, world, path, now_s(), event_named("evt_1"));
    await_in_flight(world, 1);
    redis_house_resume(world->house);
    client_close(&client);
}

#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, world_start, world_stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_WORLD(test_a_signed_delivery_is_stored_as_it_came),
        IN_A_WORLD(test_the_same_event_again_is_told_so),
        IN_A_WORLD(test_one_event_ten_times_at_once_is_stored_once),
        IN_A_WORLD(test_a_body_of_a_mebibyte_comes_in),
        IN_A_WORLD(test_a_stale_event_is_stored_where_that_is_wanted),
        IN_A_WORLD(test_a_signature_ahead_of_time_is_remembered_for_longer),
        IN_A_WORLD(test_a_later_try_signed_now_does_not_shorten_what_was_remembered),
        IN_A_WORLD(test_a_later_try_signed_ahead_lengthens_what_was_remembered),
        IN_A_WORLD(test_what_kula_did_not_sign_is_refused_and_not_stored),
        IN_A_WORLD(test_policies_for_stale_and_unmatched_hold),
        IN_A_WORLD(test_strangers_keep_nobody_waiting_who_has_proved_to_be_kula),
        IN_A_WORLD(test_strangers_that_wait_too_long_are_asked_to_come_back),
        IN_A_WORLD(test_an_authentic_but_unreadable_delivery_goes_to_the_pen),
        IN_A_WORLD(test_the_body_wins_over_headers_that_nobody_signs),
        IN_A_WORLD(test_other_requests_get_their_answers),
        IN_A_WORLD(test_too_many_bytes_in_flight_are_asked_to_come_back),
        IN_A_WORLD(test_a_delivery_whose_body_does_not_come_is_counted_at_its_endpoint),
        IN_A_WORLD(test_a_delivery_is_held_until_redis_is_back),
        IN_A_WORLD(test_redis_killed_before_its_reply_loses_nothing),
        IN_A_WORLD(test_a_sender_that_hangs_up_while_held_harms_nobody),
        IN_A_WORLD(test_a_drain_waits_for_what_is_held_and_that_ends_after_8_seconds),
        IN_A_WORLD(test_stopping_while_a_delivery_is_held_is_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
