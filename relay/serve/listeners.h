/* The listeners for Kula, as the configuration has them: bound by us, or handed over by whoever
 * started us. */
#pragma once
#include <stdbool.h>

#include "base/text.h"

struct certificates;
struct config;
struct http_server;

struct listeners_needs {
    const struct config *config;
    const struct certificates *certificates;
    struct http_server *server; /* which listens on them from then on */
    struct text admin;          /* where this process listens already; empty: nowhere */
};

/* All, or false with a sentence where one cannot be opened. */
bool listeners_open(const struct listeners_needs *, struct string *why);
