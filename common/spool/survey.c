/* Looks at spools from outside, whoever has them: changes nothing. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/memory.h"
#include "spool/damage.h"
#include "spool/folder.h"
#include "spool/recover.h"
#include "spool/spool.h"

struct list {
    const char *directory;
    struct folder *folders;
    size_t count;
};

static void on_name(void *arg, const char *name) {
    struct list *list = arg;
    struct folder folder;
    if (!folder_named(&folder, list->directory, name))
        return;
    list->folders = memory_resize(list->folders, (list->count + 1) * sizeof *list->folders);
    list->folders[list->count++] = folder;
}

static int by_id(const void *left, const void *right) {
    const struct folder *a = left, *b = right;
    return strcmp(a->id, b->id);
}

/* Asked with a lock that is given back at once; whoever wants to adopt it tries more than once. */
static bool is_held(const struct folder *folder) {
    struct string path = {0};
    string_addf(&path, "%s/lock", folder->path);
    int file = open(path.data, O_RDONLY | O_CLOEXEC);
    string_finish(&path);
    if (file < 0)
        return false;
    bool held = flock(file, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
    close(file);
    return held;
}

static void on_entry(void *arg, const char *name) {
    size_t *copies = arg;
    *copies += damage_is_copy(name);
}

/* False: it was removed since it was listed, or is a file. */
static bool is_there(const struct folder *folder, size_t *copies) {
    *copies = 0;
    return disk_real.list(NULL, folder->path, on_entry, copies) == 0 ||
           (errno != ENOENT && errno != ENOTDIR);
}

static void sum_up(struct recovery *recovery, struct spool_survey *survey) {
    const struct segment *segment;
    survey->drained = recovery->checkpoint.drained;
    survey->checkpoint_damaged = recovery->checkpoint_damaged;
    survey->last = recovery->last;
    survey->bytes = recovery->bytes;
    survey->undrained = recovery->undrained;
    survey->oldest_undrained_ms = recovery->oldest_undrained_ms;
    survey->damaged_bytes = recovery->damaged_bytes;
    survey->damaged_records = recovery->damaged_records;
    survey->damage_count = recovery->damage_count;
    survey->damage_untold = recovery->damage_untold;
    survey->damage = recovery->damage;
    recovery->damage = NULL;
    TAILQ_FOREACH (segment, &recovery->segments, segments) {
        if (!survey->records || segment->oldest_ms < survey->oldest_ms)
            survey->oldest_ms = segment->oldest_ms;
        if (!survey->records || segment->newest_ms > survey->newest_ms)
            survey->newest_ms = segment->newest_ms;
        if (!survey->records)
            survey->first = segment->first;
        survey->records += segment->records;
    }
}

static void survey_finish(struct spool_survey *survey) {
    string_finish(&survey->broken);
    free(survey->damage);
    *survey = (struct spool_survey){0};
}

static void look(const struct folder *folder, struct spool_survey *survey) {
    struct recovery recovery = {
        .disk = &disk_real, .folder = folder->path, .spool = folder->spool, .survey = true};
    survey_finish(survey);
    memcpy(survey->id, folder->id, sizeof survey->id);
    survey->held = is_held(folder);
    if (recover(&recovery, &survey->broken))
        sum_up(&recovery, survey);
    recovery_finish(&recovery);
}

static bool seems_whole(const struct spool_survey *survey) {
    return !survey->broken.size && !survey->damaged_bytes && !survey->damaged_records &&
           !survey->checkpoint_damaged;
}

/* False: it is gone. */
static bool survey_one(const struct folder *folder, struct spool_survey *survey) {
    look(folder, survey);
    /* What is written or removed this very moment can look damaged: only what looks so twice is. */
    if (!seems_whole(survey))
        look(folder, survey);
    return is_there(folder, &survey->copies);
}

static bool list_folders(struct list *list, struct string *why) {
    if (disk_real.list(NULL, list->directory, on_name, list) < 0 && errno != ENOENT) {
        string_addf(why, "cannot list %s: %s", list->directory, strerror(errno));
        return false;
    }
    if (list->count)
        qsort(list->folders, list->count, sizeof *list->folders, by_id);
    return true;
}

int spool_survey(const char *directory, struct spool_survey **surveys, struct string *why) {
    struct list list = {.directory = directory};
    bool good = list_folders(&list, why);
    struct spool_survey *all = memory_new((list.count + 1) * sizeof *all);
    int count = 0;
    for (size_t i = 0; i < list.count; i++) {
        if (good && survey_one(&list.folders[i], &all[count]))
            count++;
        else
            survey_finish(&all[count]);
        folder_finish(&list.folders[i], &disk_real);
    }
    free(list.folders);
    *surveys = all;
    if (good)
        return count;
    spool_survey_free(all, 0);
    *surveys = NULL;
    return -1;
}

void spool_survey_free(struct spool_survey *surveys, int count) {
    for (int i = 0; i < count; i++)
        survey_finish(&surveys[i]);
    free(surveys);
}
