/* The files that a configuration names. Private to config*.c. */
#pragma once
#include "base/config_draft.h"

/* Could it be read? False with a sentence; what is in it is not looked at. */
bool config_files_readable(const char *path, struct string *why);
/* Could something be made in this folder, or the folder itself where it is not there? Or was
 * something, before its disk became read-only? */
bool config_files_writable(const char *folder, struct string *why);

/* Puts the files of each secret_dir before its endpoint's secret_files, where the draft's command
 * reads those; a folder that cannot be read is a problem at its key. */
void config_files_list(struct config_draft *);

/* Reads the secrets that the draft's command uses; a file that cannot be read is a problem
 * at its key. */
void config_files_read(struct config_draft *);
