/* Do the counts balance? For each service, given = filtered + done + dead +
 * dropped + owed; what its group holds is what is owed; and between its start
 * and its place nothing stands in the stream, or was trimmed, that was neither
 * given nor meant for another. For the stream: what the endpoints appended and
 * what was revived is what was added to it, and nothing but trim took any out. */
#pragma once
#include "ledger/ledger.h"

struct audit_service {
    char *name;
    int64_t given, filtered, done, dead, dropped, owed;
    int64_t unread; /* stand behind its place; -1 where Redis cannot tell for the moment */
    bool balances;
};

struct audit_report {
    enum ledger_outcome outcome;
    int64_t appended, revived, added, trimmed, length;
    const struct audit_service *services;
    size_t service_count;
    const char *const *findings; /* sentences, each naming the key to look at; none: it balances */
    size_t finding_count;
};
typedef void audit_fn(void *arg, const struct audit_report *); /* borrowed until it returns */
void audit_run(struct ledger *, audit_fn *, void *arg);
