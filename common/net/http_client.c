/* libcurl says which sockets to watch and when to wake it, through two
 * callbacks; it must never be called back from inside those. So they only set
 * events, every way into libcurl is `run`, and what has ended is taken out
 * there, after libcurl has returned. */
#include "net/http_client.h"

#include <assert.h>
#include <curl/curl.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/memory.h"
#include "net/address.h"
#include "net/http_reply.h"
#include "net/retry_after.h"

enum {
    MOST_SPARE = 32,        /* easy handles that wait for the next call */
    MOST_CONNECTIONS = 256, /* kept open for the next call, over all hosts */
};

struct http_request {
    TAILQ_ENTRY(http_request) entry; /* of `running`, `failing` or `spare` */
    struct http_client *client;
    CURL *easy;
    struct curl_slist *headers;
    http_done_fn *done;
    void *arg;
    struct http_reply reply;
    const char *problem; /* why it cannot be sent; NULL: it was */
    bool over_socket, link_local;
    char guarded[ADDRESS_BYTES]; /* an address that was not gone to, else empty */
    int64_t since_ms;            /* elapsed time */
    int timeout_ms;
    char words[CURL_ERROR_SIZE];
};
TAILQ_HEAD(requests, http_request);

struct watch { /* of one socket of libcurl's */
    TAILQ_ENTRY(watch) entry;
    struct event *event;
};
TAILQ_HEAD(watches, watch);

struct http_client {
    struct loop *loop;
    CURLM *multi;
    struct requests running, failing, spare;
    size_t spares;
    struct watches watches;
    struct loop_timer *wake;    /* when libcurl wants it */
    struct loop_timer *refused; /* ends what is `failing`, in the next turn */
    unsigned inside;            /* runs under way: freeing waits for them */
    bool destroyed;
};

/* Ending */

static struct http_request *spare_take(struct http_client *client) {
    struct http_request *request = TAILQ_FIRST(&client->spare);
    if (request) {
        TAILQ_REMOVE(&client->spare, request, entry);
        client->spares--;
        return request;
    }
    request = memory_new(sizeof *request);
    request->client = client;
    request->easy = curl_easy_init();
    assert(request->easy);
    return request;
}

static void request_destroy(struct http_request *request) {
    curl_easy_cleanup(request->easy);
    curl_slist_free_all(request->headers);
    http_reply_finish(&request->reply);
    free(request);
}

static void spare_give(struct http_request *request) {
    struct http_client *client = request->client;
    if (client->destroyed || client->spares >= MOST_SPARE) {
        request_destroy(request);
        return;
    }
    /* Forgets the body it was lent, and every option of this call. */
    curl_easy_reset(request->easy);
    curl_slist_free_all(request->headers);
    http_reply_finish(&request->reply);
    *request = (struct http_request){.client = client, .easy = request->easy};
    TAILQ_INSERT_HEAD(&client->spare, request, entry);
    client->spares++;
}

/* On no list any more, so that it outlives a callback that destroys the client. */
static void end(struct http_request *request, struct http_result *result) {
    result->took_ms = clock_elapsed_ms() - request->since_ms;
    result->request = request;
    request->done(request->arg, result);
    spare_give(request);
}

/* NULL where there is no such header. */
static const char *header_of(CURL *easy, const char *name) {
    struct curl_header *header;
    bool found = curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK;
    return found ? header->value : NULL;
}

struct text http_result_header(const struct http_result *result, const char *name) {
    bool answered = result->outcome == HTTP_ANSWERED;
    return text_of(answered ? header_of(result->request->easy, name) : NULL);
}

static int status_of(CURL *easy) {
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

/* Where libcurl's words do not name the place or the cause, ours take theirs. */
static void explain_no_connection(struct http_request *request) {
    size_t size = strlen(request->words);
    long error = 0;
    curl_easy_getinfo(request->easy, CURLINFO_OS_ERRNO, &error);
    if (*request->guarded)
        snprintf(request->words, sizeof request->words,
                 "%s is a link-local or metadata address, and link_local: allow is not set",
                 request->guarded);
    else if (request->over_socket)
        snprintf(request->words, sizeof request->words, "cannot connect to the url's socket: %s",
                 strerror((int)error));
    else if (error)
        snprintf(request->words + size, sizeof request->words - size, ": %s", strerror((int)error));
}

/* libcurl's buffer has an end, an endless line has none. */
static bool is_line_too_long(const struct http_request *request, CURLcode code) {
    enum { TOO_LARGE = 100 }; /* CURLE_TOO_LARGE, which libcurl 7 does not name */
    return !request->reply.head_whole && (code == CURLE_OUT_OF_MEMORY || (int)code == TOO_LARGE);
}

/* Why there is no answer, for people. */
static const char *failure_of(struct http_request *request, CURLcode code) {
    if (request->problem)
        return request->problem;
    if (request->reply.problem)
        return request->reply.problem;
    if (code == CURLE_OK)
        return "the answer ended within its headers";
    if (is_line_too_long(request, code))
        return "a line of the answer's headers is longer than 64 KiB";
    if (code == CURLE_COULDNT_CONNECT)
        explain_no_connection(request);
    return request->words[0] ? request->words : curl_easy_strerror(code);
}

static void end_with(struct http_request *request, CURLcode code) {
    struct http_result result = {.outcome = HTTP_FAILED};
    /* libcurl takes a connection that is closed within the headers for a whole answer; what fell
     * over in the middle of its first words has not said yes. */
    if (code == CURLE_OK && request->reply.head_whole) {
        struct text retry_after = text_of(header_of(request->easy, "Retry-After"));
        result.outcome = HTTP_ANSWERED;
        result.status = status_of(request->easy);
        result.body = string_text(&request->reply.body);
        result.retry_after_ms = retry_after_ms(retry_after, clock_wall_ms());
    } else {
        result.error = failure_of(request, code);
    }
    end(request, &result);
}

static void take_out_ended(struct http_client *client) {
    CURLMsg *message;
    int left;
    while (!client->destroyed && (message = curl_multi_info_read(client->multi, &left))) {
        struct http_request *request = NULL;
        CURLcode code = message->data.result;
        assert(message->msg == CURLMSG_DONE);
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
        /* The message is gone with this. */
        curl_multi_remove_handle(client->multi, request->easy);
        TAILQ_REMOVE(&client->running, request, entry);
        end_with(request, code);
    }
}

/* libcurl on the loop */

static void finish(struct http_client *client);

static void leave(struct http_client *client) {
    if (--client->inside == 0 && client->destroyed)
        finish(client);
}

static void run(struct http_client *client, curl_socket_t socket, int what) {
    int running;
    client->inside++;
    curl_multi_socket_action(client->multi, socket, what, &running);
    take_out_ended(client);
    leave(client);
}

static void on_wake(void *arg) {
    run(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void on_socket(evutil_socket_t socket, short what, void *arg) {
    run(arg, socket,
        ((what & EV_READ) ? CURL_CSELECT_IN : 0) | ((what & EV_WRITE) ? CURL_CSELECT_OUT : 0));
}

static int on_wake_wanted(CURLM *multi, long in_ms, void *arg) {
    struct http_client *client = arg;
    (void)multi;
    if (in_ms < 0)
        loop_timer_cancel(client->wake);
    else
        loop_timer_set(client->wake, in_ms);
    return 0;
}

static void watch_destroy(struct http_client *client, struct watch *watch) {
    TAILQ_REMOVE(&client->watches, watch, entry);
    if (watch->event)
        event_free(watch->event);
    free(watch);
}

static int on_watch_wanted(CURL *easy, curl_socket_t socket, int what, void *arg, void *of_socket) {
    struct http_client *client = arg;
    struct watch *watch = of_socket;
    short events = EV_PERSIST;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (watch)
            watch_destroy(client, watch);
        return 0;
    }
    if (!watch) {
        watch = memory_new(sizeof *watch);
        TAILQ_INSERT_TAIL(&client->watches, watch, entry);
        curl_multi_assign(client->multi, socket, watch);
    }
    if (what & CURL_POLL_IN)
        events |= EV_READ;
    if (what & CURL_POLL_OUT)
        events |= EV_WRITE;
    if (watch->event)
        event_free(watch->event);
    watch->event = event_new(loop_base(client->loop), socket, events, on_socket, client);
    assert(watch->event);
    event_add(watch->event, NULL);
    return 0;
}

/* The answer */

static size_t on_head(char *data, size_t one, size_t size, void *arg) {
    struct http_request *request = arg;
    struct http_reply *reply = &request->reply;
    CURL *easy = request->easy;
    bool good = http_reply_add_head(reply, size);
    (void)one;
    if (good && size <= 2 && (data[0] == '\r' || data[0] == '\n'))
        good = http_reply_end_head(reply, status_of(easy),
                                   (struct http_reply_framing){
                                       .content_length = header_of(easy, "Content-Length"),
                                       .transfer_encoding = header_of(easy, "Transfer-Encoding"),
                                   });
    return good ? size : 0;
}

static size_t on_body(char *data, size_t one, size_t size, void *arg) {
    struct http_request *request = arg;
    (void)one;
    return http_reply_add_body(&request->reply, text_slice(data, size)) ? size : 0;
}

/* The question */

/* After the name has been resolved: whatever a name server says, it does not lead us there. */
static curl_socket_t on_socket_wanted(void *arg, curlsocktype purpose,
                                      struct curl_sockaddr *address) {
    struct http_request *request = arg;
    (void)purpose;
    if (!request->link_local && address_is_guarded(&address->addr)) {
        address_format(&address->addr, request->guarded);
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static bool add_header(struct http_request *request, const char *line) {
    for (const char *c = line; *c; c++)
        if ((unsigned char)*c < ' ' && *c != '\t')
            return false;
    struct curl_slist *longer = curl_slist_append(request->headers, line);
    assert(longer);
    request->headers = longer;
    return true;
}

/* libcurl would add these by itself; a name with nothing behind it takes them away. */
static const char *const not_by_itself[] = {"Expect:", "Accept:", "Content-Type:"};

static bool set_headers(struct http_request *request, const char *const *headers) {
    bool good = true;
    for (size_t i = 0; i < sizeof not_by_itself / sizeof not_by_itself[0]; i++)
        good = add_header(request, not_by_itself[i]) && good;
    for (size_t i = 0; headers && headers[i]; i++)
        good = add_header(request, headers[i]) && good;
    curl_easy_setopt(request->easy, CURLOPT_HTTPHEADER, request->headers);
    return good;
}

static void set_method(CURL *easy, const struct http_call *call) {
    if (strcmp(call->method, "GET") == 0) {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
        return;
    }
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    if (strcmp(call->method, "POST") != 0)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
    /* Not copied; and never NULL, or libcurl would read standard input. */
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body.size ? call->body.data : "");
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.size);
}

/* http+unix:///run/x.sock:/target: the socket ends where ":/" begins the target. */
static void set_url(struct http_request *request, const char *url) {
    static const char scheme[] = "http+unix://";
    CURL *easy = request->easy;
    if (strncmp(url, scheme, strlen(scheme)) != 0) {
        curl_easy_setopt(easy, CURLOPT_URL, url);
        return;
    }
    request->over_socket = true;
    const char *path = url + strlen(scheme), *target = strstr(path, ":/");
    size_t path_size = target ? (size_t)(target - path) : strlen(path);
    char *socket = memory_copy(path, path_size);
    struct string http = {0};
    string_addf(&http, "http://localhost%s", target ? target + 1 : "/");
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, socket);
    curl_easy_setopt(easy, CURLOPT_URL, http.data);
    string_finish(&http);
    free(socket);
}

static void set_pem(CURL *easy, CURLoption option, struct text pem) {
    struct curl_blob blob = {(void *)(uintptr_t)pem.data, pem.size, CURL_BLOB_NOCOPY};
    if (pem.size)
        curl_easy_setopt(easy, option, &blob);
}

static void set_tls(CURL *easy, const struct http_call *call) {
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (call->ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, call->ca_file);
    set_pem(easy, CURLOPT_CAINFO_BLOB, call->ca);
    if (call->ca_file || call->ca.size) /* else the system's are believed besides */
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    set_pem(easy, CURLOPT_SSLCERT_BLOB, call->client_certificate);
    set_pem(easy, CURLOPT_SSLKEY_BLOB, call->client_key);
    /* Else OpenSSL asks at the terminal for the password of a key that has one, and waits. */
    curl_easy_setopt(easy, CURLOPT_KEYPASSWD, "");
}

/* libcurl's clock starts when it first looks at the request, and stands still while the machine is
 * suspended: in a process that was frozen it may begin long after the caller's time was over. */
static int on_connected(void *arg, char *theirs, char *ours, int their_port, int our_port) {
    struct http_request *request = arg;
    (void)theirs, (void)ours, (void)their_port, (void)our_port;
    if (clock_elapsed_ms() - request->since_ms < request->timeout_ms)
        return CURL_PREREQFUNC_OK;
    request->problem = "its time was over before it could be sent";
    return CURL_PREREQFUNC_ABORT;
}

static void set_manners(struct http_request *request) {
    CURL *easy = request->easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->words);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* Or a name server that does not answer would hold up the loop when a call ends. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* nothing from the environment */
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_socket_wanted);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, request);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, request);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, request);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
}

void http_client_send(struct http_client *client, const struct http_call *call, http_done_fn *done,
                      void *arg) {
    assert(!client->destroyed && done && call->timeout_ms > 0 && call->connect_timeout_ms > 0);
    assert(call->keep_bytes <= HTTP_REPLY_MOST_BODY);
    struct http_request *request = spare_take(client);
    request->done = done;
    request->arg = arg;
    request->reply.keep_bytes = call->keep_bytes;
    request->link_local = call->link_local;
    request->since_ms = clock_elapsed_ms();
    request->timeout_ms = call->timeout_ms;
    set_manners(request);
    set_url(request, call->url);
    set_method(request->easy, call);
    set_tls(request->easy, call);
    curl_easy_setopt(request->easy, CURLOPT_FRESH_CONNECT, call->once ? 1L : 0L);
    curl_easy_setopt(request->easy, CURLOPT_TIMEOUT_MS, (long)call->timeout_ms);
    curl_easy_setopt(request->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)call->connect_timeout_ms);
    if (!set_headers(request, call->headers))
        request->problem = "a header to be sent has control characters in it";
    else if (curl_multi_add_handle(client->multi, request->easy) != CURLM_OK)
        request->problem = "libcurl does not take the request";
    if (!request->problem) {
        TAILQ_INSERT_TAIL(&client->running, request, entry);
        return;
    }
    TAILQ_INSERT_TAIL(&client->failing, request, entry);
    loop_timer_set(client->refused, 0);
}

static void on_refused(void *arg) {
    struct http_client *client = arg;
    struct http_request *request;
    client->inside++;
    while ((request = TAILQ_FIRST(&client->failing))) {
        TAILQ_REMOVE(&client->failing, request, entry);
        end_with(request, CURLE_BAD_FUNCTION_ARGUMENT);
    }
    leave(client);
}

/* Create and destroy */

struct http_client *http_client_create(struct loop *loop) {
    struct http_client *client = memory_new(sizeof *client);
    CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
    assert(ready == CURLE_OK);
    client->loop = loop;
    TAILQ_INIT(&client->running);
    TAILQ_INIT(&client->failing);
    TAILQ_INIT(&client->spare);
    TAILQ_INIT(&client->watches);
    client->wake = loop_timer_create(loop, on_wake, client);
    client->refused = loop_timer_create(loop, on_refused, client);
    client->multi = curl_multi_init();
    assert(client->multi);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_watch_wanted);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_wake_wanted);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)MOST_CONNECTIONS);
    return client;
}

static void stop_all(struct http_client *client, struct requests *list) {
    struct http_request *request;
    while ((request = TAILQ_FIRST(list))) {
        if (list == &client->running)
            curl_multi_remove_handle(client->multi, request->easy);
        TAILQ_REMOVE(list, request, entry);
        end(request, &(struct http_result){.outcome = HTTP_STOPPED});
    }
}

static void finish(struct http_client *client) {
    struct http_request *request;
    struct watch *watch;
    while ((request = TAILQ_FIRST(&client->spare))) {
        TAILQ_REMOVE(&client->spare, request, entry);
        request_destroy(request);
    }
    curl_multi_cleanup(client->multi);
    while ((watch = TAILQ_FIRST(&client->watches)))
        watch_destroy(client, watch);
    loop_timer_destroy(client->wake);
    loop_timer_destroy(client->refused);
    free(client);
    curl_global_cleanup();
}

void http_client_destroy(struct http_client *client) {
    if (!client)
        return;
    client->destroyed = true;
    stop_all(client, &client->running);
    stop_all(client, &client->failing);
    if (client->inside == 0)
        finish(client);
}
