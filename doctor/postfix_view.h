/*
 * Postfix's configuration as postconf(1) tells it: never main.cf or master.cf by a parser of our own.
 */
#ifndef POSTFIX_VIEW_H
#define POSTFIX_VIEW_H

#include <stdbool.h>
#include <stddef.h>

/* A service of master.cf: `postconf -M`. */
struct postfix_service {
	char *name, *type;	/* "postern-spawn", "unix" */
	char *privileged, *unprivileged, *chroot, *wakeup, *limit;	/* "y", "n", "-"; maxproc as it stands there */
	char *command;		/* "spawn user=_postern argv=/usr/libexec/..." */
	char *program;		/* its first word */
};

struct postfix_setting {
	char *name, *value;
};

struct postfix_view {
	bool is_there;		/* postconf(1) answered */
	char error[300];	/* if not, why */
	struct postfix_setting *settings;	/* of main.cf, defaults included, $names expanded; sorted */
	size_t setting_count;
	struct postfix_setting *overrides;	/* "submission/inet/smtpd_milters": -o of master.cf */
	size_t override_count;
	struct postfix_service *services;	/* in file order */
	size_t service_count;
	char *texts[3];		/* what the above points into */
};

/* Always fills *view; wipe it. */
void postfix_view_read(struct postfix_view *view);
/*
 * The same of texts that are there: of postconf -x, -Px and -M. They are the view's afterwards. NULL in their place: no memory.
 */
void postfix_view_parse(struct postfix_view *view, char *settings, char *overrides, char *services);
void postfix_view_wipe(struct postfix_view *view);

/* The value, expanded; "" if there is no such setting. Never NULL. */
const char *postfix_view_get(const struct postfix_view *view, const char *name);
/* What holds for a service: its -o, or main.cf's. */
const char *postfix_view_get_for(const struct postfix_view *view, const struct postfix_service *service,
				 const char *name);
/* NULL: there is none. */
const struct postfix_service *postfix_view_find(const struct postfix_view *view, const char *name,
						const char *type);
/*
 * The next word of a value that is a list, with blanks, commas and whatever is in `beside' between them; moves *value behind it. A
 * word that is too long is cut. false: there is none.
 */
bool postfix_view_next_word(const char **value, const char *beside, char *word, size_t size);
/* "1020s", "17m", "1h", "2d", "1w" or bare with this unit, in seconds; -1: no such thing. */
long long postfix_view_seconds(const char *value, char bare_unit);

#endif
