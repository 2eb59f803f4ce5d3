/* The stage on which `demo` plays: an installation in a temporary folder, and two
 * internal services, crm and payroll, in this process. */
#pragma once
#include "cli/cli.h"
#include "cli/installation.h"

struct sample_service;
struct stage;

enum { STAGE_ID = 64 };

struct stage_service {
    struct stage *stage;
    const char *name;
    struct sample_service *sample;
    int failures_left; /* so many more attempts are answered fail_status, before 200 */
    int fail_status;
    int delivered;
    char last_id[STAGE_ID], last_attempt[8], last_origin[16]; /* of what it took */
};

struct stage {
    struct cli cli;
    struct installation installation;
    struct stage_service crm;     /* wants candidate.* and application.* */
    struct stage_service payroll; /* wants application.hired and application.rejected */
    struct string folder, url, config_file, serve_log, forward_log;
    struct secret secret, wrong_secret;
    bool answered;
    int status; /* of the last delivery */
    struct string answer;
    uint64_t spooled;   /* the number of the last record in the spool */
    bool drained;       /* the ledger has it */
    bool asking, quiet; /* the ledger is being asked; it said that nothing is owed */
    int64_t length;     /* of the stream, as the audit has last seen it */
    char dead_id[STAGE_ID];
    bool revived;
};

/* False: said. Needs stage->cli started. */
bool stage_open(struct stage *);
void stage_close(struct stage *, bool keep_folder);

/* One delivery as Kula makes it; false where no answer came. */
bool stage_send(struct stage *, const char *type, const char *id, const struct secret *);
/* Until everything accepted is in the ledger and settled at both services, dead letters among it.
 */
bool stage_wait_quiet(struct stage *);
/* The only dead letter of a service: its id, kept in stage->dead_id. */
bool stage_find_dead(struct stage *, const struct stage_service *);
bool stage_revive(struct stage *, const struct stage_service *);
