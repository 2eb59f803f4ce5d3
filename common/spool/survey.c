/* Looks at spools from outside, whoever has them: changes nothing. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/memory.h"
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

static void sum_up(const struct recovery *recovery, struct spool_survey *survey) {
    const struct segment *segment;
    survey->drained = recovery->checkpoint.drained;
    survey->last = recovery->last;
    survey->bytes = recovery->bytes;
    survey->damaged_bytes = recovery->damaged_bytes;
    survey->damaged_records = recovery->damaged_records;
    survey->records = survey->first = 0;
    survey->oldest_ms = survey->newest_ms = 0;
    TAILQ_FOREACH (segment, &recovery->segments, segments) {
        if (!survey->first)
            survey->first = segment->first;
        survey->records += segment->records;
        if (!survey->oldest_ms || segment->oldest_ms < survey->oldest_ms)
            survey->oldest_ms = segment->oldest_ms;
        if (segment->newest_ms > survey->newest_ms)
            survey->newest_ms = segment->newest_ms;
    }
}

static bool look(const struct folder *folder, struct spool_survey *survey, struct string *why) {
    struct recovery recovery = {
        .disk = &disk_real, .folder = folder->path, .spool = folder->spool, .survey = true};
    bool good = recover(&recovery, why);
    if (good)
        sum_up(&recovery, survey);
    recovery_finish(&recovery);
    return good;
}

static bool survey_one(const struct folder *folder, struct spool_survey *survey,
                       struct string *why) {
    memcpy(survey->id, folder->id, sizeof survey->id);
    survey->held = is_held(folder);
    if (!look(folder, survey, why))
        return false;
    bool damaged = survey->damaged_bytes || survey->damaged_records;
    /* What is written this very moment can look damaged: only what looks so twice is. */
    return !(survey->held && damaged) || look(folder, survey, why);
}

int spool_survey(const char *directory, struct spool_survey **surveys, struct string *why) {
    struct list list = {.directory = directory};
    *surveys = NULL;
    if (disk_real.list(NULL, directory, on_name, &list) < 0 && errno != ENOENT) {
        string_addf(why, "cannot list %s: %s", directory, strerror(errno));
        free(list.folders);
        return -1;
    }
    if (list.count)
        qsort(list.folders, list.count, sizeof *list.folders, by_id);
    struct spool_survey *all = memory_new((list.count + 1) * sizeof *all);
    bool good = true;
    for (size_t i = 0; i < list.count; i++) {
        good = good && survey_one(&list.folders[i], &all[i], why);
        folder_finish(&list.folders[i], &disk_real);
    }
    free(list.folders);
    if (good) {
        *surveys = all;
        return (int)list.count;
    }
    free(all);
    return -1;
}
