/* What is left to a process in its sandbox, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sandbox.h"

static char folder[] = "/tmp/kula-relay-test-XXXXXX";
static uint16_t ours, others; /* ports on which somebody listens */

/* ---- What is tried: 0, or errno ---- */

static int done(int status) {
    return status < 0 ? errno : 0;
}

static int reads(const char *path) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    int error = done(file);
    if (file >= 0)
        close(file);
    return error;
}

static int lists(const char *path) {
    return done(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int writes(const char *path) {
    return done(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static int cuts(const char *path) {
    return done(truncate(path, 0));
}

static int makes(const char *path) {
    return done(mkdir(path, 0700));
}

static int removes(const char *path) {
    return done(remove(path));
}

static int renames(const char *path) {
    char to[256];
    snprintf(to, sizeof to, "%s.renamed", path);
    return done(rename(path, to));
}

static int executes(const char *path) {
    char *argv[] = {NULL, NULL};
    pid_t child = fork();
    int status = 0;
    argv[0] = strdup(path);
    if (child == 0) {
        execv(path, argv);
        _exit(errno);
    }
    free(argv[0]);
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}

static int with_socket(int (*what)(int, const struct sockaddr *, socklen_t), uint16_t port) {
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int one = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int error = done(what(one, (const struct sockaddr *)&to, sizeof to));
    close(one);
    return error;
}

static int calls_ours(const char *path) {
    (void)path;
    return with_socket(connect, ours);
}

static int calls_others(const char *path) {
    (void)path;
    return with_socket(connect, others);
}

static int listens(const char *path) {
    (void)path;
    return with_socket(bind, 0);
}

static int is_hidden(const char *path) {
    return sandbox_hides(path);
}

/* ---- In a process of its own ---- */

struct trial {
    int (*what)(const char *);
    const char *path;
    int expected;
    const char *promise;
};

static int judge(const struct trial *trials, size_t count) {
    int wrong = 0;
    for (size_t i = 0; i < count; i++) {
        int got = trials[i].what(trials[i].path);
        if (got == trials[i].expected)
            continue;
        fprintf(stderr, "%s: %s: %s, expected %s\n", trials[i].promise, trials[i].path,
                strerror(got), strerror(trials[i].expected));
        wrong++;
    }
    return wrong;
}

static void fill(struct sandbox *sandbox) {
    sandbox_read(sandbox, "named/file");
    sandbox_read(sandbox, "volume/secret");
    sandbox_read(sandbox, "items/kula/secret");
    sandbox_read(sandbox, "folders/kula");
    sandbox_read(sandbox, "app/current/file");
    sandbox_read(sandbox, "secrets");
    sandbox_read(sandbox, "missing/file");
    sandbox_read_as_it_is(sandbox, "alone/file");
    sandbox_write(sandbox, "spool");
    sandbox_connect(sandbox, ours);
}

/* From outside, while the process is inside: as Kubernetes, certbot and deployments do it. */
static void exchange(void) {
    static const struct {
        const char *to, *new, *link;
    } links[] = {
        {"..2", "volume/..new", "volume/..data"},
        {"..2", "items/..new", "items/..data"},
        {"..2", "folders/..new", "folders/..data"},
        {"releases/2", "app/.new", "app/current"},
    };
    assert_int_equal(rename("named/.new", "named/file"), 0);
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        assert_int_equal(symlink(links[i].to, links[i].new), 0);
        assert_int_equal(rename(links[i].new, links[i].link), 0);
    }
}

/* From the version of Landlock on that knows of it. */
static void assert_kept(bool ports, int version, const struct trial *trials, size_t count) {
    int in[2], out[2], status;
    char byte = 0;
    assert_int_equal(pipe(in) + pipe(out), 0);
    pid_t child = fork();
    if (child == 0) {
        struct sandbox *sandbox = sandbox_create(ports);
        fill(sandbox);
        struct sandbox_state state = sandbox_enter(&sandbox);
        bool right = state.no_new_privs && prctl(PR_GET_NO_NEW_PRIVS, 0L, 0L, 0L, 0L) == 1 &&
                     (state.landlock > 0) == (state.error == 0) && !sandbox;
        byte = (char)state.landlock;
        bool told = write(out[1], &byte, 1) == 1 && read(in[0], &byte, 1) == 1;
        _exit(right && told ? judge(trials, count) : 99);
    }
    assert_int_equal(read(out[0], &byte, 1), 1);
    exchange();
    assert_int_equal(write(in[1], "x", 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    for (int i = 0; i < 2; i++) {
        close(in[i]);
        close(out[i]);
    }
    if (byte < version) {
        print_message("this kernel's Landlock is of version %d\n", byte);
        skip();
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_a_process_keeps_to_the_files_that_were_named(void **state) {
    (void)state;
    static const struct trial trials[] = {
        {reads, "named/file", 0, "what was renamed over a file is read"},
        {reads, "named/other", 0, "and what stands beside it"},
        {lists, "named", EACCES, "but nobody sees what stands there"},
        {writes, "named/file", EACCES, "and nobody writes"},
        {reads, "volume/secret", 0, "exchanged as Kubernetes does it"},
        {reads, "items/kula/secret", 0, "also where its items have folders"},
        {reads, "folders/kula/secret", 0, "and where it is such a folder that was named"},
        {lists, "folders/kula", 0, "with its list"},
        {reads, "app/current/file", 0, "exchanged as a deployment does it"},
        {reads, "secrets/one", 0, "what is in a named folder is read"},
        {lists, "secrets", 0, "and listed"},
        {reads, "alone/file", 0, "a file as it is"},
        {reads, "alone/other", EACCES, "is that file only"},
        {is_hidden, "alone/other", true, "and one can tell why"},
        {is_hidden, "named/file", false, "what is read is not hidden"},
        {is_hidden, "nowhere", false, "nor what is not there"},
        {writes, "spool/file", 0, "a file in the spool"},
        {renames, "spool/file", 0, "is renamed"},
        {cuts, "spool/file.renamed", 0, "cut off"},
        {removes, "spool/file.renamed", 0, "and removed"},
        {makes, "spool/folder", 0, "a folder there too"},
        {removes, "spool/folder", 0, "comes and goes"},
        {lists, "spool", 0, "and it is listed"},
        {executes, "spool/program", EACCES, "but nothing is executed, there"},
        {executes, "/bin/true", EACCES, "or elsewhere"},
        {reads, "elsewhere/file", EACCES, "what was not named is not read"},
        {writes, "elsewhere/file", EACCES, "or written"},
        {writes, "elsewhere/new", EACCES, "or made"},
        {makes, "elsewhere/folder", EACCES, "nor is a folder"},
        {removes, "elsewhere/file", EACCES, "or removed"},
        {lists, "elsewhere", EACCES, "or listed"},
        {reads, "/etc/passwd", EACCES, "nor is what is of the system"},
        {calls_others, "", 0, "ports are left alone where nobody asked for it"},
        {listens, "", 0, "to listen on as well"},
    };
    assert_kept(false, 1, trials, sizeof trials / sizeof *trials);
}

static void test_a_process_keeps_to_its_ports(void **state) {
    (void)state;
    static const struct trial trials[] = {
        {calls_ours, "", 0, "its own are reached"},
        {calls_others, "", EACCES, "no others"},
        {listens, "", EACCES, "nor is one bound"},
    };
    assert_kept(true, 4, trials, sizeof trials / sizeof *trials);
}

/* ---- The place ---- */

static uint16_t open_port(void) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof at;
    int one = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* until we end */
    return bind(one, (struct sockaddr *)&at, size) || listen(one, 8) ||
                   getsockname(one, (struct sockaddr *)&at, &size)
               ? 0
               : ntohs(at.sin_port);
}

static int set_up(void **state) {
    (void)state;
    return system(
        "mkdir -p named volume/..1 volume/..2 app/releases/1 app/releases/2 secrets alone "
        "items/..1/kula items/..2/kula folders/..1/kula folders/..2/kula "
        "spool elsewhere && for f in named/file named/other named/.new volume/..1/secret "
        "volume/..2/secret items/..1/kula/secret items/..2/kula/secret folders/..1/kula/secret "
        "folders/..2/kula/secret app/releases/1/file app/releases/2/file secrets/one "
        "alone/file alone/other elsewhere/file; do echo x >$f; done && "
        "for v in volume items folders; do ln -sfn ..1 $v/..data; done && "
        "ln -sf ..data/secret volume/secret && ln -sfn ..data/kula items/kula && "
        "ln -sfn ..data/kula folders/kula && "
        "ln -sfn releases/1 app/current && cp /bin/true spool/program");
}

static int begin(void **state) {
    (void)state;
    ours = open_port();
    others = open_port();
    return !mkdtemp(folder) || chdir(folder) || !ours || !others;
}

static int end(void **state) {
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return chdir("/") || system(command);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_process_keeps_to_the_files_that_were_named, set_up),
        cmocka_unit_test_setup(test_a_process_keeps_to_its_ports, set_up),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
