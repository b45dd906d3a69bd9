/*
 * Where to connect or listen.
 *
 *	endpoint = [ "inet:" ] ( host ":" port / "[" IPv6 "]" ":" port / ":" port ) / "unix:" path
 *
 * Strict where getaddrinfo(3) is generous: "10.1" and "0x7f000001" are addresses to inet_aton(3)
 * and a typing mistake to everybody else; ports are numbers; an IPv6 address wears brackets, so
 * that nobody has to guess where its port begins.
 *
 * Connecting is non-blocking with poll(2). It refuses nothing: which addresses may be connected to
 * is for the caller to say.
 */
#include "endpoint.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"

#define TRIAL_SOCKETS_MAX 32

static int fail(char *error, size_t error_size, const char *text, const char *why)
{
	char printable[ENDPOINT_TEXT_MAX];

	log_printable(printable, sizeof(printable), text, strlen(text));
	snprintf(error, error_size, "\"%s\": %s", printable, why);
	return -1;
}

static bool is_port(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	long port;

	if (digits == 0 || digits > 5 || text[digits] != '\0')
		return false;
	port = strtol(text, NULL, 10);
	return port >= 1 && port <= 65535;
}

/*
 * Letters, digits, '-', '_', '.'; if the last label is a number the whole must be an IPv4 address.
 */
static bool is_host(const char *host)
{
	struct in_addr ignored;
	size_t length = strlen(host);
	const char *last_label;

	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)host[i]) && strchr("-_.", host[i]) == NULL)
			return false;
	if (length == 0 || host[0] == '.' || host[0] == '-' || strstr(host, "..") != NULL)
		return false;
	last_label = strrchr(host, '.');
	last_label = last_label != NULL ? last_label + 1 : host;
	if ((isdigit((unsigned char)last_label[0]) &&
	     last_label[strspn(last_label, "0123456789")] == '\0') ||
	    strncasecmp(last_label, "0x", 2) == 0)
		return inet_pton(AF_INET, host, &ignored) == 1;
	return true;
}

static bool is_ipv6(const char *host)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr ignored;
	size_t length = strcspn(host, "%");	/* fe80::1%eth0 */

	if (length >= sizeof(address))
		return false;
	memcpy(address, host, length);
	address[length] = '\0';
	return inet_pton(AF_INET6, address, &ignored) == 1;
}

static int parse_unix(struct endpoint *endpoint, const char *text, const char *path, char *error,
		      size_t error_size)
{
	if (path[0] != '/')
		return fail(error, error_size, text,
			    "the path after \"unix:\" must begin with \"/\"");
	if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return fail(error, error_size, text, "a unix socket path has at most 107 bytes");
	endpoint->is_unix = 1;
	strcpy(endpoint->host, path);
	return 0;
}

/* Copies the host and returns what follows it: ":port" or "". NULL: it is not a host. */
static const char *parse_host(struct endpoint *endpoint, const char *address)
{
	bool bracketed = address[0] == '[';
	const char *begin = address + bracketed;
	size_t length = strcspn(begin, bracketed ? "]" : ":");

	if (length >= sizeof(endpoint->host) || (bracketed && begin[length] != ']'))
		return NULL;
	memcpy(endpoint->host, begin, length);
	endpoint->host[length] = '\0';
	if (bracketed ? !is_ipv6(endpoint->host) : length > 0 && !is_host(endpoint->host))
		return NULL;
	return begin + length + bracketed;
}

int endpoint_parse(struct endpoint *endpoint, const char *text, const char *default_port,
		   char *error, size_t error_size)
{
	struct endpoint parsed = { 0 };
	const char *address = text, *rest;
	struct in6_addr ignored;

	if (strncmp(text, "unix:", 5) == 0) {
		if (parse_unix(&parsed, text, text + 5, error, error_size) != 0)
			return -1;
		*endpoint = parsed;
		return 0;
	}
	if (strncmp(text, "inet:", 5) == 0)
		address += 5;
	if (inet_pton(AF_INET6, address, &ignored) == 1)
		return fail(error, error_size, text,
			    "an IPv6 address is written in brackets, as [2001:db8::1]:port");
	rest = parse_host(&parsed, address);
	if (rest == NULL || (rest == address && rest[0] == '\0'))
		return fail(error, error_size, text,
			    "expected host:port, [IPv6 address]:port or unix:/path");
	if (rest[0] == '\0' && default_port == NULL)
		return fail(error, error_size, text, "the port is missing, as in host:port");
	if (rest[0] != '\0' && rest[0] != ':')
		return fail(error, error_size, text,
			    "expected host:port, [IPv6 address]:port or unix:/path");
	rest = rest[0] == ':' ? rest + 1 : default_port;
	if (!is_port(rest))
		return fail(error, error_size, text, "the port must be a number, 1..65535");
	snprintf(parsed.port, sizeof(parsed.port), "%s", rest);
	*endpoint = parsed;
	return 0;
}

char *endpoint_print(const struct endpoint *endpoint, char *out, size_t size)
{
	if (endpoint->is_unix)
		snprintf(out, size, "unix:%s", endpoint->host);
	else if (strchr(endpoint->host, ':') != NULL)
		snprintf(out, size, "[%s]:%s", endpoint->host, endpoint->port);
	else
		snprintf(out, size, "%s:%s", endpoint->host, endpoint->port);
	return out;
}

char *endpoint_print_address(const struct sockaddr *address, char *out, size_t size)
{
	const void *bytes = NULL;
	int family = address->sa_family;

	if (family == AF_INET)
		bytes = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
	else if (family == AF_INET6)
		bytes = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
	if (family == AF_INET6 && IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)bytes)) {
		bytes = (const uint8_t *)bytes + 12;
		family = AF_INET;
	}
	if (bytes == NULL || inet_ntop(family, bytes, out, (socklen_t)size) == NULL)
		snprintf(out, size, "%s", family == AF_UNIX ? "local" : "unknown");
	return out;
}

bool endpoint_is_same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr ==
		       ((const struct sockaddr_in *)(const void *)b)->sin_addr.s_addr;
	return memcmp(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
		      &((const struct sockaddr_in6 *)(const void *)b)->sin6_addr, sizeof(struct in6_addr)) == 0;
}

void endpoint_set_keepalive(int fd, int seconds)
{
	const int probes = 3, on = 1;
	int interval_s = seconds / (2 * probes) > 0 ? seconds / (2 * probes) : 1;
	int idle_s = seconds - probes * interval_s > 0 ? seconds - probes * interval_s : 1;
	unsigned int timeout_ms = (unsigned int)seconds * 1000;

	/* On a unix socket these fail, and there is no peer machine to lose. */
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
}

/* 0; -1: there is no address; 1: nobody could tell. */
static int look_up(const struct endpoint *endpoint, int flags, struct addrinfo **list_out,
		   char *error, size_t error_size)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
					.ai_flags = flags | AI_NUMERICSERV };
	const char *host = endpoint->host[0] != '\0' ? endpoint->host : NULL;
	int result = getaddrinfo(host, endpoint->port, &hints, list_out);

	if (result == 0)
		return 0;
	snprintf(error, error_size, "cannot look up \"%s\": %s", endpoint->host,
		 result == EAI_SYSTEM ? strerror(errno) : gai_strerror(result));
	return result == EAI_NONAME || result == EAI_NODATA ? -1 : 1;
}

int endpoint_look_up(const struct endpoint *endpoint, char *error, size_t error_size)
{
	struct addrinfo *list;
	int result = endpoint->is_unix ? 0 : look_up(endpoint, 0, &list, error, error_size);

	if (result == 0 && !endpoint->is_unix)
		freeaddrinfo(list);
	return result;
}

/* 0, or an errno value. */
static int wait_connected(int fd, struct deadline deadline)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };
	int ready, result = 0;
	socklen_t size = sizeof(result);

	do {
		if (deadline_has_passed(deadline))
			return ETIMEDOUT;
		ready = poll(&poll_fd, 1, deadline_poll_ms(deadline));
	} while (ready == 0 || (ready < 0 && errno == EINTR));
	if (ready < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &result, &size) != 0)
		return errno;
	return result;
}

/* A descriptor, or the negative of an errno value. */
static int connect_inet(const struct addrinfo *address, struct deadline deadline)
{
	const int on = 1;
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int result = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, address->ai_addr, address->ai_addrlen) != 0)
		result = errno == EINPROGRESS || errno == EINTR ? wait_connected(fd, deadline)
								: errno;
	if (result != 0) {
		close(fd);
		return -result;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static struct sockaddr_un unix_address(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	memcpy(address.sun_path, path, strnlen(path, sizeof(address.sun_path) - 1));
	return address;
}

/*
 * A non-blocking connect to a unix socket whose backlog is full fails at once; a blocking one
 * waits, as long as SO_SNDTIMEO says (socket(7)).
 */
static int connect_unix(const char *path, struct deadline deadline)
{
	struct sockaddr_un address = unix_address(path);
	int64_t left_ms = deadline_left_ms(deadline);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int result;

	if (fd < 0)
		return -errno;
	if (left_ms != INT64_MAX) {
		/* zero would mean to wait for ever */
		struct timeval left = { left_ms / 1000, left_ms > 0 ? left_ms % 1000 * 1000 : 1 };

		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &left, sizeof(left));
	}
	do
		result = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? 0 : errno;
	while (result == EINTR && !deadline_has_passed(deadline));
	if (result == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
		return fd;
	close(fd);
	return result == EAGAIN || result == EINTR ? -ETIMEDOUT : -result;
}

static struct deadline fair_share(const struct addrinfo *remaining, struct deadline deadline)
{
	int64_t left_ms = deadline_left_ms(deadline);
	int count = 0;

	if (left_ms == INT64_MAX)
		return deadline;
	for (; remaining != NULL; remaining = remaining->ai_next)
		count++;
	return deadline_in_ms(left_ms / count);
}

int endpoint_connect(const struct endpoint *endpoint, struct deadline deadline, char *error,
		     size_t error_size)
{
	char text[ENDPOINT_TEXT_MAX], address_text[SOCKADDR_TEXT_MAX];
	struct addrinfo *list, *address;
	int fd = -1;

	endpoint_print(endpoint, text, sizeof(text));
	if (endpoint->is_unix) {
		fd = connect_unix(endpoint->host, deadline);
		if (fd < 0)
			snprintf(error, error_size, "cannot connect to %s: %s", text,
				 strerror(-fd));
		return fd < 0 ? -1 : fd;
	}
	if (look_up(endpoint, 0, &list, error, error_size) != 0)
		return -1;
	for (address = list; address != NULL; address = address->ai_next) {
		fd = connect_inet(address, fair_share(address, deadline));
		if (fd >= 0)
			break;
		endpoint_print_address(address->ai_addr, address_text, sizeof(address_text));
		snprintf(error, error_size, "cannot connect to %s [%s]: %s", text, address_text,
			 strerror(-fd));
		if (deadline_has_passed(deadline))
			break;
	}
	freeaddrinfo(list);
	return fd < 0 ? -1 : fd;
}

/*
 * A descriptor, or the negative of an errno value. A trial ends before anybody could connect, and
 * Linux lets another socket have the address meanwhile (both with SO_REUSEADDR).
 */
static int listen_at(int family, const struct sockaddr *address, socklen_t size, bool is_trial)
{
	const int on = 1;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int result;

	if (fd < 0)
		return -errno;
	if (family != AF_UNIX)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, address, size) == 0 && (is_trial || listen(fd, SOMAXCONN) == 0))
		return fd;
	result = errno;
	close(fd);
	return -result;
}

/*
 * A socket file whose owner died: connecting to it is refused. (So it is with a plain file: look
 * first.)
 */
static bool is_stale_socket(const struct sockaddr_un *address)
{
	struct stat status;
	bool refused;
	int fd;

	if (lstat(address->sun_path, &status) != 0 || !S_ISSOCK(status.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	refused = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
		       errno == ECONNREFUSED;

	if (fd >= 0)
		close(fd);
	return refused;
}

static int listen_unix(const char *path)
{
	struct sockaddr_un address = unix_address(path);
	int fd = listen_at(AF_UNIX, (struct sockaddr *)&address, sizeof(address), false);

	if (fd == -EADDRINUSE && is_stale_socket(&address) && unlink(path) == 0)
		fd = listen_at(AF_UNIX, (struct sockaddr *)&address, sizeof(address), false);
	return fd;
}

static bool is_absent_address(int error_number)
{
	return error_number == EADDRNOTAVAIL || error_number == EAFNOSUPPORT;
}

/* The number of descriptors opened, or the negative of an errno value with none left open. */
static int listen_inet(const struct addrinfo *address, int *fds, int max, bool is_trial)
{
	int count = 0, absent = 0;

	for (; address != NULL && count < max; address = address->ai_next) {
		int fd = listen_at(address->ai_family, address->ai_addr, address->ai_addrlen, is_trial);

		if (fd >= 0) {
			fds[count++] = fd;
		} else if (is_absent_address(-fd)) {
			absent = fd;
		} else {
			while (count > 0)
				close(fds[--count]);
			return fd;
		}
	}
	return count > 0 ? count : absent;
}

int endpoint_listen(const struct endpoint *endpoint, int *fds, int max, char *error,
		    size_t error_size)
{
	char text[ENDPOINT_TEXT_MAX];
	struct addrinfo *list;
	int count;

	if (endpoint->is_unix) {
		fds[0] = listen_unix(endpoint->host);
		count = fds[0] >= 0 ? 1 : fds[0];
	} else {
		if (look_up(endpoint, AI_PASSIVE, &list, error, error_size) != 0)
			return -1;
		count = listen_inet(list, fds, max, false);
		freeaddrinfo(list);
	}
	if (count > 0)
		return count;
	snprintf(error, error_size, "cannot listen on %s: %s",
		 endpoint_print(endpoint, text, sizeof(text)), strerror(-count));
	return -1;
}

int endpoint_try_listen(const struct endpoint *endpoint, char *error, size_t error_size)
{
	int fds[TRIAL_SOCKETS_MAX], count;
	struct addrinfo *list;

	if (look_up(endpoint, AI_PASSIVE, &list, error, error_size) != 0)
		return -1;
	count = listen_inet(list, fds, TRIAL_SOCKETS_MAX, true);
	freeaddrinfo(list);
	for (int i = 0; i < count; i++)
		close(fds[i]);
	if (count <= 0)
		snprintf(error, error_size, "%s", strerror(-count));
	return count > 0 ? 0 : -1;
}
