/*
 * The Postfix of this host, as postconf(1) and postfix(1) know it. Its files are never parsed here.
 * Every function takes the directory with main.cf and master.cf, which may hold copies of them.
 */
#ifndef POSTFIX_H
#define POSTFIX_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct postfix {
	char directory[PATH_MAX]; /* with main.cf and master.cf */
	char queue[PATH_MAX];	  /* its queue_directory: relative names of sockets begin there */
	char version[32];
	bool is_running;
};

/*
 * Finds it, with its configuration in `directory`, or where it says itself (NULL). Refuses a Postfix
 * older than 3.0, one that has several instances while `directory` is NULL, and one whose own check
 * finds its files broken. 0, or an exit code of join_exit.h with `error`.
 */
int postfix_find(struct postfix *postfix, const char *directory, char *error, size_t error_size);

/* The value of a parameter, with its $names replaced; heap; NULL if Postfix has no such parameter, or without memory. */
char *postfix_value(const char *directory, const char *name);
/* The same as it is written in main.cf; NULL also if it is not written there. */
char *postfix_setting(const char *directory, const char *name);
/* The entry of master.cf ("postern/unix") in one line; heap; NULL if there is none. */
char *postfix_entry(const char *directory, const char *name);

/* The edits: postconf -e "name = value", -X name, -M "service=entry", -MX service. 0, or -1 with `error`. */
int postfix_edit(const char *directory, const char *option, const char *what, char *error,
		 size_t error_size);
/* `postfix check`. 0, or -1 with what it said in `error`. */
int postfix_check(const char *directory, char *error, size_t error_size);
/* `postfix reload`, if it runs. 0, or -1 with `error`. */
int postfix_reload(const struct postfix *postfix, char *error, size_t error_size);

#endif
