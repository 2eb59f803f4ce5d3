/* A disk in between, preloaded into `serve`: each fdatasync first looks into the
 * file that CHAOS_DISK_ORDERS names. "sleep MS" makes it slow, "fail" makes it
 * fail with EIO, without having synced; an empty file lets it through. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int fdatasync(int file) {
    int (*real)(int);
    void *found = dlsym(RTLD_NEXT, "fdatasync");
    memcpy(&real, &found, sizeof real); /* C knows no other way from one to the other */
    const char *path = getenv("CHAOS_DISK_ORDERS");
    char order[64] = "";
    int orders = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (orders >= 0 && read(orders, order, sizeof(order) - 1) < 0)
        order[0] = '\0';
    if (orders >= 0)
        close(orders);
    if (strcmp(order, "fail") == 0) {
        errno = EIO;
        return -1;
    }
    int ms = 0;
    if (sscanf(order, "sleep %d", &ms) == 1)
        usleep((useconds_t)ms * 1000);
    return real(file);
}
