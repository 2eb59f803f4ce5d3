/* Looks for what is left behind while there are others to serve: on a thread, because what was
 * not drained is read whole, and that may be much. */
#include <stdlib.h>

#include "base/memory.h"
#include "net/wake.h"
#include "spool/adopt.h"
#include "spool/thread.h"

struct spool_search {
    struct loop *loop;
    struct spool_options options;
    spool_found_fn *fn;
    struct wake *wake;
    bool running;
    pthread_t thread;
    struct adoption adoption; /* this and why are the thread's while it runs */
    struct string why;
};

static void *look(void *arg) {
    struct spool_search *search = arg;
    adoption_look(&search->adoption, &search->why);
    wake_ring(search->wake);
    return NULL;
}

static void end_look(struct spool_search *search) {
    pthread_join(search->thread, NULL);
    search->running = false;
}

static void on_looked(void *arg) {
    struct spool_search *search = arg;
    struct spool **adopted;
    end_look(search);
    int count = adoption_open(&search->adoption, search->loop, &search->options, &adopted);
    search->fn(search->options.arg, adopted, count, string_text(&search->why));
    free(adopted);
}

struct spool_search *spool_search_create(struct loop *loop, const struct spool_options *options,
                                         spool_found_fn *fn) {
    struct spool_search *search = memory_new(sizeof *search);
    search->loop = loop;
    search->options = *options;
    search->fn = fn;
    search->adoption = (struct adoption){
        .disk = options->disk ? options->disk : &disk_real,
        .directory = options->directory,
        .again = true,
    };
    search->wake = wake_create(loop, on_looked, search);
    return search;
}

void spool_search(struct spool_search *search) {
    if (search->running)
        return;
    string_clear(&search->why);
    search->running = thread_begin(&search->thread, look, search);
}

void spool_search_destroy(struct spool_search *search) {
    if (!search)
        return;
    if (search->running) {
        end_look(search);
        adoption_finish(&search->adoption);
    }
    wake_destroy(search->wake);
    string_finish(&search->why);
    free(search);
}
