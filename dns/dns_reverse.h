/* Names that are made of an address: for PTR records (RFC 1035 3.5, RFC 3596 2.5) and block lists (RFC 5782). */
#ifndef DNS_REVERSE_H
#define DNS_REVERSE_H

#include <stddef.h>
#include <sys/socket.h>

/* 32 nibbles with dots and a zone of some length behind them. */
#define DNS_REVERSE_MAX 256

/*
 * "1.2.0.192.in-addr.arpa", "1.0.0...ip6.arpa". `zone`: a zone in the place of these two, "zen.example";
 * NULL: these two. Returns out.
 */
char *dns_reverse_name(char *out, size_t size, const struct sockaddr_storage *address, const char *zone);

#endif
