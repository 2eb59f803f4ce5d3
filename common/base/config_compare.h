/* What another reading of the configuration has changed, for a program that runs
 * and is to take it: some keys it can take as it runs, for others it has to be
 * started again. */
#pragma once
#include "base/config.h"

enum config_change {
    CONFIG_CHANGE_LIVE,    /* can be taken by a running program */
    CONFIG_CHANGE_RESTART, /* holds from the next start */
};

/* The keys of this kind whose value, or whose secret, differs, as in
 * "serve.endpoints[0].tolerance, serve.endpoints[1]" (one that came or went as a
 * whole); of the sections that this command uses only. Empty: none. */
void config_compare(const struct config *was, const struct config *is, enum config_for,
                    enum config_change, struct string *names);
