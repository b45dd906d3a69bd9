/*
 * postern-sts-fetch: gets one MTA-STS policy over HTTPS for the edge, which does not want libcurl,
 * nor what a stranger's web server sends it, in a process that handles mail. Start-up order:
 * give up what needs no preparation, options, certificates of the authorities, address guard, give
 * up the rest, then the network.
 */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "confinement.h"
#include "https_get.h"
#include "lib/text_file.h"

#define HTTPS_PORT 443
#define ADDRESSES_MAX 16
#define ALLOW_MAX 1000
#define AUTHORITIES_BYTES_MAX (8 * 1024 * 1024)
#define ERROR_MAX 500

struct options {
	char *allow_items[ALLOW_MAX];
	struct conf_list allow;
	const char *ca_file;
	uint16_t port;
	char host[SMTP_DOMAIN_MAX + 1];
	char addresses[ADDRESSES_MAX * (INET6_ADDRSTRLEN + 3)]; /* as https_get wants them */
};

static void print_usage(FILE *out)
{
	fprintf(out,
		"usage: postern-sts-fetch [--allow NETWORK]... [--ca-file FILE] [--port PORT] "
		"DOMAIN ADDRESS...\n"
		"Gets https://mta-sts.DOMAIN/.well-known/mta-sts.txt from one of the addresses and "
		"prints it.\n"
		"      --allow NETWORK  connect to private and own addresses in this network\n"
		"      --ca-file FILE   certificates of the authorities, \"-\": on stdin (default: "
		"the system's)\n"
		"      --port PORT      another port than 443, for tests\n"
		"      --help, --version\n"
		"postern-edge runs it; see postern-sts-fetch(8).\n");
}

/* Ends without the exit handlers of the libraries: whatever they still want is not needed. */
static void __attribute__((noreturn)) end(enum sts_fetch_status status)
{
	fflush(NULL);
	_exit(status);
}

static void __attribute__((noreturn)) fail(enum sts_fetch_status status, const char *error)
{
	fprintf(stderr, "%s\n", error);
	end(status);
}

static void __attribute__((noreturn)) wrong_usage(const char *what, const char *value)
{
	char error[ERROR_MAX];

	snprintf(error, sizeof(error), "%s: \"%.200s\"", what, value);
	fail(STS_FETCH_STATUS_USAGE, error);
}

static uint16_t parse_port(const char *text)
{
	char *end_of_number;
	unsigned long port = strtoul(text, &end_of_number, 10);

	if (*end_of_number != '\0' || port == 0 || port > UINT16_MAX)
		wrong_usage("no port", text);
	return (uint16_t)port;
}

/* Numbers only: nothing here may lead to a look-up. */
static void add_address(struct options *options, const char *text)
{
	unsigned char bytes[sizeof(struct in6_addr)];
	bool is_ipv4 = inet_pton(AF_INET, text, bytes) == 1;
	size_t used = strlen(options->addresses);

	if (!is_ipv4 && inet_pton(AF_INET6, text, bytes) != 1)
		wrong_usage("no address", text);
	snprintf(options->addresses + used, sizeof(options->addresses) - used,
		 is_ipv4 ? "%s%s" : "%s[%s]", used > 0 ? "," : "", text);
}

static void set_host(struct options *options, const char *domain)
{
	if (domain[0] == '*' || !sts_pattern_is_valid(domain, strlen(domain)) ||
	    (size_t)snprintf(options->host, sizeof(options->host), "mta-sts.%s", domain) >=
		    sizeof(options->host))
		wrong_usage("no domain", domain);
}

static void parse_option(struct options *options, int option)
{
	switch (option) {
	case 'a':
		if (options->allow.count >= ALLOW_MAX)
			wrong_usage("too many --allow", optarg);
		options->allow_items[options->allow.count++] = optarg;
		break;
	case 'c':
		options->ca_file = optarg;
		break;
	case 'p':
		options->port = parse_port(optarg);
		break;
	case 'h':
		print_usage(stdout);
		end(STS_FETCH_STATUS_DONE);
	case 'v':
		printf("postern-sts-fetch %s\n", PACKAGE_VERSION);
		end(STS_FETCH_STATUS_DONE);
	default:
		print_usage(stderr);
		end(STS_FETCH_STATUS_USAGE);
	}
}

static void parse_options(struct options *options, int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "allow", required_argument, NULL, 'a' },
		{ "ca-file", required_argument, NULL, 'c' },
		{ "port", required_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	*options = (struct options){ .port = HTTPS_PORT };
	options->allow.items = options->allow_items;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		parse_option(options, option);
	if (argc - optind < 2 || argc - optind > 1 + ADDRESSES_MAX) {
		print_usage(stderr);
		end(STS_FETCH_STATUS_USAGE);
	}
	set_host(options, argv[optind]);
	for (int i = optind + 1; i < argc; i++)
		add_address(options, argv[i]);
}

static void read_authorities(struct text_file *authorities, struct options *options)
{
	bool is_stdin = options->ca_file != NULL && strcmp(options->ca_file, "-") == 0;
	char error[ERROR_MAX];
	int result;

	if (is_stdin)
		options->ca_file = "standard input";
	if (options->ca_file == NULL)
		options->ca_file = curl_version_info(CURLVERSION_NOW)->cainfo;
	if (options->ca_file == NULL)
		fail(STS_FETCH_STATUS_CONFIG, "no file with the certificates of the authorities is "
					      "known; give --ca-file");
	if (is_stdin)
		result = text_file_read_fd(authorities, STDIN_FILENO, options->ca_file,
					   AUTHORITIES_BYTES_MAX, error, sizeof(error));
	else
		result = text_file_read(authorities, options->ca_file, AUTHORITIES_BYTES_MAX, NULL,
					error, sizeof(error));
	if (result < 0)
		fail(STS_FETCH_STATUS_CONFIG, error);
}

static void print_body(const struct https_body *body)
{
	char error[ERROR_MAX];

	if (fwrite(body->bytes, 1, body->length, stdout) == body->length && fflush(stdout) == 0)
		end(STS_FETCH_STATUS_DONE);
	snprintf(error, sizeof(error), "stdout: %m");
	fail(STS_FETCH_STATUS_LOCAL, error);
}

int main(int argc, char **argv)
{
	static struct options options;
	static struct https_body body;
	struct text_file authorities;
	struct address_guard *guard;
	struct https_get request;
	char error[ERROR_MAX];
	enum sts_fetch_status status;

	if (confinement_begin(error, sizeof(error)) < 0)
		fail(STS_FETCH_STATUS_LOCAL, error);
	/* Nothing that libcurl or OpenSSL would take from it: proxies, key logs, other files. */
	clearenv();
	parse_options(&options, argc, argv);
	status = https_get_init(error, sizeof(error));
	if (status != STS_FETCH_STATUS_DONE)
		fail(status, error);
	read_authorities(&authorities, &options);
	guard = address_guard_create(&options.allow, error, sizeof(error));
	if (guard == NULL)
		fail(STS_FETCH_STATUS_CONFIG, error);
	if (confinement_seal(options.port, error, sizeof(error)) < 0)
		fail(STS_FETCH_STATUS_LOCAL, error);
	request = (struct https_get){ options.host,	options.addresses,  options.port,
				      authorities.text, authorities.length, guard };
	status = https_get(&request, &body, error, sizeof(error));
	if (status == STS_FETCH_STATUS_CONFIG)
		snprintf(error, sizeof(error), "%s: no certificates in it", options.ca_file);
	if (status != STS_FETCH_STATUS_DONE)
		fail(status, error);
	print_body(&body);
}
