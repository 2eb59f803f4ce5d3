/* How Kula's webhooks look on the screen and in JSON lines. */
#pragma once
#include "cli/webhook_desk.h"

/* Everything about one; `secret` where Kula has just told it, else empty. */
void webhook_view(struct webhook_desk *, const struct kula_webhook *, struct text secret);
/* A line of a table that has the head before it. */
void webhook_view_head(struct webhook_desk *);
void webhook_view_line(struct webhook_desk *, const struct kula_webhook *);

void webhook_view_log_head(struct webhook_desk *);
void webhook_view_log(struct webhook_desk *, const struct kula_log *);

/* Prints it at this width, with what could steer the terminal made visible. */
void webhook_view_text(struct text, int width);
