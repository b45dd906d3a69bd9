/*
 * landlock(7): what this process and its children may still open, and where they may still connect
 * to. Everything that no rule allows is denied for good once landlock_enforce() was called; only
 * the calling thread and those that it starts later are confined, so call it before others start.
 */
#ifndef LANDLOCK_H
#define LANDLOCK_H

#include <stdint.h>

enum landlock_access {
	LANDLOCK_READ,	 /* files and directories */
	LANDLOCK_RUN,	 /* those, and to execute programs */
	LANDLOCK_DEVICE, /* a file that is there, to read and to write */
	LANDLOCK_STATE,	 /* to read, and to make, write, rename and remove files and directories */
};

/* What is denied beside files, as far as the kernel knows how. */
#define LANDLOCK_NO_CONNECT 1U	/* TCP, but for landlock_allow_connect() */
#define LANDLOCK_NO_BIND 2U	/* TCP ports of its own */
#define LANDLOCK_NO_SIGNAL 4U	/* to processes that are not confined by the same rules */
#define LANDLOCK_NO_ABSTRACT 8U /* connecting to abstract unix sockets of others */

struct landlock {
	int fd; /* -1: the kernel has no Landlock; all calls do nothing then and succeed */
	long version;
};

/* The version of the kernel's Landlock; 0 if it has none, or has it switched off. */
long landlock_version(void);
/* Begins the rules. 0, or -1 with errno. */
int landlock_begin(struct landlock *landlock, unsigned denied);
/* The path and all below it. A path that does not exist is no error: there is nothing to allow. */
int landlock_allow_path(struct landlock *landlock, const char *path, enum landlock_access access);
/* TCP to this port. */
int landlock_allow_connect(struct landlock *landlock, uint16_t port);
/* An own address, with a port of the kernel's choice. */
int landlock_allow_source(struct landlock *landlock);
/* Needs no_new_privs (prctl(2)). Closes the rules in either case. 0, or -1 with errno. */
int landlock_enforce(struct landlock *landlock);

#endif
