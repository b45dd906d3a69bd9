/*
 * Where to connect or listen: "inet:host:port", "host:port", "[v6]:port", "unix:/path".
 *
 *	endpoint = [ "inet:" ] ( host ":" port / "[" IPv6 "]" ":" port ) / "unix:" path
 *	endpoint =/ ":" port		; listening: all addresses
 */
#ifndef ENDPOINT_H
#define ENDPOINT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "deadline.h"

#define ENDPOINT_HOST_MAX 256
#define ENDPOINT_TEXT_MAX 300

struct endpoint {
	int is_unix;
	char host[ENDPOINT_HOST_MAX];	/* name or address; "" = all; the path when is_unix */
	char port[8];			/* decimal, 1..65535 */
};

/*
 * 0, or -1 with a message in `error` that quotes the value. default_port may be NULL: then a port
 * must be there.
 */
int endpoint_parse(struct endpoint *endpoint, const char *text, const char *default_port,
		   char *error, size_t error_size);
/*
 * In the form endpoint_parse() reads, without "inet:"; ENDPOINT_TEXT_MAX is always enough. Returns
 * out.
 */
char *endpoint_print(const struct endpoint *endpoint, char *out, size_t size);

/*
 * Connects (every address of the host in turn, each with a fair share of the time left, until the
 * deadline). Returns a descriptor (non-blocking, close-on-exec, TCP_NODELAY), or -1 with a sentence
 * in `error` that names the address tried last and the reason. A host *name* is looked up with
 * getaddrinfo(3) first, which takes as long as resolv.conf(5) lets it.
 */
int endpoint_connect(const struct endpoint *endpoint, struct deadline deadline, char *error,
		     size_t error_size);

/*
 * Has the host an address, so that endpoint_connect() can try it? 0; -1 with the reason: it has
 * none; 1 with the reason: nobody could tell. A unix socket has.
 */
int endpoint_look_up(const struct endpoint *endpoint, char *error, size_t error_size);

/*
 * Listens on every address of the host. Fills up to `max` descriptors (non-blocking,
 * close-on-exec); returns their number (> 0), or -1 with `error` and nothing open. An address this
 * machine has not is skipped if another one works. A unix socket that nobody listens on any more is
 * replaced; its mode follows the umask.
 */
int endpoint_listen(const struct endpoint *endpoint, int *fds, int max, char *error,
		    size_t error_size);

/*
 * Could endpoint_listen() listen there now? 0, or -1 with the reason. Not for unix sockets. Nobody
 * can connect meanwhile, and nobody who wants to listen there is hindered.
 */
int endpoint_try_listen(const struct endpoint *endpoint, char *error, size_t error_size);

/* "192.0.2.1" or "2001:db8::1", without port and brackets; v4-mapped addresses print as IPv4. */
#define SOCKADDR_TEXT_MAX 64
char *endpoint_print_address(const struct sockaddr *address, char *out, size_t size);
/* Are both IPv4 or both IPv6, and the same but for the port? */
bool endpoint_is_same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b);

/* Keepalive and TCP_USER_TIMEOUT such that a dead peer is found within `seconds`. */
void endpoint_set_keepalive(int fd, int seconds);

#endif
