#include "net/http_gate.h"

#include <assert.h>
#include <errno.h>
#include <evhtp/evhtp.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/memory.h"
#include "net/proxy_protocol.h"
#include "net/tls.h"
#include "net/tls_turns.h"

enum {
    STARVED_MS = 100,       /* how long not to accept when descriptors have run out */
    INPUT_BYTES = 4 * 1024, /* how much may wait while a request is being answered */
    SHORT_ANSWER = 4 * 1024,
};

/* What libevhtp reads in place of each good request. */
static const char stand_in[] = "GET / HTTP/1.1\r\nHost: gate\r\n\r\n";

struct http_gate_listener {
    evhtp_t *evhtp;
    /* Connected to nothing: libevhtp's reader is pointed at this one, never at a
     * connection's own, where more bytes could arrive meanwhile. */
    struct bufferevent *hatch;
    struct loop_timer *starvation;
    bool starved; /* since the last connection */
    bool proxied; /* each connection begins with the PROXY protocol */
    const struct http_gate_events *events;
    void *arg;
};

/* What comes before TLS and HTTP, on a listener behind a proxy. */
struct preface {
    struct event *readable;
    struct proxy_protocol proxy;
};

struct http_gate {
    struct http_gate_listener *listener;
    struct preface *preface; /* NULL: there is none */
    evhtp_connection_t *evhtp;
    bufferevent_data_cb evhtp_read;
    bufferevent_data_cb evhtp_write;
    bool admitting;
    bool held; /* more waits than should: not read on */
    void *owner;
};

/* ---- The callbacks that were libevhtp's ---- */

/* Reading goes on while a request is being answered, so that a peer that goes is noticed. */
static void on_read(struct bufferevent *bev, void *arg) {
    struct http_gate *gate = arg;
    size_t waiting = evbuffer_get_length(bufferevent_get_input(bev));
    gate->held = gate->evhtp->request && waiting > INPUT_BYTES;
    if (gate->held)
        bufferevent_disable(bev, EV_READ);
    gate->listener->events->on_read(gate->owner);
}

static void on_write(struct bufferevent *bev, void *arg) {
    struct http_gate *gate = arg;
    if (evbuffer_get_length(bufferevent_get_output(bev)) == 0)
        gate->listener->events->on_written(gate->owner);
}

static void on_event(struct bufferevent *bev, short what, void *arg) {
    struct http_gate *gate = arg;
    if (what & BEV_EVENT_CONNECTED) {
        gate->listener->events->on_open(gate->owner);
    } else if (what == (BEV_EVENT_EOF | BEV_EVENT_READING)) {
        /* With TLS, libevent stops writing too; the peer may still be reading. */
        bufferevent_enable(bev, EV_WRITE);
        gate->listener->events->on_end(gate->owner);
    } else { /* also an EOF while writing: with TLS, how a reset may look */
        unsigned long error = gate->evhtp->ssl ? bufferevent_get_openssl_error(bev) : 0;
        gate->listener->events->on_broken(gate->owner, ERR_reason_error_string(error));
        http_gate_close(gate);
    }
}

static void read_again(struct http_gate *gate) {
    if (gate->held)
        bufferevent_enable(gate->evhtp->bev, EV_READ);
    gate->held = false;
}

/* ---- The preface ---- */

static void end_preface(struct http_gate *gate) {
    struct bufferevent *bev = gate->evhtp->bev;
    event_free(gate->preface->readable);
    gate->preface->readable = NULL;
    if (gate->evhtp->ssl) {
        bufferevent_setfd(bev, gate->evhtp->sock); /* begins the handshake, which waited */
        tls_turns_begin(gate->evhtp->ssl);
    }
    bufferevent_enable(bev, EV_READ | EV_WRITE);
    if (!gate->evhtp->ssl)
        gate->listener->events->on_open(gate->owner);
}

/* Not a byte more is taken off the socket than belongs to the preface: the rest is TLS'. */
static enum proxy_protocol_verdict read_preface(struct http_gate *gate) {
    char bytes[PROXY_PROTOCOL_KEPT];
    ssize_t size = recv(gate->evhtp->sock, bytes, sizeof bytes, MSG_PEEK);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return PROXY_PROTOCOL_MORE;
    if (size <= 0)
        return PROXY_PROTOCOL_BROKEN;
    struct text input = text_slice(bytes, (size_t)size);
    enum proxy_protocol_verdict verdict = proxy_protocol_feed(&gate->preface->proxy, &input);
    size -= (ssize_t)input.size;
    return recv(gate->evhtp->sock, bytes, (size_t)size, 0) == size ? verdict
                                                                   : PROXY_PROTOCOL_BROKEN;
}

static void on_preface(evutil_socket_t sock, short what, void *arg) {
    struct http_gate *gate = arg;
    (void)sock;
    (void)what;
    enum proxy_protocol_verdict verdict = read_preface(gate);
    if (verdict == PROXY_PROTOCOL_WHOLE) {
        end_preface(gate);
    } else if (verdict == PROXY_PROTOCOL_BROKEN) {
        /* Who only connects and leaves, as health checks do, has done nothing wrong. */
        if (gate->preface->proxy.size)
            gate->listener->events->on_unproxied(gate->owner);
        http_gate_close(gate);
    }
}

/* libevhtp and libevent have made of the socket what they want, TLS too, but have not
 * read from it yet: until the preface is there, they shall not. */
static void await_preface(struct http_gate *gate) {
    struct bufferevent *bev = gate->evhtp->bev;
    gate->preface = memory_new(sizeof *gate->preface);
    bufferevent_disable(bev, EV_READ | EV_WRITE);
    gate->preface->readable = event_new(bufferevent_get_base(bev), gate->evhtp->sock,
                                        EV_READ | EV_PERSIST, on_preface, gate);
    assert(gate->preface->readable);
    event_add(gate->preface->readable, NULL);
}

/* ---- Accepting ---- */

static evhtp_res on_fini(evhtp_connection_t *evhtp, void *arg) {
    struct http_gate *gate = arg;
    (void)evhtp;
    /* libevhtp gives up on its own only where it refuses the stand-in: out of memory. */
    assert(!gate->admitting);
    if (gate->owner)
        gate->listener->events->on_gone(gate->owner);
    if (gate->preface && gate->preface->readable)
        event_free(gate->preface->readable);
    free(gate->preface);
    free(gate);
    return EVHTP_RES_OK;
}

static void take_over(struct http_gate *gate) {
    struct bufferevent *bev = gate->evhtp->bev;
    bufferevent_getcb(bev, &gate->evhtp_read, &gate->evhtp_write, NULL, NULL);
    bufferevent_setcb(bev, on_read, on_write, on_event, gate);
    fcntl(gate->evhtp->sock, F_SETFD, FD_CLOEXEC); /* libevhtp's listener does not ask for it */
    evhtp_connection_set_hook(gate->evhtp, evhtp_hook_on_connection_fini, (evhtp_hook)on_fini,
                              gate);
}

static evhtp_res on_accepted(evhtp_connection_t *evhtp, void *arg) {
    struct http_gate_listener *listener = arg;
    struct http_gate *gate = memory_new(sizeof *gate);
    *gate = (struct http_gate){.listener = listener, .evhtp = evhtp};
    listener->starved = false;
    take_over(gate);
    gate->owner = listener->events->on_accept(listener->arg, gate);
    if (!gate->owner)
        return EVHTP_RES_ERROR; /* libevhtp cuts it */
    if (listener->proxied)
        await_preface(gate);
    else if (evhtp->ssl)
        tls_turns_begin(evhtp->ssl);
    else
        listener->events->on_open(gate->owner);
    return EVHTP_RES_OK;
}

/* The answer comes later, from http_gate_answer. */
static void on_evhtp_request(evhtp_request_t *request, void *arg) {
    (void)request;
    (void)arg;
}

/* Out of descriptors the listener stays readable: without a rest the loop would spin. */
static void on_accept_error(struct evconnlistener *server, void *arg) {
    struct http_gate_listener *listener = ((evhtp_t *)arg)->arg;
    if (!listener->starved)
        log_warning("cannot accept a connection reason=%s",
                    evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
    listener->starved = true;
    evconnlistener_disable(server);
    loop_timer_set(listener->starvation, STARVED_MS);
}

static void on_starvation_over(void *arg) {
    struct http_gate_listener *listener = arg;
    evconnlistener_enable(listener->evhtp->server);
}

struct http_gate_listener *http_gate_listen(struct loop *loop, int descriptor,
                                            struct ssl_ctx_st *tls, bool proxied,
                                            const struct http_gate_events *events, void *arg) {
    struct http_gate_listener *listener = memory_new(sizeof *listener);
    *listener = (struct http_gate_listener){
        .evhtp = evhtp_new(loop_base(loop), listener),
        .hatch = bufferevent_socket_new(loop_base(loop), -1, 0),
        .starvation = loop_timer_create(loop, on_starvation_over, listener),
        .proxied = proxied,
        .events = events,
        .arg = arg,
    };
    assert(listener->evhtp && listener->hatch);
    listener->evhtp->ssl_ctx = tls;
    evhtp_set_gencb(listener->evhtp, on_evhtp_request, NULL);
    evhtp_set_post_accept_cb(listener->evhtp, on_accepted, listener);
    int listening = evhtp_accept_socket(listener->evhtp, descriptor, 0);
    assert(listening == 0);
    evconnlistener_set_error_cb(listener->evhtp->server, on_accept_error);
    return listener;
}

/* Connections hold the context that they began with by themselves. */
void http_gate_set_tls(struct http_gate_listener *listener, struct ssl_ctx_st *tls) {
    assert(tls && listener->evhtp->ssl_ctx);
    tls_destroy(listener->evhtp->ssl_ctx);
    listener->evhtp->ssl_ctx = tls;
}

void http_gate_pause(struct http_gate_listener *listener) {
    loop_timer_cancel(listener->starvation);
    if (listener->evhtp->server)
        evconnlistener_disable(listener->evhtp->server);
}

void http_gate_resume(struct http_gate_listener *listener) {
    if (listener->evhtp->server)
        evconnlistener_enable(listener->evhtp->server);
}

void http_gate_hide(struct http_gate_listener *listener) {
    if (listener->evhtp->server)
        address_hide(evconnlistener_get_fd(listener->evhtp->server));
}

void http_gate_stop_listening(struct http_gate_listener *listener) {
    loop_timer_cancel(listener->starvation);
    evhtp_unbind_socket(listener->evhtp);
}

void http_gate_listener_destroy(struct http_gate_listener *listener) {
    if (!listener)
        return;
    http_gate_stop_listening(listener);
    loop_timer_destroy(listener->starvation);
    bufferevent_free(listener->hatch);
    evhtp_free(listener->evhtp);
    free(listener);
}

/* ---- What the owner asks for ---- */

void http_gate_format_peer(const struct http_gate *gate, char text[ADDRESS_BYTES]) {
    const struct sockaddr *told =
        gate->preface ? (const struct sockaddr *)&gate->preface->proxy.source : NULL;
    bool known = told && told->sa_family != AF_UNSPEC;
    address_format(known ? told : gate->evhtp->saddr, text);
}

bool http_gate_has_begun(const struct http_gate *gate) {
    return gate->evhtp->ssl && BIO_number_read(SSL_get_rbio(gate->evhtp->ssl)) > 0;
}

struct text http_gate_input(struct http_gate *gate) {
    struct evbuffer_iovec piece = {0};
    evbuffer_peek(bufferevent_get_input(gate->evhtp->bev), -1, NULL, &piece, 1);
    return text_slice(piece.iov_base, piece.iov_len);
}

bool http_gate_has_more(const struct http_gate *gate) {
    int bytes = 0;
    return evbuffer_get_length(bufferevent_get_input(gate->evhtp->bev)) > 0 ||
           (ioctl(gate->evhtp->sock, FIONREAD, &bytes) == 0 && bytes > 0);
}

void http_gate_consume(struct http_gate *gate, size_t bytes) {
    evbuffer_drain(bufferevent_get_input(gate->evhtp->bev), bytes);
}

void http_gate_admit(struct http_gate *gate) {
    struct evbuffer *input = bufferevent_get_input(gate->listener->hatch);
    evbuffer_prepend(input, stand_in, sizeof stand_in - 1); /* its other end is libevent's */
    gate->admitting = true;
    gate->evhtp_read(gate->listener->hatch, gate->evhtp);
    gate->admitting = false;
    assert(gate->evhtp->request && evbuffer_get_length(input) == 0);
}

void http_gate_continue(struct http_gate *gate) {
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    bufferevent_write(gate->evhtp->bev, go_on, sizeof go_on - 1);
}

static void add_header(evhtp_request_t *request, const char *name, const char *value) {
    evhtp_headers_add_header(request->headers_out, evhtp_header_new(name, value, 0, 1));
}

static void add_number(evhtp_request_t *request, const char *name, size_t value) {
    char digits[TEXT_DIGITS];
    add_header(request, name, text_of_int((int64_t)value, digits).data);
}

/* libevent makes a TLS record, and a call to the kernel, of each piece. A long answer stays in
 * pieces, so that it goes out as the peer takes it. */
static void join(struct evbuffer *output) {
    if (evbuffer_get_length(output) <= SHORT_ANSWER)
        evbuffer_pullup(output, -1);
}

void http_gate_answer(struct http_gate *gate, const struct http_answer *answer, bool without_body) {
    evhtp_request_t *request = gate->evhtp->request;
    assert(request && !(request->flags & EVHTP_REQ_FLAG_FINISHED));
    add_header(request, "Content-Type",
               answer->content_type ? answer->content_type : "application/json");
    /* No browser comes here by intent; one that is led here shall not guess. */
    add_header(request, "X-Content-Type-Options", "nosniff");
    add_number(request, "Content-Length", answer->body.size);
    if (answer->allow)
        add_header(request, "Allow", answer->allow);
    if (answer->retry_after_s)
        add_number(request, "Retry-After", (size_t)answer->retry_after_s);
    /* By hand: evhtp_request_set_keepalive can only set it. */
    if (answer->close)
        request->flags &= (uint16_t)~EVHTP_REQ_FLAG_KEEPALIVE;
    if (!without_body)
        evbuffer_add(request->buffer_out, answer->body.data, answer->body.size);
    evhtp_send_reply(request, (evhtp_res)answer->status);
    join(bufferevent_get_output(gate->evhtp->bev));
}

/* libevhtp ends a request when it is told that the answer has been written. Only a
 * kept connection's: it would cut any other at once, and with it the answer. */
void http_gate_settle(struct http_gate *gate) {
    assert(gate->evhtp->request->flags & EVHTP_REQ_FLAG_KEEPALIVE);
    gate->evhtp_write(gate->evhtp->bev, gate->evhtp);
    assert(!gate->evhtp->request);
    read_again(gate);
}

void http_gate_half_close(struct http_gate *gate) {
    if (gate->evhtp->ssl) {
        SSL_shutdown(gate->evhtp->ssl);
        ERR_clear_error();
    }
    shutdown(gate->evhtp->sock, SHUT_WR);
    read_again(gate);
}

void http_gate_close(struct http_gate *gate) {
    evhtp_connection_free(gate->evhtp);
    ERR_clear_error(); /* of a goodbye that TLS could not say any more */
}
