/* Which endpoint of ours a webhook of Kula's delivers to.
 *
 * What kula.webhooks says of it holds. Of any other only the URL is known, and a proxy may take
 * something off the front of its path. So it may be each endpoint whose path it ends with, unless
 * one has just that path: what is done with a secret must not go by the likeliest. */
#pragma once
#include "base/config.h"
#include "kula_api/kula_answer.h"

bool webhook_endpoint_possible(const struct config *, const struct kula_webhook *,
                               const struct config_endpoint *);
/* That with the longest path; NULL: none is possible. */
const struct config_endpoint *webhook_endpoint_likeliest(const struct config *,
                                                         const struct kula_webhook *);
/* The only possible one; NULL: none is, or several are. */
const struct config_endpoint *webhook_endpoint_certain(const struct config *,
                                                       const struct kula_webhook *);
