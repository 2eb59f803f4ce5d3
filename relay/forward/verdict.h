/* What follows from an attempt's outcome: a pure table. */
#pragma once
#include "ledger/moves.h"
#include "net/http_client.h"

struct config_service;

/* A service that asks for a longer pause is asked again by then. */
enum { VERDICT_MOST_PAUSE_MS = 3600 * 1000 };

struct verdict {
    enum moves_verdict move;
    int64_t delay_ms;   /* with MOVES_DEFER */
    int64_t hold_ms;    /* the same: the pause that the whole service asked for; 0: none */
    bool refused;       /* with MOVES_BURY: it judged the event, and is well itself */
    const char *reason; /* one line; static, or the result's error */
};

struct verdict_case {
    const struct http_result *result;
    unsigned failed;  /* attempts that failed before this one */
    int64_t first_ms; /* Redis' time when the first attempt was settled; 0: this is the first */
    int64_t now_ms;   /* Redis' time */
    uint64_t random;
};

struct verdict verdict_of(const struct config_service *, const struct verdict_case *);
