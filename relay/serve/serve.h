/* Serve puts the pieces on one loop: ledger, listeners, admin; and takes them
 * down again, in the order that loses nothing. */
#pragma once

struct edition;

enum { SERVE_DONE = 0, SERVE_FAILED = 1, SERVE_CONFIG_INVALID = 78 };

/* Until SIGTERM or SIGINT, and then until what is in flight has been answered;
 * a second signal does not wait for it. An exit code, of those above. */
int serve_run(struct edition *); /* borrowed */
