/* What our TLS takes and offers, and how it says what is wrong with its files. */
#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "http_house.h"
#include "net/address.h"
#include "net/http_server.h"

#define GET "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"

static char folder[] = "/tmp/kula-relay-test-XXXXXX";
static char files[8][64];
static const char *certificate = files[0], *private_key = files[1];
static const char *other_certificate = files[2], *other_key = files[3];
static const char *rubbish = files[4], *encrypted_key = files[5], *missing = files[6],
                  *pipe_file = files[7];

static struct http_server *server;
static struct ssl_ctx_st *server_tls; /* borrowed */
static int port;

/* ---- The house ---- */

static bool on_head(void *arg, const struct http_head *head, struct http_answer *refusal) {
    (void)arg;
    (void)head;
    (void)refusal;
    return true;
}

static void on_request(void *arg, struct http_exchange *exchange) {
    (void)arg;
    http_exchange_answer(&exchange, &(struct http_answer){.status = 200});
}

static void on_fault(void *arg, const struct http_exchange *exchange, enum http_fault fault,
                     struct text peer, struct http_answer *answer) {
    (void)exchange;
    (void)peer;
    (void)arg;
    (void)fault;
    answer->status = 400;
}

static int set_up(void **state) {
    struct http_handler handler = {
        .on_head = on_head, .on_request = on_request, .on_fault = on_fault};
    struct http_limits limits = {.request_ms = 2000};
    struct string why = {0};
    (void)state;
    house_open();
    server = http_server_create(house_loop, &handler, &limits);
    int descriptor = address_listen(text_of("127.0.0.1:0"), &why);
    struct string address = {0};
    address_format_bound(descriptor, &address);
    port = atoi(strrchr(address.data, ':') + 1);
    string_finish(&address);
    struct ssl_ctx_st *tls = tls_server_create(certificate, private_key, NULL, &why);
    assert_non_null(tls);
    server_tls = tls;
    http_server_listen(server, descriptor, tls);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    http_server_destroy(server);
    house_close();
    return 0;
}

static bool nobody_is_connected(void *arg) {
    (void)arg;
    return http_server_connections(server) == 0;
}

static bool is_decided(void *arg) {
    struct peer *peer = arg;
    return peer->shaken || peer->ended;
}

/* A client that trusts our certificate; it is the test's to spoil. */
static SSL_CTX *new_client(void) {
    struct string why = {0};
    SSL_CTX *tls = tls_client_create(certificate, &why);
    assert_non_null(tls);
    return tls;
}

/* Takes the context. */
static struct peer *shake(SSL_CTX *tls) {
    struct peer *peer = peer_connect(port, tls);
    SSL_CTX_free(tls);
    house_wait(is_decided, peer);
    return peer;
}

/* ---- What is taken ---- */

static void assert_serves_with(int version, const char *cipher) {
    SSL_CTX *tls = new_client();
    SSL_CTX_set_min_proto_version(tls, version);
    SSL_CTX_set_max_proto_version(tls, version);
    if (cipher)
        assert_int_equal(SSL_CTX_set_cipher_list(tls, cipher), 1);
    struct peer *peer = shake(tls);
    assert_true(peer->shaken);
    assert_int_equal(SSL_version(peer->ssl), version);
    peer_send(peer, GET);
    assert_int_equal(peer_status(peer), 200);
}

static void test_tls_1_2_and_1_3_are_spoken(void **state) {
    (void)state;
    assert_serves_with(TLS1_3_VERSION, NULL);
    assert_serves_with(TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256");
    assert_serves_with(TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305");
}

static void assert_no_handshake(SSL_CTX *tls) {
    struct peer *peer = shake(tls);
    assert_false(peer->shaken);
    peer_hang_up(&peer);
    house_wait(nobody_is_connected, NULL);
}

static void test_what_is_weak_is_not(void **state) {
    (void)state;
    static const char *const ciphers[] = {"ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-SHA",
                                          "AES128-GCM-SHA256", "AECDH-AES128-SHA"};
    for (size_t i = 0; i < sizeof ciphers / sizeof *ciphers; i++) {
        SSL_CTX *tls = new_client();
        SSL_CTX_set_security_level(tls, 0);
        SSL_CTX_set_max_proto_version(tls, TLS1_2_VERSION);
        SSL_CTX_set_cipher_list(tls, ciphers[i]);
        assert_no_handshake(tls);
    }
    SSL_CTX *old = new_client();
    SSL_CTX_set_security_level(old, 0);
    SSL_CTX_set_cipher_list(old, "ALL");
    SSL_CTX_set_min_proto_version(old, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(old, TLS1_1_VERSION);
    assert_no_handshake(old);
}

static void test_the_group_is_one_of_ours(void **state) {
    (void)state;
    static const char *const taken[] = {"X25519", "P-256", "P-384"};
    for (size_t i = 0; i < 3; i++) {
        SSL_CTX *tls = new_client();
        SSL_CTX_set1_groups_list(tls, taken[i]);
        struct peer *peer = shake(tls);
        assert_true(peer->shaken);
        peer_hang_up(&peer);
    }
    SSL_CTX *tls = new_client();
    SSL_CTX_set1_groups_list(tls, "P-521");
    assert_no_handshake(tls);
}

static void assert_alpn(const char *offered, const char *chosen) {
    SSL_CTX *tls = new_client();
    SSL_CTX_set_alpn_protos(tls, (const unsigned char *)offered, (unsigned)strlen(offered));
    struct peer *peer = shake(tls);
    const unsigned char *selected;
    unsigned size;
    assert_true(peer->shaken);
    SSL_get0_alpn_selected(peer->ssl, &selected, &size);
    assert_true(text_is(text_slice((const char *)selected, size), chosen));
}

static void test_http_1_1_is_negotiated(void **state) {
    (void)state;
    assert_alpn("\x02h2\x08http/1.1", "http/1.1");
    assert_alpn("\x02h2", ""); /* no overlap, no failure */
}

/* Mozilla's "intermediate", version 5.8, in OpenSSL's order of both versions. */
static void test_the_ciphers_are_those_of_the_published_profile(void **state) {
    (void)state;
    static const char *const published[] = {
        "TLS_AES_128_GCM_SHA256",       "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",  "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",  "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
    };
    struct string why = {0};
    struct ssl_ctx_st *tls = tls_server_create(certificate, private_key, NULL, &why);
    STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(tls);
    assert_int_equal(sk_SSL_CIPHER_num(ciphers), sizeof published / sizeof *published);
    for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++)
        assert_string_equal(SSL_CIPHER_get_name(sk_SSL_CIPHER_value(ciphers, i)), published[i]);
    assert_int_equal(SSL_CTX_get_min_proto_version(tls), TLS1_2_VERSION);
    assert_int_equal(SSL_CTX_get_max_early_data(tls), 0);
    assert_true(SSL_CTX_get_mode(tls) & SSL_MODE_RELEASE_BUFFERS);
    assert_true(SSL_CTX_get_options(tls) & SSL_OP_NO_RENEGOTIATION);
    assert_true(SSL_CTX_get_options(tls) & SSL_OP_NO_COMPRESSION);
    tls_destroy(tls);
}

static void assert_cipher(const char *offered, const char *chosen) {
    SSL_CTX *tls = new_client();
    SSL_CTX_set_max_proto_version(tls, TLS1_2_VERSION);
    assert_int_equal(SSL_CTX_set_cipher_list(tls, offered), 1);
    struct peer *peer = shake(tls);
    assert_true(peer->shaken);
    assert_string_equal(SSL_get_cipher_name(peer->ssl), chosen);
}

static void test_the_order_of_ciphers_is_ours_but_for_those_without_aes(void **state) {
    (void)state;
    assert_cipher("ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256",
                  "ECDHE-ECDSA-AES128-GCM-SHA256");
    assert_cipher("ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305",
                  "ECDHE-ECDSA-AES256-GCM-SHA384");
    assert_cipher("ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256",
                  "ECDHE-ECDSA-CHACHA20-POLY1305");
}

static void test_nobody_renegotiates(void **state) {
    (void)state;
    SSL_CTX *tls = new_client();
    SSL_CTX_set_max_proto_version(tls, TLS1_2_VERSION);
    SSL_CTX_clear_options(tls, SSL_OP_NO_RENEGOTIATION);
    struct peer *peer = shake(tls);
    assert_true(peer->shaken);
    assert_int_equal(SSL_renegotiate(peer->ssl), 1);
    peer_send(peer, GET); /* what is written takes the new handshake along */
    peer_wait_end(peer);
    assert_null(peer->got.size ? strstr(peer->got.data, "HTTP") : NULL);
}

static SSL_SESSION *session;

static int on_session(SSL *ssl, SSL_SESSION *got) {
    (void)ssl;
    SSL_SESSION_free(session);
    session = got;
    return 1; /* ours now */
}

static bool session_is_there(void *arg) {
    (void)arg;
    return session && SSL_SESSION_is_resumable(session);
}

/* Shakes hands, with the session that was kept where there is one, and keeps the new one. */
static bool resumes(int version) {
    SSL_CTX *tls = new_client();
    SSL_CTX_set_max_proto_version(tls, version);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(tls, on_session);
    struct peer *peer = peer_connect(port, tls);
    SSL_CTX_free(tls);
    if (session)
        assert_int_equal(SSL_set_session(peer->ssl, session), 1);
    SSL_SESSION_free(session);
    session = NULL;
    house_wait(is_decided, peer);
    assert_true(peer->shaken);
    peer_send(peer, GET);
    assert_int_equal(peer_status(peer), 200);
    bool reused = SSL_session_reused(peer->ssl);
    if (!reused || version == TLS1_3_VERSION) /* 1.2 keeps a ticket that is still good */
        house_wait(session_is_there, NULL);
    return reused;
}

static void test_a_session_is_resumed_until_its_key_is_renewed(void **state) {
    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        assert_false(resumes(version));
        SSL_SESSION *first = session;
        SSL_SESSION_up_ref(first);
        assert_int_equal(SSL_SESSION_get_max_early_data(first), 0);
        assert_true(resumes(version));
        tls_renew_tickets(server_tls);
        SSL_SESSION_free(session);
        session = first;
        assert_false(resumes(version));
        SSL_SESSION_free(session);
        session = NULL;
    }
}

static void test_our_own_certificate_is_good_for_localhost(void **state) {
    (void)state;
    static const struct {
        const char *host;
        bool fits;
    } cases[] = {{"localhost", true}, {"127.0.0.1", true}, {"::1", true}, {"example.com", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        SSL_CTX *tls = new_client();
        X509_VERIFY_PARAM *check = SSL_CTX_get0_param(tls);
        if (X509_VERIFY_PARAM_set1_ip_asc(check, cases[i].host) != 1)
            X509_VERIFY_PARAM_set1_host(check, cases[i].host, 0);
        ERR_clear_error();
        assert_int_equal(shake(tls)->shaken, cases[i].fits);
    }
}

static void test_a_client_does_not_trust_what_it_was_not_given(void **state) {
    struct string why = {0};
    (void)state;
    SSL_CTX *tls = tls_client_create(other_certificate, &why);
    assert_non_null(tls);
    assert_no_handshake(tls);
    tls = tls_client_create(NULL, &why);
    assert_non_null(tls);
    assert_no_handshake(tls);
}

/* ---- Peers that cannot behave ---- */

static void test_plain_http_is_closed_without_harm(void **state) {
    (void)state;
    struct peer *peer = peer_connect(port, NULL);
    peer_send(peer, GET);
    peer_wait_end(peer);
    assert_null(peer->got.size ? strstr(peer->got.data, "HTTP") : NULL);
    house_wait(nobody_is_connected, NULL);
}

/* The bytes that a client would begin with. */
static struct string client_hello(void) {
    SSL_CTX *tls = new_client();
    SSL *ssl = SSL_new(tls);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    struct string hello = {0};
    char *data;
    SSL_set_bio(ssl, in, out);
    SSL_connect(ssl);
    long size = BIO_get_mem_data(out, &data);
    string_add(&hello, text_slice(data, (size_t)size));
    SSL_free(ssl);
    SSL_CTX_free(tls);
    ERR_clear_error();
    return hello;
}

static void test_a_client_may_leave_anywhere_in_the_handshake(void **state) {
    (void)state;
    struct string hello = client_hello();
    for (size_t bytes = 0; bytes <= hello.size; bytes += 1 + bytes / 8) {
        for (int reset = 0; reset <= 1; reset++) {
            struct peer *peer = peer_connect(port, NULL);
            peer_send_text(peer, text_slice(hello.data, bytes));
            peer_flush(peer);
            house_turn();
            if (reset)
                peer_reset(&peer);
            else
                peer_hang_up(&peer);
        }
    }
    house_wait(nobody_is_connected, NULL);
    string_finish(&hello);
}

static void test_a_handshake_that_does_not_end_is_cut(void **state) {
    (void)state;
    struct string hello = client_hello();
    struct peer *silent = peer_connect(port, NULL);
    struct peer *slow = peer_connect(port, NULL);
    peer_send_text(slow, text_slice(hello.data, hello.size / 2));
    struct peer *waiting = peer_connect(port, NULL);
    peer_send_text(waiting, string_text(&hello));
    peer_wait_end(silent);
    peer_wait_end(slow);
    peer_wait_end(waiting);
    house_wait(nobody_is_connected, NULL);
    string_finish(&hello);
}

/* Whoever sends so many records has the loop for a few of them at a time: others get their answer
 * meanwhile. */
static void assert_comes_in_turns(const struct peer *flooding, size_t records, struct peer *other) {
    enum { AT_ONCE = 32 };
    size_t turns = 0;
    peer_send(other, GET);
    peer_push(other);
    assert_int_equal(peer_status(other), 200);
    for (; !flooding->got.size && !flooding->ended; turns++)
        house_turn();
    assert_true(flooding->got.size > 0);
    assert_true(turns + 3 >= records / AT_ONCE); /* some went by while the other was answered */
}

static void test_key_updates_do_not_hold_the_loop(void **state) {
    (void)state;
    enum { UPDATES = 500 };
    struct peer *other = shake(new_client()), *flooding = shake(new_client());
    for (int i = 0; i < UPDATES; i++) {
        assert_int_equal(SSL_key_update(flooding->ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(flooding->ssl), 1);
    }
    peer_send(flooding, GET);
    peer_push(flooding);
    assert_int_equal(peer_unsent(flooding), 0);
    assert_comes_in_turns(flooding, UPDATES, other);
    assert_int_equal(peer_status(flooding), 200);
}

static bool two_are_connected(void *arg) {
    (void)arg;
    return http_server_connections(server) == 2;
}

/* A byte in each record: the largest number of records that a handshake can be made of. */
static void test_a_handshake_in_pieces_does_not_hold_the_loop(void **state) {
    (void)state;
    enum { HEAD = 5 };
    struct peer *other = shake(new_client()), *flooding = peer_connect(port, NULL);
    struct string hello = client_hello(), pieces = {0};
    for (size_t i = HEAD; i < hello.size; i++) {
        string_add(&pieces, text_slice("\x16\x03\x01\0\x01", HEAD));
        string_add_char(&pieces, hello.data[i]);
    }
    house_wait(two_are_connected, NULL);
    peer_send_text(flooding, string_text(&pieces));
    peer_push(flooding);
    assert_int_equal(peer_unsent(flooding), 0);
    assert_comes_in_turns(flooding, hello.size, other);
    string_finish(&pieces);
    string_finish(&hello);
}

static void test_an_end_without_goodbye_is_an_end(void **state) {
    (void)state;
    struct peer *peer = shake(new_client());
    peer_send(peer, GET);
    peer_flush(peer);
    shutdown(peer->fd, SHUT_WR); /* TCP's half-close only */
    assert_int_equal(peer_status(peer), 200);
    peer_wait_end(peer);
    assert_false(peer->reset);
}

/* ---- Files ---- */

static void test_what_is_wrong_with_a_file_is_said_with_its_name(void **state) {
    (void)state;
    const struct {
        const char *certificate, *key;
        enum tls_culprit culprit;
        const char *named, *said;
    } cases[] = {
        {missing, private_key, TLS_CERTIFICATE, missing, "cannot read the certificate"},
        {certificate, missing, TLS_PRIVATE_KEY, missing, "cannot read the private key"},
        {rubbish, private_key, TLS_CERTIFICATE, rubbish, "no usable certificate"},
        {certificate, rubbish, TLS_PRIVATE_KEY, rubbish, "no usable private key"},
        {certificate, encrypted_key, TLS_PRIVATE_KEY, encrypted_key, "without passphrase"},
        {certificate, other_key, TLS_PRIVATE_KEY, other_key, "does not belong"},
        {pipe_file, private_key, TLS_CERTIFICATE, pipe_file, "no plain file"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct string why = {0};
        enum tls_culprit culprit;
        assert_null(tls_server_create(cases[i].certificate, cases[i].key, &culprit, &why));
        assert_int_equal(culprit, cases[i].culprit);
        assert_non_null(strstr(why.data, cases[i].named));
        assert_non_null(strstr(why.data, cases[i].said));
        assert_int_equal(ERR_peek_error(), 0);
        string_finish(&why);
    }
    for (int i = 0; i < 2; i++) {
        const char *file = i ? rubbish : missing;
        struct string why = {0};
        assert_null(tls_client_create(file, &why));
        assert_non_null(strstr(why.data, file));
        string_finish(&why);
    }
}

static void test_validity_and_digest_are_those_of_the_certificate(void **state) {
    enum { YEAR_S = 365 * 24 * 3600, SLACK_S = 3600 };
    unsigned char first[TLS_DIGEST_BYTES], again[TLS_DIGEST_BYTES], other[TLS_DIGEST_BYTES];
    struct string why = {0};
    (void)state;
    struct ssl_ctx_st *tls = tls_server_create(certificate, private_key, NULL, &why);
    struct ssl_ctx_st *same = tls_server_create(certificate, private_key, NULL, &why);
    struct ssl_ctx_st *different = tls_server_create(other_certificate, other_key, NULL, &why);
    struct tls_validity validity = tls_validity(tls);
    int64_t now_s = time(NULL);
    assert_in_range(validity.from_s, now_s - 2 * SLACK_S, now_s);
    assert_in_range(validity.until_s, now_s + YEAR_S - SLACK_S, now_s + YEAR_S);
    tls_digest(tls, first);
    tls_digest(same, again);
    tls_digest(different, other);
    assert_memory_equal(first, again, sizeof first);
    assert_memory_not_equal(first, other, sizeof first);
    tls_destroy(tls);
    tls_destroy(same);
    tls_destroy(different);
}

static void test_a_private_key_is_for_its_owner_only(void **state) {
    struct stat about;
    (void)state;
    assert_int_equal(stat(private_key, &about), 0);
    assert_int_equal(about.st_mode & 07777, 0600);
    struct string why = {0};
    assert_false(tls_make_self_signed("/nowhere/crt", "/nowhere/key", &why));
    assert_non_null(strstr(why.data, "/nowhere/key"));
    string_finish(&why);
}

/* ---- Before and after ---- */

static void encrypt_key(void) {
    FILE *in = fopen(private_key, "r");
    FILE *out = fopen(encrypted_key, "w");
    static unsigned char word[] = "secret";
    EVP_PKEY *key = PEM_read_PrivateKey(in, NULL, NULL, NULL);
    PEM_write_PrivateKey(out, key, EVP_aes_128_cbc(), word, 6, NULL, NULL);
    EVP_PKEY_free(key);
    fclose(in);
    fclose(out);
}

static int make_files(void **state) {
    struct string why = {0};
    (void)state;
    assert_non_null(mkdtemp(folder));
    for (int i = 0; i < 8; i++)
        snprintf(files[i], sizeof files[i], "%s/%d", folder, i);
    assert_true(tls_make_self_signed(certificate, private_key, &why));
    assert_true(tls_make_self_signed(other_certificate, other_key, &why));
    encrypt_key();
    FILE *out = fopen(rubbish, "w");
    fputs("-----BEGIN RUBBISH-----\n", out);
    fclose(out);
    assert_int_equal(mkfifo(pipe_file, 0600), 0);
    return 0;
}

static int remove_files(void **state) {
    (void)state;
    for (int i = 0; i < 8; i++)
        unlink(files[i]);
    return rmdir(folder);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_tls_1_2_and_1_3_are_spoken),
        TEST(test_what_is_weak_is_not),
        TEST(test_the_group_is_one_of_ours),
        TEST(test_http_1_1_is_negotiated),
        TEST(test_the_ciphers_are_those_of_the_published_profile),
        TEST(test_the_order_of_ciphers_is_ours_but_for_those_without_aes),
        TEST(test_nobody_renegotiates),
        TEST(test_a_session_is_resumed_until_its_key_is_renewed),
        TEST(test_our_own_certificate_is_good_for_localhost),
        TEST(test_a_client_does_not_trust_what_it_was_not_given),
        TEST(test_plain_http_is_closed_without_harm),
        TEST(test_a_client_may_leave_anywhere_in_the_handshake),
        TEST(test_a_handshake_that_does_not_end_is_cut),
        TEST(test_key_updates_do_not_hold_the_loop),
        TEST(test_a_handshake_in_pieces_does_not_hold_the_loop),
        TEST(test_an_end_without_goodbye_is_an_end),
        cmocka_unit_test(test_what_is_wrong_with_a_file_is_said_with_its_name),
        cmocka_unit_test(test_validity_and_digest_are_those_of_the_certificate),
        cmocka_unit_test(test_a_private_key_is_for_its_owner_only),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
