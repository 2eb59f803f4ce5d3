/* A sandbox is what is left to a process once it has started: the files that it was told of and
 * no other, no program to execute, no new rights, and where it wants that only its own TCP ports.
 *
 * It is Linux' Landlock. What the kernel does not know of it, or does not allow, is left away,
 * because to run without it is better than not to run; the state says so. It holds for the
 * thread that enters it and for all that come of that one, to their end; so it is entered before
 * there are other threads. */
#pragma once
#include "base/text.h"

struct sandbox;

struct sandbox_state {
    int landlock;      /* the version of its interface that is in force; 0: none is */
    int error;         /* errno, why not */
    bool no_new_privs; /* no program that is executed has more rights than its caller */
    bool call_filter;  /* of system calls; it was there before, from systemd or a container */
};

/* With `ports`, TCP is kept to those that are named. */
struct sandbox *sandbox_create(bool ports);

/* The file that a name leads to, and whatever takes its place, be it renamed into its folder or
 * behind an exchanged symbolic link as in Kubernetes: so the folders in which that happens may be
 * read. But never the root, and only the file where it is a mount of its own, as in a container.
 * Where the name leads to a folder, that one with its list, and what takes its place behind such a
 * link. What is not there is passed over. */
void sandbox_read(struct sandbox *, const char *path);
/* Just this: a file that nobody exchanges while we run, or a folder with all that is in it. */
void sandbox_read_as_it_is(struct sandbox *, const char *path);
void sandbox_write(struct sandbox *, const char *folder); /* files and folders: all but execute */

void sandbox_bind(struct sandbox *, uint16_t port);
void sandbox_connect(struct sandbox *, uint16_t port);

struct sandbox_state sandbox_enter(struct sandbox **); /* takes it */

/* Would it be ours to read, were we in no sandbox? */
bool sandbox_hides(const char *path);
