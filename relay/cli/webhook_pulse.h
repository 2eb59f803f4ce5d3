/* How the endpoint of a webhook is doing, as serve and watch have told Redis: shown beside what
 * Kula says. Where Redis is not to be had there is nothing to show, and no word about it: Kula's
 * side can be looked at without it. */
#pragma once
#include "cli/webhook_desk.h"

void webhook_pulse_ask(struct webhook_desk *, const struct kula_webhook *);
void webhook_pulse_close(struct webhook_desk *); /* before the desk; also where nobody asked */

/* What was asked last; nothing where it is not known. */
void webhook_pulse_json(struct webhook_desk *); /* keys of an object that is open */
void webhook_pulse_fields(struct webhook_desk *);
void webhook_pulse_words(struct webhook_desk *); /* at the end of a line, if there is trouble */
