/*
 * One GET with libcurl. Every option that widens what curl does is off, by default or here; what
 * the server sends is counted before it is kept.
 *
 * The certificate is checked by OpenSSL while it verifies the chain, against DNS-IDs only: curl
 * alone would take the common name of a certificate without any (RFC 8461 3.3).
 */
#include "https_get.h"

#include <curl/curl.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/ascii.h"
#include "lib/endpoint.h"
#include "lib/log.h"

#define PATH "/.well-known/mta-sts.txt"
#define WHOLE_SECONDS 60
/* TCP and TLS together. */
#define CONNECT_SECONDS 10
#define SLOWEST_BYTES_PER_SECOND 10
#define SLOW_SECONDS 20
#define HEADER_BYTES_MAX (64 * 1024)
#define URL_MAX 400
#define RESOLVE_LINE_MAX 1400
#define HTTP_OK 200
#define MEDIA_TYPE "text/plain"

struct get {
	const struct https_get *request;
	struct https_body *body;
	CURL *curl;
	size_t header_bytes;
	size_t connections; /* addresses that were tried */
	char curl_error[CURL_ERROR_SIZE];
	/* Why we broke off, or would not connect; "" otherwise. */
	enum sts_fetch_status status;
	char reason[200];
};

static void set_reason(struct get *get, enum sts_fetch_status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void set_reason(struct get *get, enum sts_fetch_status status, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(get->reason, sizeof(get->reason), format, arguments);
	va_end(arguments);
	get->status = status;
}

enum sts_fetch_status https_get_init(char *error, size_t error_size)
{
	const curl_version_info_data *version;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		snprintf(error, error_size, "libcurl cannot be set up");
		return STS_FETCH_STATUS_LOCAL;
	}
	version = curl_version_info(CURLVERSION_NOW);
	if (version->ssl_version != NULL && strncmp(version->ssl_version, "OpenSSL/", 8) == 0)
		return STS_FETCH_STATUS_DONE;
	snprintf(error, error_size, "this libcurl was built with another TLS library than OpenSSL");
	return STS_FETCH_STATUS_LOCAL;
}

/* ---- what the server sends ---- */

static size_t take_header(char *line, size_t size, size_t count, void *argument)
{
	struct get *get = argument;

	(void)line;
	get->header_bytes += size * count;
	if (get->header_bytes <= HEADER_BYTES_MAX)
		return size * count;
	set_reason(get, STS_FETCH_STATUS_NO_POLICY, "the HTTP header is longer than %d bytes",
		   HEADER_BYTES_MAX);
	return 0;
}

/* "text/plain", perhaps with parameters. */
static bool is_media_type(const char *value)
{
	size_t length = strcspn(value, "; \t");

	return ascii_is_word(value, length, MEDIA_TYPE);
}

/* Is what follows the header worth reading? */
static bool check_head(struct get *get)
{
	char printable[80];
	struct curl_header *encoding;
	const char *type = NULL;
	long code = 0;

	curl_easy_getinfo(get->curl, CURLINFO_RESPONSE_CODE, &code);
	curl_easy_getinfo(get->curl, CURLINFO_CONTENT_TYPE, &type);
	if (code != HTTP_OK) {
		set_reason(get, STS_FETCH_STATUS_UNAVAILABLE, "HTTP status %ld instead of 200%s",
			   code, code >= 300 && code <= 399 ? " (redirects are not followed)" : "");
		return false;
	}
	if (type == NULL || !is_media_type(type)) {
		if (type == NULL)
			type = "";
		log_printable(printable, sizeof(printable), type, strlen(type));
		set_reason(get, STS_FETCH_STATUS_NO_POLICY,
			   "the media type is \"%s\" instead of " MEDIA_TYPE, printable);
		return false;
	}
	if (curl_easy_header(get->curl, "Content-Encoding", 0, CURLH_HEADER, -1, &encoding) !=
		    CURLHE_OK ||
	    ascii_is_word(encoding->value, strlen(encoding->value), "identity"))
		return true;
	log_printable(printable, sizeof(printable), encoding->value, strlen(encoding->value));
	set_reason(get, STS_FETCH_STATUS_NO_POLICY,
		   "the policy is encoded (\"%s\"), which nobody asked for", printable);
	return false;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *argument)
{
	struct get *get = argument;
	struct https_body *body = get->body;

	size *= count;
	if (body->length == 0 && !check_head(get))
		return 0;
	if (size > sizeof(body->bytes) - body->length) {
		set_reason(get, STS_FETCH_STATUS_NO_POLICY, "the policy is longer than %zu bytes",
			   sizeof(body->bytes));
		return 0;
	}
	memcpy(body->bytes + body->length, bytes, size);
	body->length += size;
	return size;
}

/* ---- whom we connect to ---- */

static curl_socket_t open_socket(void *argument, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct get *get = argument;
	const char *refusal = address_guard_refuses(get->request->guard, &to->addr);
	char text[SOCKADDR_TEXT_MAX];

	(void)purpose;
	if (refusal != NULL) {
		set_reason(get, STS_FETCH_STATUS_REFUSED, "%s is %s",
			   endpoint_print_address(&to->addr, text, sizeof(text)), refusal);
		return CURL_SOCKET_BAD;
	}
	get->connections++;
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static CURLcode check_names(CURL *curl, void *ssl_ctx, void *argument)
{
	const struct get *get = argument;
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ssl_ctx);

	(void)curl;
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
						       X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return X509_VERIFY_PARAM_set1_host(param, get->request->host, 0) == 1 ? CURLE_OK :
										CURLE_OUT_OF_MEMORY;
}

/* ---- the request ---- */

/* curl_easy_setopt() until the first failure. */
#define SET(option, value)                                                                         \
	(result = result != CURLE_OK ? result : curl_easy_setopt(curl, option, value))

static CURLcode set_http(struct get *get, const char *url)
{
	CURL *curl = get->curl;
	CURLcode result = CURLE_OK;

	SET(CURLOPT_URL, url);
	SET(CURLOPT_PROTOCOLS_STR, "https");
	SET(CURLOPT_REDIR_PROTOCOLS_STR, "https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_HTTPGET, 1L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NOPROXY, "*");
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_ACCEPT_ENCODING, NULL);
	SET(CURLOPT_USERAGENT, "postern");
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_TIMEOUT, (long)WHOLE_SECONDS);
	SET(CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
	SET(CURLOPT_LOW_SPEED_LIMIT, (long)SLOWEST_BYTES_PER_SECOND);
	SET(CURLOPT_LOW_SPEED_TIME, (long)SLOW_SECONDS);
	SET(CURLOPT_HEADERFUNCTION, take_header);
	SET(CURLOPT_HEADERDATA, get);
	SET(CURLOPT_WRITEFUNCTION, take_body);
	SET(CURLOPT_WRITEDATA, get);
	SET(CURLOPT_ERRORBUFFER, get->curl_error);
	return result;
}

static CURLcode set_connection(struct get *get, struct curl_slist *resolve)
{
	struct curl_blob authorities = {
		.data = (void *)(uintptr_t)get->request->authorities,
		.len = get->request->authorities_length,
		.flags = CURL_BLOB_NOCOPY,
	};
	CURL *curl = get->curl;
	CURLcode result = CURLE_OK;

	SET(CURLOPT_RESOLVE, resolve);
	SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(CURLOPT_OPENSOCKETDATA, get);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_CAINFO, NULL);
	SET(CURLOPT_CAPATH, NULL);
	SET(CURLOPT_CAINFO_BLOB, &authorities);
	SET(CURLOPT_SSL_CTX_FUNCTION, check_names);
	SET(CURLOPT_SSL_CTX_DATA, get);
	return result;
}

static enum sts_fetch_status status_of(CURLcode result)
{
	switch (result) {
	case CURLE_OK:
		return STS_FETCH_STATUS_DONE;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
		return STS_FETCH_STATUS_CERTIFICATE;
	case CURLE_SSL_CACERT_BADFILE:
		return STS_FETCH_STATUS_CONFIG;
	case CURLE_OUT_OF_MEMORY:
	case CURLE_FAILED_INIT:
	case CURLE_NOT_BUILT_IN:
	case CURLE_UNKNOWN_OPTION:
		return STS_FETCH_STATUS_LOCAL;
	default:
		return STS_FETCH_STATUS_UNAVAILABLE;
	}
}

/* A reason of our own is better than curl's words for the end that it led to. */
static enum sts_fetch_status explain(struct get *get, CURLcode result, char *error,
				     size_t error_size)
{
	bool is_ours = get->reason[0] != '\0' &&
		       (get->status != STS_FETCH_STATUS_REFUSED || get->connections == 0);
	char printable[CURL_ERROR_SIZE];
	const char *words =
		get->curl_error[0] != '\0' ? get->curl_error : curl_easy_strerror(result);

	if (is_ours)
		words = get->reason;
	log_printable(printable, sizeof(printable), words, strlen(words));
	snprintf(error, error_size, "%s: %s", get->request->host, printable);
	return is_ours ? get->status : status_of(result);
}

static enum sts_fetch_status perform(struct get *get, struct curl_slist *resolve, char *error,
				     size_t error_size)
{
	char url[URL_MAX];
	CURLcode result;

	snprintf(url, sizeof(url), "https://%s:%u" PATH, get->request->host, get->request->port);
	result = set_http(get, url);
	if (result == CURLE_OK)
		result = set_connection(get, resolve);
	if (result == CURLE_OK)
		result = curl_easy_perform(get->curl);
	/* An empty body never came to take_body(). */
	if (result != CURLE_OK || (get->body->length == 0 && !check_head(get)))
		return explain(get, result, error, error_size);
	return STS_FETCH_STATUS_DONE;
}

enum sts_fetch_status https_get(const struct https_get *request, struct https_body *body,
				char *error, size_t error_size)
{
	struct get get = { .request = request, .body = body, .curl = curl_easy_init() };
	struct curl_slist *resolve = NULL;
	char line[RESOLVE_LINE_MAX];
	enum sts_fetch_status status = STS_FETCH_STATUS_LOCAL;

	body->length = 0;
	snprintf(line, sizeof(line), "%s:%u:%s", request->host, request->port, request->addresses);
	resolve = curl_slist_append(NULL, line);
	if (get.curl != NULL && resolve != NULL)
		status = perform(&get, resolve, error, error_size);
	else
		snprintf(error, error_size, "out of memory");
	curl_slist_free_all(resolve);
	curl_easy_cleanup(get.curl);
	return status;
}
