#include "cli/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/random.h"
#include "net/tls.h"

enum { SECRET_DIGITS = 64 };

char *setup_path(const char *directory, const char *name) {
    struct string path = {0};
    string_addf(&path, "%s/%s", directory, name);
    return path.data;
}

static bool write_file(const char *file, struct text content, struct string *why) {
    int descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool written =
        descriptor >= 0 && write(descriptor, content.data, content.size) == (ssize_t)content.size;
    if (!written)
        string_addf(why, "%s cannot be written: %s", file, strerror(errno));
    if (descriptor >= 0)
        close(descriptor);
    return written;
}

bool setup_secret(const char *directory, struct string *why) {
    char line[SECRET_DIGITS + 2];
    char *file = setup_path(directory, "secret");
    bool fine = access(file, F_OK) == 0;
    if (!fine) {
        random_hex(line, SECRET_DIGITS);
        strcat(line, "\n");
        fine = write_file(file, text_of(line), why);
    }
    free(file);
    return fine;
}

bool setup_certificate(const char *directory, struct string *why) {
    char *certificate = setup_path(directory, "tls.crt"), *key = setup_path(directory, "tls.key");
    bool fine = (access(certificate, F_OK) == 0 && access(key, F_OK) == 0) ||
                tls_make_self_signed(certificate, key, why);
    free(certificate);
    free(key);
    return fine;
}

/* YAML takes a JSON string as it is, so a folder may have any name. */
static void add_quoted(struct string *yaml, const char *value, const char *more) {
    struct json_writer *writer = json_writer_create();
    char *whole = setup_path(value, more ? more : "");
    json_string(writer, more ? text_of(whole) : text_of(value));
    string_add(yaml, json_writer_text(writer));
    json_writer_destroy(writer);
    free(whole);
}

static void add_redis(struct string *yaml, const struct setup *setup) {
    char *socket = setup_path(setup->directory, "redis.sock");
    struct string url = {0};
    string_addf(&url, "unix://%s", socket);
    string_add_of(yaml, "redis:\n  url: ");
    add_quoted(yaml, url.data, NULL);
    string_add_char(yaml, '\n');
    if (setup->prefix) {
        string_add_of(yaml, "  prefix: ");
        add_quoted(yaml, setup->prefix, NULL);
        string_add_char(yaml, '\n');
    }
    string_finish(&url);
    free(socket);
}

static void add_serve(struct string *yaml, const struct setup *setup) {
    string_add_of(yaml, "serve:\n  listen:\n    - address: ");
    add_quoted(yaml, setup->listen, NULL);
    string_add_of(yaml, "\n      certificate: ");
    add_quoted(yaml, setup->directory, "tls.crt");
    string_add_of(yaml, "\n      private_key: ");
    add_quoted(yaml, setup->directory, "tls.key");
    if (setup->serve_admin)
        string_addf(yaml, "\n  admin: \"%s\"", setup->serve_admin);
    string_add_of(yaml, "\n  endpoints:\n    - name: kula\n      path: /webhooks/kula\n"
                        "      secret_files: [");
    add_quoted(yaml, setup->directory, "secret");
    string_add_of(yaml, "]\n  durability: spool\n  spool:\n    directory: ");
    add_quoted(yaml, setup->directory, "spool");
    string_add_char(yaml, '\n');
}

static void add_services(struct string *yaml, const struct setup *setup) {
    if (setup->service_count)
        string_add_of(yaml, "services:\n");
    else
        string_add_of(yaml,
                      "# Without services, `kula-relay up` plays one that prints what it gets:\n"
                      "# services:\n"
                      "#   - name: crm\n"
                      "#     url: http://127.0.0.1:8080/hooks/kula\n"
                      "#     events: [\"application.*\"]\n");
    for (size_t i = 0; i < setup->service_count; i++) {
        const struct setup_service *service = &setup->services[i];
        string_addf(yaml, "  - name: %s\n    url: %s\n    events: %s\n", service->name,
                    service->url, service->events);
        if (service->retry)
            string_addf(yaml, "    retry: %s\n", service->retry);
    }
}

bool setup_configuration(const char *file, const struct setup *setup, struct string *why) {
    struct string yaml = {0};
    string_add_of(&yaml, "# Written by kula-relay for this folder; change it as you like.\n");
    add_redis(&yaml, setup);
    if (setup->listen)
        add_serve(&yaml, setup);
    if (setup->forward_admin)
        string_addf(&yaml, "forward:\n  admin: \"%s\"\n", setup->forward_admin);
    add_services(&yaml, setup);
    if (setup->log_format)
        string_addf(&yaml, "log: {format: %s}\n", setup->log_format);
    bool fine = write_file(file, string_text(&yaml), why);
    string_finish(&yaml);
    return fine;
}
