/*
 * The DNS servers that are asked: from the configuration, or those of /etc/resolv.conf, which is
 * read again when it changes.
 */
#ifndef DNS_SERVERS_H
#define DNS_SERVERS_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "lib/conf.h"
#include "lib/endpoint.h"

/* glibc stops at 3; more than this is a mistake in the configuration. */
#define DNS_SERVERS_MAX 8

struct dns_server {
	struct sockaddr_storage address;
	socklen_t length;
	bool is_loopback;		  /* what it says about DNSSEC has crossed no network */
	char text[SOCKADDR_TEXT_MAX + 8]; /* "127.0.0.1", "::1@5353": for messages */
};

struct dns_servers {
	const char *path;     /* of the resolv.conf that is followed; NULL: the list is fixed */
	pthread_mutex_t lock; /* protects what follows */
	struct stat status;   /* of that file as read; all zero if it was not there */
	struct dns_server list[DNS_SERVERS_MAX];
	size_t count;
};

/* "ADDRESS" or "ADDRESS@PORT". 0, or -1 with `error`, which quotes the text. */
int dns_server_parse(struct dns_server *server, const char *text, char *error, size_t error_size);

/*
 * configured (may be NULL): addresses as above. Without any, the nameserver lines of resolv_conf
 * (kept, not copied) are followed, where a missing file and one without servers mean 127.0.0.1
 * (resolv.conf(5)). 0, or -1 with `error`.
 */
int dns_servers_init(struct dns_servers *servers, const struct conf_list *configured,
		     const char *resolv_conf, char *error, size_t error_size);
void dns_servers_wipe(struct dns_servers *servers);

/* Copies the servers as they are now; returns how many (1..DNS_SERVERS_MAX). */
size_t dns_servers_copy(struct dns_servers *servers, struct dns_server copy[DNS_SERVERS_MAX]);

#endif
