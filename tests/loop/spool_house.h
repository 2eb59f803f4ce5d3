/* A spool on a simulated disk, with somebody who puts records into it and
 * somebody who drains it into a ledger that forgets nothing: what the tests of
 * lost power, damage and trouble have in common.
 *
 * Every record is made from its number, so whatever is read can be compared
 * with what was put. Waiting is for facts; one that does not come within 20 s
 * fails the test. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "disk_sim.h"
#include "net/loop.h"
#include "spool/spool.h"

/* One put, and what became of it. */
struct sent {
    struct spool_house *house;
    unsigned times; /* the callback came; has to end as 1 */
    enum spool_put outcome;
};

/* One record as the ledger has it. */
struct kept {
    char id[17]; /* of the spool that it came from */
    uint64_t sequence;
    size_t number; /* of the put */
};

enum { SPOOL_HOUSE_PUTS = 512 };

struct spool_house {
    struct loop *loop;
    struct disk_sim *sim;
    struct spool *spool;   /* NULL: none is running */
    struct spool *leaving; /* that is being removed */
    struct spool_options options;
    unsigned ups, downs, readables;
    struct sent sent[SPOOL_HOUSE_PUTS]; /* by number */
    size_t sent_count;
    struct kept *kept; /* the ledger */
    size_t kept_count;
    int64_t damaged; /* records and bytes, as adopted spools have counted them */
    int64_t started_ms;
};

/* Segments of 4 KiB; nothing is on the disk yet, not even the directory. */
void spool_house_open(struct spool_house *);
void spool_house_close(struct spool_house *);
int spool_house_tear_down(void **state); /* for cmocka: closes and frees it */
/* Puts another disk in, and forgets what was put and kept. The old one is gone. */
void spool_house_use(struct spool_house *, struct disk_sim *);

bool spool_house_start(struct spool_house *); /* false: there was a sentence */
void spool_house_end(struct spool_house *);   /* as a process ends; fine without */
void spool_house_wait(struct spool_house *, bool (*fact)(struct spool_house *));
bool spool_house_is_writable(struct spool_house *);
bool spool_house_sync_is_held(struct spool_house *);
void spool_house_pass(struct spool_house *, int64_t ms); /* for what must not happen */

/* So many records at once, numbered on. */
void spool_house_put(struct spool_house *, size_t count);
void spool_house_put_sized(struct spool_house *, size_t body_bytes);
void spool_house_settle(struct spool_house *); /* until all callbacks of puts came */
/* Reads what the ledger does not have, gives it to it, and says so to the spool. */
void spool_house_drain(struct spool_house *);

/* Adopts what is there, drains it, removes it when it is done. False: it could not, with a
 * sentence. */
bool spool_house_recover(struct spool_house *);
/* One that is done. False: the disk does not let go of it, and it is still the caller's. */
bool spool_house_remove(struct spool_house *, struct spool *);
/* Reads it from the start, compares each record with what was put, and fills the numbers of the
 * puts, SPOOL_HOUSE_PUTS at most. */
size_t spool_house_read_all(struct spool *, size_t *numbers);

/* What was answered with SPOOL_SYNCED is in the ledger, once; what was refused is not; what came
 * from one spool is in the order of the puts. */
void spool_house_check(const struct spool_house *);
