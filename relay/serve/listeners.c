#include "serve/listeners.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/config.h"
#include "base/log.h"
#include "base/memory.h"
#include "net/address.h"
#include "net/certificates.h"
#include "net/handed.h"
#include "net/http_server.h"
#include "net/tls.h"

struct opening {
    const struct listeners_needs *needs;
    struct handed handed;
    struct string *bound; /* of each listener so far, as the kernel tells it */
    size_t count;
};

__attribute__((format(printf, 3, 4))) static void
tell(const struct opening *opening, struct string *why, const char *format, ...) {
    struct string key = {0}, sentence = {0};
    va_list args;
    va_start(args, format);
    string_vaddf(&sentence, format, args);
    va_end(args);
    string_addf(&key, "serve.listen[%zu].address", opening->count);
    config_tell(opening->needs->config, key.data, why, "%s", sentence.data);
    string_finish(&key);
    string_finish(&sentence);
}

static bool is_handed(const struct opening *opening) {
    return opening->handed.count > 0;
}

/* Sockets that we were handed are all that there are: else a mistake in a unit would be a port
 * that is open until the next restart. */
static int find_descriptor(struct opening *opening, struct text address, struct string *why) {
    struct string sentence = {0};
    int descriptor = is_handed(opening) ? handed_take(&opening->handed, address, &sentence)
                                        : address_listen_beside(address, &sentence);
    if (descriptor < 0)
        tell(opening, why, "%s", sentence.data);
    string_finish(&sentence);
    return descriptor;
}

/* Which key of this process listens there already; false: none. */
static bool find_owner(const struct opening *opening, struct text bound, struct string *key) {
    if (text_equal(bound, opening->needs->admin)) {
        string_add_of(key, "serve.admin");
        return true;
    }
    for (size_t i = 0; i < opening->count; i++)
        if (text_equal(bound, string_text(&opening->bound[i]))) {
            string_addf(key, "serve.listen[%zu]", i);
            return true;
        }
    return false;
}

/* The kernel lets one process listen twice, as it lets two `serve`, and would give each of the two
 * a part of the connections. Two names may lead to one address, so it is looked at once bound. */
static bool is_free(const struct opening *opening, const char *address, struct string *why) {
    struct text bound = string_text(&opening->bound[opening->count]);
    struct string owner = {0};
    bool taken = find_owner(opening, bound, &owner);
    if (taken)
        tell(opening, why, "%s is %.*s, where %s listens already: write another port", address,
             TEXT_ARG(bound), owner.data);
    string_finish(&owner);
    return !taken;
}

static void listen_on(const struct opening *opening, int descriptor) {
    const struct listeners_needs *needs = opening->needs;
    const struct config_listener *wanted = &needs->config->listeners[opening->count];
    struct ssl_ctx_st *tls = certificates_of(needs->certificates, opening->count);
    http_server_listen_as(needs->server, &(struct http_listener){
                                             .descriptor = descriptor,
                                             .tls = tls ? tls_share(tls) : NULL,
                                             .proxied = wanted->proxy_protocol == CONFIG_TRUE,
                                             .beside = !is_handed(opening),
                                         });
    log_info("listening address=%s tls=%s handed=%s", opening->bound[opening->count].data,
             tls ? "yes" : "no", is_handed(opening) ? "yes" : "no");
}

static bool open_next(struct opening *opening, struct string *why) {
    const char *address = opening->needs->config->listeners[opening->count].address;
    int descriptor = find_descriptor(opening, text_of(address), why);
    if (descriptor < 0)
        return false;
    address_format_bound(descriptor, &opening->bound[opening->count]);
    bool is = is_free(opening, address, why);
    if (is)
        listen_on(opening, descriptor);
    else
        close(descriptor);
    opening->count++;
    return is;
}

bool listeners_open(const struct listeners_needs *needs, struct string *why) {
    size_t wanted = needs->config->listener_count;
    struct opening opening = {.needs = needs, .bound = memory_new(wanted * sizeof(struct string))};
    bool open = handed_init(&opening.handed, why);
    while (open && opening.count < wanted)
        open = open_next(&opening, why);
    open = open && handed_is_taken(&opening.handed, why);
    handed_finish(&opening.handed);
    for (size_t i = 0; i < opening.count; i++)
        string_finish(&opening.bound[i]);
    free(opening.bound);
    return open;
}
