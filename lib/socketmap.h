/*
 * A client of Postfix's socketmap_table(5) protocol: asks an existing look-up server (SQL, LDAP,
 * anything) for one key. Netstrings: "NAME SP KEY" -> "OK SP data" / "NOTFOUND SP" / "TEMP SP
 * reason" / "TIMEOUT SP reason" / "PERM SP reason".
 */
#ifndef SOCKETMAP_H
#define SOCKETMAP_H

#include <stddef.h>

#include "endpoint.h"
#include "stream.h"

struct socketmap;

#define SOCKETMAP_VALUE_MAX 100000	/* the protocol's own bound */
#define SOCKETMAP_TIMEOUT_MS 10000	/* connect, ask and answer together, where nothing asks for less */

enum socketmap_result { SOCKETMAP_FOUND, SOCKETMAP_NOT_FOUND, SOCKETMAP_TROUBLE };

/* What follows "socketmap:" in a setting; NULL: it names something else. Points into it. */
const char *socketmap_spec(const char *setting);
/*
 * spec: "unix:/path:name" or "inet:host:port:name". timeout_ms: for one question. NULL with error.
 * Connects only when asked.
 */
struct socketmap *socketmap_create(const char *spec, int64_t timeout_ms, char *error, size_t error_size);
void socketmap_destroy(struct socketmap *map);
/* Where the server is; as long as the map. */
const struct endpoint *socketmap_endpoint(const struct socketmap *map);

/*
 * Thread-safe; idle connections are kept and used again (a stale one is replaced once, silently).
 * *value_out (heap, NUL-terminated) only if found. TROUBLE: `error` says what the server said, or
 * why it could not be asked. A value with a NUL or a line break, or longer than the bound, is
 * TROUBLE.
 */
enum socketmap_result socketmap_find(struct socketmap *map, const char *key, char **value_out, char *error,
				     size_t error_size);

/*
 * The part of it that reads the server's answer. Anything but STREAM_OK: there was none that could
 * be understood, *result_out is TROUBLE, and the connection is of no further use.
 */
enum stream_result socketmap_receive(struct stream *stream, struct deadline deadline, enum socketmap_result *result_out,
				     char **value_out, char *error, size_t error_size);

#endif
