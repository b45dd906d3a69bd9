/*
 * The exit codes of join and leave: one for each kind of failure, of sysexits(3) where it has one.
 * They are in postern-join(1).
 */
#ifndef JOIN_EXIT_H
#define JOIN_EXIT_H

#include <sysexits.h>

enum join_exit {
	JOIN_BAD_INVITE = EX_DATAERR,	     /* 65: no invite, or damaged */
	JOIN_NO_ADDRESS = EX_NOHOST,	     /* 68: the edge's name has none */
	JOIN_NO_CONNECTION = EX_UNAVAILABLE, /* 69: refused, or nothing came back */
	JOIN_SYSTEM = EX_OSERR,		     /* 71: memory, processes, a program of the system */
	JOIN_POSTFIX = EX_OSFILE,	     /* 72: not there, or it calls its own files broken */
	JOIN_NOT_WRITABLE = EX_CANTCREAT,    /* 73 */
	JOIN_NO_ANSWER = EX_TEMPFAIL,	     /* 75: the edge fell silent */
	JOIN_WRONG_EDGE = EX_PROTOCOL,	     /* 76: who answers is not the one of the invite */
	JOIN_NOT_ROOT = EX_NOPERM,	     /* 77 */
	JOIN_CONFIG = EX_CONFIG,	     /* 78: files of postern or Postfix are in the way */
	JOIN_EXPIRED = 80,
	JOIN_USED = 81,
	JOIN_REFUSED = 82,		     /* the edge said no, for another reason */
	JOIN_CLOCK = 83,
	JOIN_NO_PORT_25 = 84,		     /* the edge itself cannot deliver */
	JOIN_NO_MILTER = 85,		     /* Postfix would ask a filter that is not there */
	JOIN_NOT_CONFIRMED = 86,
	JOIN_UNFINISHED = 87,		     /* leave: something was left for a second run */
};

#define JOIN_ERROR_MAX 4608 /* a path and a sentence or two */

#endif
