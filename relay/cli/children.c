#include "cli/children.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"

enum { MOST = 8, PATIENCE_MS = 30000 };

struct child {
    const char *name;
    pid_t pid; /* 0: has ended */
};

struct children {
    struct loop_timer *impatience;
    struct loop_timer *later;
    children_died_fn *on_died;
    void *arg;
    struct child all[MOST]; /* in the order of their start */
    size_t count;
    bool stopping;
    loop_fn *on_end; /* NULL once it was called */
    void *end_arg;
};

static struct child *last_alive(struct children *children) {
    for (size_t i = children->count; i > 0; i--)
        if (children->all[i - 1].pid)
            return &children->all[i - 1];
    return NULL;
}

static void stop_next(struct children *children) {
    struct child *child = last_alive(children);
    loop_fn *on_end = children->on_end;
    if (child) {
        kill(child->pid, SIGTERM);
        loop_timer_set(children->impatience, PATIENCE_MS);
        return;
    }
    loop_timer_cancel(children->impatience);
    children->on_end = NULL;
    if (on_end)
        on_end(children->end_arg);
}

static void on_later(void *arg) {
    stop_next(arg);
}

static void on_impatience(void *arg) {
    struct children *children = arg;
    struct child *child = last_alive(children);
    if (!child)
        return;
    fprintf(stderr, "%s does not end: it is killed\n", child->name);
    kill(child->pid, SIGKILL);
}

static void tell_death(struct children *children, const struct child *child, int status) {
    struct string sentence = {0};
    if (WIFSIGNALED(status))
        string_addf(&sentence, "%s was ended by signal %d", child->name, WTERMSIG(status));
    else
        string_addf(&sentence, "%s has ended with exit code %d", child->name, WEXITSTATUS(status));
    children->on_died(children->arg, sentence.data);
    string_finish(&sentence);
}

static void on_child(void *arg) {
    struct children *children = arg;
    bool ended = false;
    int status;
    for (size_t i = 0; i < children->count; i++) {
        struct child *child = &children->all[i];
        if (!child->pid || waitpid(child->pid, &status, WNOHANG) != child->pid)
            continue;
        child->pid = 0;
        ended = true;
        if (!children->stopping)
            tell_death(children, child, status);
    }
    if (ended && children->stopping)
        stop_next(children);
}

struct children *children_create(struct loop *loop, children_died_fn *on_died, void *arg) {
    struct children *children = memory_new(sizeof *children);
    children->on_died = on_died;
    children->arg = arg;
    children->impatience = loop_timer_create(loop, on_impatience, children);
    children->later = loop_timer_create(loop, on_later, children);
    loop_on_signal(loop, SIGCHLD, on_child, children);
    return children;
}

void children_destroy(struct children *children) {
    if (!children)
        return;
    children_hurry(children);
    for (size_t i = 0; i < children->count; i++)
        if (children->all[i].pid)
            waitpid(children->all[i].pid, NULL, 0);
    loop_timer_destroy(children->impatience);
    loop_timer_destroy(children->later);
    free(children);
}

/* In the child, which from here on may only call what is safe between fork and exec. */
static _Noreturn void become(const char *const *argv, int log, pid_t parent) {
    sigset_t none;
    setpgid(0, 0);
    /* Ends with us however we end; if that was already, getppid tells. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(1);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    if (log >= 0) {
        dup2(log, STDOUT_FILENO);
        dup2(log, STDERR_FILENO);
    } else {
        dup2(STDERR_FILENO, STDOUT_FILENO); /* our stdout is for data */
    }
    /* execv takes them as not const, and does not change them. */
    execv(argv[0], (char *const *)(uintptr_t)argv);
    dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

bool children_start(struct children *children, const char *name, const char *const *argv,
                    const char *log_file, struct string *why) {
    int log = -1;
    assert(children->count < MOST && !children->stopping);
    if (log_file && (log = open(log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) < 0) {
        string_addf(why, "%s cannot be written: %s", log_file, strerror(errno));
        return false;
    }
    fflush(NULL);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        become(argv, log, parent);
    if (log >= 0)
        close(log);
    if (pid < 0) {
        string_addf(why, "%s cannot be started: %s", name, strerror(errno));
        return false;
    }
    children->all[children->count++] = (struct child){name, pid};
    return true;
}

void children_stop(struct children *children, loop_fn *on_end, void *arg) {
    children->stopping = true;
    children->on_end = on_end;
    children->end_arg = arg;
    loop_timer_set(children->later, 0);
}

void children_hurry(struct children *children) {
    for (size_t i = 0; i < children->count; i++)
        if (children->all[i].pid)
            kill(children->all[i].pid, SIGKILL);
}
