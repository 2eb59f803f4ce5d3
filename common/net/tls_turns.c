#include "net/tls_turns.h"

#include <assert.h>
#include <openssl/ssl.h>
#include <stdint.h>

/* OpenSSL reads twice for a record: its head, and what is in it. */
enum { READS_MOST = 64 };

/* A filter before the socket, whose data is how often it has read since that was empty. */
static int read_on(BIO *turns, char *data, int size) {
    uintptr_t reads = (uintptr_t)BIO_get_data(turns);
    BIO_clear_retry_flags(turns);
    if (reads == READS_MOST) {
        BIO_set_data(turns, NULL);
        BIO_set_retry_read(turns);
        return -1;
    }
    int got = BIO_read(BIO_next(turns), data, size);
    BIO_copy_next_retry(turns);
    BIO_set_data(turns, (void *)(got > 0 ? reads + 1 : 0));
    return got;
}

static long control(BIO *turns, int what, long number, void *arg) {
    return BIO_next(turns) ? BIO_ctrl(BIO_next(turns), what, number, arg) : 0;
}

static int create(BIO *turns) {
    BIO_set_init(turns, 1);
    return 1;
}

static BIO_METHOD *make_method(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_FILTER, "turns");
    assert(method);
    BIO_meth_set_read(method, read_on);
    BIO_meth_set_ctrl(method, control);
    BIO_meth_set_create(method, create);
    return method;
}

void tls_turns_begin(SSL *ssl) {
    static BIO_METHOD *method; /* lives as long as we do */
    if (!method)
        method = make_method();
    BIO *turns = BIO_new(method), *socket = SSL_get_rbio(ssl);
    assert(turns && socket);
    /* SSL owns what it reads from and what it writes to one by one: the socket is both. */
    BIO_up_ref(socket);
    SSL_set0_rbio(ssl, BIO_push(turns, socket));
}
