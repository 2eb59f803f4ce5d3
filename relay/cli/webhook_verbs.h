/* The verbs of `webhook` that are stories of their own. Each says what went wrong, and
 * remembers the exit code. */
#pragma once
#include "cli/webhook_desk.h"

void webhook_make_create(struct webhook_desk *);
void webhook_make_update(struct webhook_desk *);

void webhook_events_list(struct webhook_desk *);
void webhook_events_sample(struct webhook_desk *);

void webhook_test_send(struct webhook_desk *);
/* The same in the middle of another story: true where Kula's ping was taken. */
bool webhook_test_proves(struct webhook_desk *);

void webhook_missed_list(struct webhook_desk *);

void webhook_rotate_secret(struct webhook_desk *);

void webhook_plan_show(struct webhook_desk *);
void webhook_plan_apply(struct webhook_desk *);
