/* Is a value well-formed? One question each, for the table of keys; nothing is
 * looked up and nothing opened. For config*.c, and for an option that means the same. */
#pragma once
#include "base/text.h"

/* All give false with what is wrong, for people, to stand behind "KEY: ". */
bool config_check_name(struct text, struct string *why);   /* [a-z0-9-]{1,32} */
bool config_check_word(struct text, struct string *why);   /* printable ASCII without blank */
bool config_check_prefix(struct text, struct string *why); /* of Redis keys */
bool config_check_path(struct text, struct string *why);   /* of an endpoint */
bool config_check_order(struct text, struct string *why);  /* none, account or a path into a body */
bool config_check_network(struct text, struct string *why); /* ADDRESS or ADDRESS/BITS */
bool config_check_address(struct text, struct string *why); /* HOST:PORT to listen on */
bool config_check_redis_url(struct text, struct string *why);
bool config_check_service_url(struct text, struct string *why);
bool config_check_webhook_url(struct text, struct string *why); /* that Kula delivers to */
bool config_check_api_url(struct text, struct string *why);     /* a token is sent to it */
bool config_check_header_name(struct text, struct string *why); /* and not one that we set */
bool config_check_header_value(struct text, struct string *why);

/* At most this much of a value is quoted in a message, in whole characters. */
struct text config_check_quoted(struct text);
