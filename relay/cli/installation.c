#include "cli/installation.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/children.h"
#include "cli/setup.h"

enum { TICK_MS = 20, REDIS_MS = 60000 };

static void on_died(void *arg, const char *sentence) {
    struct installation *installation = arg;
    if (!installation->died)
        installation->died = text_copy(text_of(sentence));
}

static void on_end_asked(void *arg) {
    struct installation *installation = arg;
    /* Whoever asks twice does not want to wait for what is in flight. */
    if (installation->asked_to_end)
        children_hurry(installation->children);
    installation->asked_to_end = true;
}

static bool make_folder(struct installation *installation, const char *directory,
                        struct string *why) {
    if (mkdir(directory, 0700) != 0 && errno != EEXIST) {
        string_addf(why, "%s cannot be made: %s", directory, strerror(errno));
        return false;
    }
    installation->directory = realpath(directory, NULL);
    if (installation->directory)
        return true;
    string_addf(why, "%s: %s", directory, strerror(errno));
    return false;
}

static bool lock_folder(struct installation *installation, struct string *why) {
    char *file = setup_path(installation->directory, "lock");
    /* Inherited: were we killed, the folder is taken until the last child has ended, too. */
    installation->lock = open(file, O_RDWR | O_CREAT, 0600);
    bool locked = installation->lock >= 0 && flock(installation->lock, LOCK_EX | LOCK_NB) == 0;
    if (!locked && errno == EWOULDBLOCK)
        string_addf(why, "another kula-relay works in %s: stop it, or name another folder",
                    installation->directory);
    else if (!locked)
        string_addf(why, "%s: %s", file, strerror(errno));
    free(file);
    return locked;
}

static bool choose_socket(struct installation *installation, struct string *why) {
    struct string url = {0};
    string_addf(&url, "unix://%s/redis.sock", installation->directory);
    installation->redis_url = url.data;
    if (url.size - strlen("unix://") >= sizeof((struct sockaddr_un *)0)->sun_path) {
        string_addf(why, "%s is too long for the socket in it: choose a shorter folder with --data",
                    installation->directory);
        return false;
    }
    setenv("KULA_RELAY_REDIS_URL", url.data, 1);
    return true;
}

bool installation_open(struct installation *installation, struct loop *loop, const char *directory,
                       struct string *why) {
    *installation = (struct installation){.loop = loop, .lock = -1};
    installation->children = children_create(loop, on_died, installation);
    loop_on_signal(loop, SIGINT, on_end_asked, installation);
    loop_on_signal(loop, SIGTERM, on_end_asked, installation);
    return make_folder(installation, directory, why) && lock_folder(installation, why) &&
           choose_socket(installation, why);
}

static void on_tick(void *arg) {
    (void)arg; /* only so that the loop turns */
}

bool installation_wait(struct installation *installation, installation_fact *fact, void *arg,
                       int64_t deadline_ms) {
    struct loop_timer *tick = loop_timer_create(installation->loop, on_tick, NULL);
    int64_t until = clock_steady_ms() + deadline_ms;
    bool holds;
    while (!(holds = fact(arg)) && !installation->asked_to_end && !installation->died &&
           clock_steady_ms() < until) {
        loop_timer_set(tick, TICK_MS);
        loop_turn(installation->loop);
    }
    loop_timer_destroy(tick);
    return holds;
}

/* A path of the first of these programs that is installed; free() it. */
static char *find_program(const char *const *names) {
    const char *path = getenv("PATH");
    for (; *names; names++) {
        struct text rest = text_of(path && *path ? path : "/usr/local/bin:/usr/bin:/bin");
        while (rest.size) {
            struct text folder = text_cut(&rest, ':');
            struct string file = {0};
            string_addf(&file, "%.*s/%s", TEXT_ARG(folder), *names);
            if (access(file.data, X_OK) == 0)
                return file.data;
            string_finish(&file);
        }
    }
    return NULL;
}

static bool redis_answers(void *arg) {
    struct installation *installation = arg;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%.*s", (int)sizeof address.sun_path - 1,
             installation->redis_url + strlen("unix://"));
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool answers =
        descriptor >= 0 && connect(descriptor, (struct sockaddr *)&address, sizeof address) == 0;
    if (descriptor >= 0)
        close(descriptor);
    return answers;
}

/* Why a wait has ended without its fact. */
static bool tell_why(const struct installation *installation, const char *waited_for,
                     struct string *why) {
    if (installation->died)
        string_add_of(why, installation->died);
    else if (!installation->asked_to_end)
        string_addf(why, "%s in time", waited_for);
    return false;
}

bool installation_start_redis(struct installation *installation, enum config_durability durability,
                              struct string *why) {
    static const char *const names[] = {"redis-server", "valkey-server", NULL};
    char *program = find_program(names);
    char *socket = setup_path(installation->directory, "redis.sock");
    char *log = setup_path(installation->directory, "redis.log");
    /* What Redis loses of its last second stands in the spool; without one, a 2xx waits for
     * Redis and for nothing else. */
    const char *appendfsync = durability == CONFIG_DURABILITY_SPOOL ? "everysec" : "always";
    const char *const argv[] = {program,
                                "--port",
                                "0",
                                "--unixsocket",
                                socket,
                                "--unixsocketperm",
                                "700",
                                "--dir",
                                installation->directory,
                                "--save",
                                "",
                                "--appendonly",
                                "yes",
                                "--appendfsync",
                                appendfsync,
                                "--daemonize",
                                "no",
                                NULL};
    bool started = false;
    if (!program)
        string_add_of(why, "redis-server is not installed: apt-get install redis-server");
    else
        started = children_start(installation->children, "redis-server", argv, log, why) &&
                  (installation_wait(installation, redis_answers, installation, REDIS_MS) ||
                   tell_why(installation, "redis-server did not answer", why));
    if (installation->died)
        string_addf(why, "; %s says why", log);
    free(program);
    free(socket);
    free(log);
    return started;
}

bool installation_start(struct installation *installation, const char *command,
                        const char *config_file, const char *log_file, struct string *why) {
    char self[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    if (size <= 0) {
        string_addf(why, "/proc/self/exe: %s", strerror(errno));
        return false;
    }
    self[size] = '\0';
    const char *const argv[] = {self, command, "--config", config_file, NULL};
    return children_start(installation->children, command, argv, log_file, why);
}

static void on_stopped(void *arg) {
    struct installation *installation = arg;
    installation->stopped = true;
}

void installation_close(struct installation *installation) {
    if (installation->children) {
        children_stop(installation->children, on_stopped, installation);
        while (!installation->stopped)
            loop_turn(installation->loop);
    }
    children_destroy(installation->children);
    if (installation->lock >= 0)
        close(installation->lock);
    free(installation->directory);
    free(installation->redis_url);
    free(installation->died);
}
