#include "redis_house.h"

#include <assert.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "scratch.h"

enum { MOST_ARGS = 64, READY_WITHIN_MS = 20000, REPLY_BYTES = 4096 };

struct redis_house {
    const char *const *extra_args;
    char folder[64];
    char socket[96];
    char url[104];
    pid_t pid; /* 0: dead */
    char reply[REPLY_BYTES];
};

static void become_redis(const struct redis_house *house) {
    const char *argv[MOST_ARGS] = {
        "redis-server", "--port",    "0",        "--unixsocket", house->socket, "--dir",
        house->folder,  "--save",    "",         "--appendonly", "no",          "--loglevel",
        "warning",      "--logfile", "redis.log"};
    size_t count = 15;
    for (size_t i = 0; house->extra_args && house->extra_args[i]; i++) {
        assert(count < MOST_ARGS - 1);
        argv[count++] = house->extra_args[i];
    }
    /* A test that dies takes its server along. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvp("redis-server", (char *const *)(uintptr_t)argv);
    perror("redis-server");
    _exit(127);
}

static int connect_to(const struct redis_house *house) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert(fd >= 0 && strlen(house->socket) < sizeof address.sun_path);
    memcpy(address.sun_path, house->socket, strlen(house->socket));
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Reads until the server hangs up, as it is told to: a client that goes before is not answered
 * where Redis does the command in the background (FLUSHALL, since version 7.4). */
static bool ask(struct redis_house *house, const char *command) {
    static const char farewell[] = "+OK\r\n";
    const size_t farewell_size = sizeof farewell - 1;
    char line[1024];
    size_t size = 0;
    int fd = connect_to(house);
    if (fd < 0)
        return false;
    int line_size = snprintf(line, sizeof line, "%s\r\nQUIT\r\n", command);
    assert(line_size > 0 && (size_t)line_size < sizeof line);
    bool sent = send(fd, line, (size_t)line_size, MSG_NOSIGNAL) == line_size;
    while (sent && size < sizeof house->reply - 1) {
        ssize_t got = recv(fd, house->reply + size, sizeof house->reply - 1 - size, 0);
        if (got <= 0)
            break;
        size += (size_t)got;
    }
    close(fd);
    if (size < farewell_size ||
        memcmp(house->reply + size - farewell_size, farewell, farewell_size) != 0)
        return false;
    house->reply[size - farewell_size] = '\0';
    return true;
}

static bool is_ready(struct redis_house *house) {
    /* With a password it says -NOAUTH, which is as good a sign of life. */
    return ask(house, "PING") && strncmp(house->reply, "-LOADING", 8) != 0;
}

static void launch(struct redis_house *house) {
    int64_t until_ms = clock_steady_ms() + READY_WITHIN_MS;
    house->pid = fork();
    assert(house->pid >= 0);
    if (house->pid == 0)
        become_redis(house);
    while (!is_ready(house)) {
        assert(clock_steady_ms() < until_ms);
        assert(waitpid(house->pid, NULL, WNOHANG) == 0);
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
}

struct redis_house *redis_house_start(const char *const *extra_args) {
    struct redis_house *house = memory_new(sizeof *house);
    house->extra_args = extra_args;
    snprintf(house->folder, sizeof house->folder, "/tmp/redis-house-XXXXXX");
    char *made = mkdtemp(house->folder);
    assert(made);
    snprintf(house->socket, sizeof house->socket, "%s/redis.sock", house->folder);
    snprintf(house->url, sizeof house->url, "unix://%s", house->socket);
    launch(house);
    return house;
}

void redis_house_stop(struct redis_house *house) {
    if (!house)
        return;
    redis_house_kill(house);
    scratch_remove(house->folder);
    free(house);
}

int redis_house_set_up(void **state) {
    *state = redis_house_start(NULL);
    return 0;
}

int redis_house_tear_down(void **state) {
    redis_house_stop(*state);
    return 0;
}

const char *redis_house_url(const struct redis_house *house) {
    return house->url;
}

const char *redis_house_folder(const struct redis_house *house) {
    return house->folder;
}

void redis_house_kill(struct redis_house *house) {
    if (!house->pid)
        return;
    kill(house->pid, SIGKILL);
    waitpid(house->pid, NULL, 0);
    house->pid = 0;
}

void redis_house_restart(struct redis_house *house) {
    redis_house_kill(house);
    launch(house);
}

void redis_house_pause(struct redis_house *house) {
    assert(house->pid);
    kill(house->pid, SIGSTOP);
    /* Only when it has stopped for sure is the next byte left unread. */
    pid_t stopped = waitpid(house->pid, NULL, WUNTRACED);
    assert(stopped == house->pid);
}

void redis_house_resume(struct redis_house *house) {
    assert(house->pid);
    kill(house->pid, SIGCONT);
}

const char *redis_house_say(struct redis_house *house, const char *command) {
    bool said = ask(house, command);
    assert(said);
    return house->reply;
}
