/* EHLO keywords to a struct (RFC 5321 4.1.1.1). Absurd SIZE values mean no limit. */
#ifndef SMTP_CAPABILITY_H
#define SMTP_CAPABILITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct smtp_capabilities {
	bool esmtp;		/* EHLO was accepted */
	bool starttls, pipelining, eightbitmime, smtputf8, dsn, size;
	bool requiretls, chunking, enhancedstatuscodes;
	bool auth, auth_plain, auth_login;	/* RFC 4954, and those of its mechanisms that we have */
	uint64_t size_max;	/* 0 = no limit known */
	char domain[256];	/* what the server calls itself in the first line, printable */
};

/*
 * Feed each line of the EHLO reply without code and hyphen; line_number counts from 0 (the greeting
 * line). Start with a zeroed struct for every reply: nothing may survive from an earlier EHLO.
 * Unknown keywords are ignored.
 */
void smtp_capability_line(struct smtp_capabilities *capabilities, size_t line_number,
			  const char *text, size_t length);

/*
 * The first word of a greeting or EHLO line: what the server calls itself. Made printable; "" if
 * there is none.
 */
void smtp_capability_domain(char *out, size_t size, const char *text, size_t length);

#endif
