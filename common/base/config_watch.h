/* The files whose content a running program takes anew: those that it watches. */
#pragma once
#include "base/config.h"

typedef void config_file_fn(void *arg, const char *path);

/* A secret_dir too, for what comes into it. */
void config_each_watched(const struct config *, enum config_for, config_file_fn *, void *arg);
