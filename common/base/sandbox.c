#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/memory.h"

/* Debian 12's header is as old as its kernel, and a container runs on whatever there is: so what
 * came later stands here. */
enum { RULE_PORT = 2 };
enum {
    TRUNCATE = 1 << 14,      /* version 3; before, whatever its user may write can be cut off */
    IOCTL_DEVICE = 1 << 15,  /* 5 */
    BIND_TCP = 1 << 0,       /* 4 */
    CONNECT_TCP = 1 << 1,    /* 4 */
    SCOPE_ABSTRACT = 1 << 0, /* 6: no abstract Unix socket of another's */
    SCOPE_SIGNALS = 1 << 1,  /* 6 */
    FIRST_VERSION = (1 << 13) - 1,
};
struct ruleset {
    uint64_t files, ports,
        scopes; /* an older kernel knows the first ones, and wants the others 0 */
};
struct port_rule {
    uint64_t allowed, port;
};

enum {
    READ_FILES = LANDLOCK_ACCESS_FS_READ_FILE,
    READ_FOLDERS = READ_FILES | LANDLOCK_ACCESS_FS_READ_DIR,
    WRITE = READ_FOLDERS | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
            LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
            LANDLOCK_ACCESS_FS_REMOVE_DIR | TRUNCATE,
    OF_FILES = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | READ_FILES | TRUNCATE |
               IOCTL_DEVICE,
    LINKS_MOST = 40, /* as the kernel has it */
};

struct sandbox {
    struct ruleset handled; /* what is forbidden where no rule allows it */
    int descriptor;         /* -1: there is none */
    int version;            /* 0: there is none */
    int error;
};

static bool in_force;

/* ---- What this kernel knows ---- */

static uint64_t files_of(int version) {
    uint64_t files = FIRST_VERSION;
    if (version >= 2)
        files |= LANDLOCK_ACCESS_FS_REFER;
    if (version >= 3)
        files |= TRUNCATE;
    if (version >= 5)
        files |= IOCTL_DEVICE;
    return files;
}

static void fail(struct sandbox *sandbox) {
    sandbox->error = errno;
    sandbox->version = 0;
}

struct sandbox *sandbox_create(bool ports) {
    struct sandbox *sandbox = memory_new(sizeof *sandbox);
    sandbox->descriptor = -1;
    sandbox->version =
        (int)syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);
    if (sandbox->version <= 0) {
        fail(sandbox);
        return sandbox;
    }
    sandbox->handled = (struct ruleset){
        .files = files_of(sandbox->version),
        .ports = ports && sandbox->version >= 4 ? BIND_TCP | CONNECT_TCP : 0,
        .scopes = sandbox->version >= 6 ? SCOPE_ABSTRACT | SCOPE_SIGNALS : 0,
    };
    sandbox->descriptor =
        (int)syscall(SYS_landlock_create_ruleset, &sandbox->handled, sizeof sandbox->handled, 0U);
    if (sandbox->descriptor < 0)
        fail(sandbox);
    return sandbox;
}

/* ---- Files ---- */

static void allow(struct sandbox *sandbox, const char *path, uint64_t rights) {
    struct stat about;
    int place = sandbox->version ? open(path, O_PATH | O_CLOEXEC) : -1;
    if (place < 0)
        return;
    if (fstat(place, &about) == 0 && !S_ISDIR(about.st_mode))
        rights &= OF_FILES;
    struct landlock_path_beneath_attr rule = {.allowed_access = rights & sandbox->handled.files,
                                              .parent_fd = place};
    /* What is not allowed fails when it is done, and says so. */
    syscall(SYS_landlock_add_rule, sandbox->descriptor, LANDLOCK_RULE_PATH_BENEATH, &rule, 0U);
    close(place);
}

void sandbox_read_as_it_is(struct sandbox *sandbox, const char *path) {
    allow(sandbox, path, READ_FOLDERS);
}

void sandbox_write(struct sandbox *sandbox, const char *folder) {
    allow(sandbox, folder, WRITE);
}

static struct text folder_of(struct text path) {
    while (path.size > 1 && path.data[path.size - 1] == '/')
        path.size--;
    while (path.size > 1 && path.data[path.size - 1] != '/')
        path.size--;
    return path;
}

static bool is_root(const char *folder) {
    struct stat this, root;
    return stat(folder, &this) < 0 || stat("/", &root) < 0 ||
           (this.st_dev == root.st_dev && this.st_ino == root.st_ino);
}

/* False where that would be everything. */
static bool allow_folder_of(struct sandbox *sandbox, struct text path, uint64_t rights) {
    char *folder = text_copy(folder_of(path));
    bool allowed = !is_root(folder);
    if (allowed)
        allow(sandbox, folder, rights);
    free(folder);
    return allowed;
}

/* Such a one keeps to its file: whatever is renamed over it elsewhere, we do not see it. */
static bool is_mount(const char *path) {
    struct statx about;
    return statx(AT_FDCWD, path, 0, 0, &about) == 0 &&
           about.stx_attributes_mask & about.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

static bool is_folder(const char *path) {
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

static void allow_end(struct sandbox *sandbox, const char *path) {
    if (access(path, F_OK) < 0)
        return;
    if (is_folder(path) || is_mount(path) || !allow_folder_of(sandbox, text_of(path), READ_FILES))
        allow(sandbox, path, READ_FOLDERS);
}

/* The first symbolic link of a path: up to where it stands, and what it holds. 0: it has none. */
static size_t find_link(const char *path, char target[PATH_MAX]) {
    for (size_t end = 1; path[end - 1]; end++) {
        if (path[end] != '/' && path[end])
            continue;
        char *prefix = text_copy(text_slice(path, end));
        ssize_t size = readlink(prefix, target, PATH_MAX - 1);
        free(prefix);
        if (size <= 0)
            continue;
        target[size] = '\0';
        return end;
    }
    return 0;
}

/* Kubernetes' "..data" does not. */
static bool leads_upwards(const char *target) {
    return text_starts(text_of(target), "../") || strcmp(target, "..") == 0;
}

/* A path that begins at the root, and what is needed where it is exchanged. */
static void follow(struct sandbox *sandbox, const char *path, uint64_t rights, int links) {
    char target[PATH_MAX];
    size_t end = find_link(path, target);
    if (!end) {
        allow_end(sandbox, path);
        return;
    }
    struct text folder = folder_of(text_slice(path, end));
    struct string next = {0};
    if (target[0] != '/')
        string_addf(&next, "%.*s", TEXT_ARG(folder));
    string_add_of(&next, target);
    /* A file's link is exchanged for another one, or for the file. One in the middle is looked
     * after where it leads to its neighbour, as "current" to "releases/7"; /var/run would open all.
     */
    if (!path[end])
        allow_folder_of(sandbox, text_slice(path, end), rights);
    else if (target[0] != '/' && !leads_upwards(target))
        allow_folder_of(sandbox, string_text(&next), rights);
    string_add_of(&next, path + end);
    if (links < LINKS_MOST)
        follow(sandbox, next.data, rights, links + 1);
    string_finish(&next);
}

void sandbox_read(struct sandbox *sandbox, const char *path) {
    struct string whole = {0};
    char *here = *path == '/' ? NULL : getcwd(NULL, 0);
    string_addf(&whole, "%s%s%s", here ? here : "", here ? "/" : "", path);
    follow(sandbox, whole.data, is_folder(path) ? READ_FOLDERS : READ_FILES, 0);
    string_finish(&whole);
    free(here);
}

/* ---- Ports ---- */

static void allow_port(struct sandbox *sandbox, uint16_t port, uint64_t rights) {
    struct port_rule rule = {.allowed = rights & sandbox->handled.ports, .port = port};
    if (rule.allowed)
        syscall(SYS_landlock_add_rule, sandbox->descriptor, RULE_PORT, &rule, 0U);
}

void sandbox_bind(struct sandbox *sandbox, uint16_t port) {
    allow_port(sandbox, port, BIND_TCP);
}

void sandbox_connect(struct sandbox *sandbox, uint16_t port) {
    allow_port(sandbox, port, CONNECT_TCP);
}

/* ---- In ---- */

/* Only a build that is looked at from within has them: sanitizers read about their own process, and
 * write as gcov does. */
static void allow_instruments(struct sandbox *sandbox) {
#ifdef SANDBOX_INSTRUMENTS
    static const char *const folders[] = {SANDBOX_INSTRUMENTS};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        sandbox_write(sandbox, folders[i]);
    sandbox_read_as_it_is(sandbox, "/proc");
#else
    (void)sandbox;
#endif
}

struct sandbox_state sandbox_enter(struct sandbox **taken) {
    struct sandbox *sandbox = *taken;
    struct sandbox_state state = {
        .no_new_privs = prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) == 0,
        .call_filter = prctl(PR_GET_SECCOMP, 0L, 0L, 0L, 0L) == SECCOMP_MODE_FILTER,
    };
    allow_instruments(sandbox);
    if (sandbox->version && syscall(SYS_landlock_restrict_self, sandbox->descriptor, 0U) < 0)
        fail(sandbox);
    if (sandbox->descriptor >= 0)
        close(sandbox->descriptor);
    state.landlock = sandbox->version;
    state.error = sandbox->error;
    in_force = in_force || state.landlock;
    free(sandbox);
    *taken = NULL;
    return state;
}

/* The sandbox is asked when a file is opened, and not about what its user may do. */
bool sandbox_hides(const char *path) {
    if (!in_force || faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) < 0)
        return false;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool hidden = file < 0 && errno == EACCES;
    if (file >= 0)
        close(file);
    return hidden;
}
