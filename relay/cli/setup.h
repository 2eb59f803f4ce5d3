/* The files that `up` and `demo` make in a folder of their own: a secret, a
 * certificate, a configuration. What is there already stays as it is. */
#pragma once
#include "base/text.h"

struct setup_service {
    const char *name;
    const char *url;
    const char *events; /* as YAML writes a list: ["application.*"] */
    const char *retry;  /* as YAML writes a map: {first: 1s}; NULL: the usual */
};

struct setup {
    const char *directory;                   /* absolute */
    const char *prefix;                      /* of the keys; NULL: the usual */
    const char *listen;                      /* NULL: no `serve` section */
    const char *serve_admin, *forward_admin; /* NULL: none */
    const char *log_format;                  /* NULL: the usual */
    const struct setup_service *services;
    size_t service_count;
};

/* All of these: false with a sentence in `why`. */
bool setup_secret(const char *directory, struct string *why);
bool setup_certificate(const char *directory, struct string *why);
bool setup_configuration(const char *file, const struct setup *, struct string *why);

/* "DIRECTORY/name"; free() it. */
char *setup_path(const char *directory, const char *name);
