/*
 * What join finds on this host, and what it will do. Everything that could fail later is tried here
 * first: whether the files can be read and understood, and whether their directories can be written.
 */
#include "join_host.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "join_exit.h"
#include "join_user.h"
#include "lib/table.h"
#include "lib/text_file.h"
#include "list_lines.h"
#include "postfix_notes.h"
#include "transport/transport_conf.h"
#include "tunnel/base64_key.h"
#include "tunnel/keyfile.h"

#define NAMES_MAX 100

/* ---- what is there ---- */

/* Where the table and the key are; the defaults without postern.conf. */
static int read_conf(struct join_host *host, char *error, size_t error_size)
{
	struct transport_conf conf = { 0 };
	int result = 0;

	snprintf(host->edges_path, sizeof(host->edges_path), "%s", POSTERN_SYSCONFDIR "/edges");
	snprintf(host->key_path, sizeof(host->key_path), "%s", JOIN_KEY_PATH);
	host->has_conf = access(TRANSPORT_CONF_PATH, F_OK) == 0;
	if (!host->has_conf)
		return 0;
	if (transport_conf_read(&conf, TRANSPORT_CONF_PATH, error, error_size) == 0) {
		snprintf(host->edges_path, sizeof(host->edges_path), "%s", conf.edges);
		snprintf(host->key_path, sizeof(host->key_path), "%s", conf.key_file);
	} else {
		result = JOIN_CONFIG;
	}
	transport_conf_wipe(&conf);
	return result;
}

static bool is_edge(const struct edge *edge, const uint8_t key[NOISE_DHLEN])
{
	return memcmp(edge->public_key, key, NOISE_DHLEN) == 0 ||
	       (edge->has_former_key && memcmp(edge->former_key, key, NOISE_DHLEN) == 0);
}

/* A table that the transport refuses must be mended by whoever wrote it. */
static int read_edges(struct join_host *host, const uint8_t edge_key[NOISE_DHLEN], char *error,
		      size_t error_size)
{
	struct text_file text;
	struct edge_table table;
	struct table lines;
	bool has_lines;
	int result = 0;

	if (access(host->edges_path, F_OK) != 0 && errno == ENOENT)
		return 0;
	if (text_file_read(&text, host->edges_path, TABLE_BYTES_MAX, NULL, error, error_size) != 0)
		return JOIN_CONFIG;
	host->edges_before = text.text;
	if (table_read(&lines, host->edges_path, NULL, error, error_size) != 0)
		return JOIN_CONFIG;
	has_lines = lines.count > 0;
	table_wipe(&lines);
	if (!has_lines)
		return 0;
	if (edge_table_read(&table, host->edges_path, error, error_size) != 0)
		result = JOIN_CONFIG;
	for (size_t i = 0; result == 0 && i < table.count && !host->has_edge; i++) {
		host->has_edge = is_edge(&table.edges[i], edge_key);
		if (host->has_edge)
			snprintf(host->name, sizeof(host->name), "%s", table.edges[i].name);
	}
	edge_table_wipe(&table);
	return result;
}

/* root can write everywhere but where the file system, or a sandbox, forbids it. */
static int check_writable(const struct join_host *host, char *error, size_t error_size)
{
	const char *const directories[] = {
		access(POSTERN_SYSCONFDIR, F_OK) == 0 ? POSTERN_SYSCONFDIR : "/etc",
		host->postfix.directory,
		access(JOIN_USER_DIRECTORY, F_OK) == 0 ? JOIN_USER_DIRECTORY : "/var/lib",
		join_user_exists() ? "/var/lib" : "/etc",
	};

	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
		if (access(directories[i], W_OK) != 0) {
			snprintf(error, error_size, "%s cannot be written: %s", directories[i],
				 strerror(errno));
			return JOIN_NOT_WRITABLE;
		}
	return 0;
}

/* An edge that was set up by hand on this machine has the directory for itself. */
static int check_owner(char *error, size_t error_size)
{
	const struct passwd *owner;
	struct stat status;

	if (stat(JOIN_USER_DIRECTORY, &status) != 0 || status.st_uid == 0)
		return 0;
	owner = getpwuid(status.st_uid);
	if (owner == NULL || strcmp(owner->pw_name, JOIN_USER) == 0)
		return 0;
	snprintf(error, error_size, "%s belongs to %s, and " JOIN_USER " must have files there, too. As the Debian packages make it, it is "
		 "right for both: make the user " JOIN_USER ", then (package acl) chown root: %s; chmod 1771 %s; setfacl -m "
		 "u:%s:rwx,u:" JOIN_USER ":rwx %s", JOIN_USER_DIRECTORY, owner->pw_name, JOIN_USER_DIRECTORY,
		 JOIN_USER_DIRECTORY, owner->pw_name, JOIN_USER_DIRECTORY);
	return JOIN_CONFIG;
}

/* What leave is to undo it knows of one Postfix. */
static int check_instance(const struct join_host *host, char *error, size_t error_size)
{
	const char *other = host->state.postfix_directory;

	if (host->changes.count == 0 || other[0] == '\0' || strcmp(other, host->postfix.directory) == 0)
		return 0;
	snprintf(error, error_size, "an earlier `postern join' changed the Postfix of %s, and that of %s would be changed, too; "
		 "`postern leave' takes the first back; a second one is set up by hand", other, host->postfix.directory);
	return JOIN_CONFIG;
}

int join_host_open(struct join_host *host, const char *postfix_directory,
		   const uint8_t edge_key[NOISE_DHLEN], char *error, size_t error_size)
{
	int result;

	memset(host, 0, sizeof(*host));
	result = join_state_open(&host->state, JOIN_STATE_DIRECTORY, error, error_size);
	if (result == 0 && host->state.exists && !host->state.is_complete) {
		snprintf(error, error_size, "an earlier `postern join' was interrupted; `postern leave' takes back what it did, then "
			 "run this again");
		result = JOIN_CONFIG;
	}
	if (result == 0)
		result = read_conf(host, error, error_size);
	if (result == 0)
		result = read_edges(host, edge_key, error, error_size);
	if (result == 0)
		result = check_owner(error, error_size);
	if (result == 0)
		result = postfix_find(&host->postfix, postfix_directory, error, error_size);
	if (result == 0)
		result = postfix_changes_plan(&host->changes, &host->postfix, error, error_size);
	if (result == 0)
		result = check_instance(host, error, error_size);
	if (result == 0)
		result = postfix_notes_check_milters(&host->postfix, error, error_size);
	host->has_key = access(host->key_path, F_OK) == 0;
	if (result == 0 && !join_host_has_joined(host))
		result = check_writable(host, error, error_size);
	return result;
}

void join_host_wipe(struct join_host *host)
{
	join_state_wipe(&host->state);
	postfix_changes_wipe(&host->changes);
	free(host->edges_before);
	free(host->edges_after);
	static_key_wipe(&host->key);
}

bool join_host_has_joined(const struct join_host *host)
{
	return host->has_edge && host->has_key && host->has_conf && host->changes.count == 0 &&
	       join_user_exists();
}

/* ---- the edge's line ---- */

static bool is_taken(const struct table *table, const char *name)
{
	for (size_t i = 0; i < table->count; i++)
		if (strcmp(table->lines[i].key, name) == 0)
			return true;
	return false;
}

static bool is_good_name(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

	return length > 0 && length <= EDGE_NAME_MAX && name[length] == '\0';
}

/* "relay" of relay.example.com; then relay-2, relay-3... Of addresses there is no first label. */
static void choose_name(struct join_host *host, const struct table *table, const char *endpoint,
			const char *ehlo_name)
{
	const char *from = strspn(endpoint, "0123456789.:[abcdefABCDEF]") == strlen(endpoint) ?
				   ehlo_name :
				   endpoint;
	char label[EDGE_NAME_MAX - 8 + 1];

	snprintf(label, sizeof(label), "%.*s", (int)strcspn(from, ".:"), from);
	if (!is_good_name(label))
		strcpy(label, "edge");
	snprintf(host->name, sizeof(host->name), "%s", label);
	for (int i = 2; i < NAMES_MAX && is_taken(table, host->name); i++)
		snprintf(host->name, sizeof(host->name), "%s-%d", label, i);
}

static int set_name(struct join_host *host, const char *name, const char *endpoint,
		    const char *ehlo_name, char *error, size_t error_size)
{
	struct table table = { 0 };
	int result = 0;

	if (host->edges_before != NULL &&
	    table_read(&table, host->edges_path, NULL, error, error_size) != 0)
		return JOIN_CONFIG;
	if (name == NULL) {
		choose_name(host, &table, endpoint, ehlo_name);
	} else if (!is_good_name(name)) {
		snprintf(error, error_size, "--name: an edge's name has letters, digits, \"-\", \"_\" and \".\", %d at most",
			 EDGE_NAME_MAX);
		result = EX_USAGE;
	} else if (is_taken(&table, name)) {
		snprintf(error, error_size, "%s: there is another edge \"%s\"; choose another --name",
			 host->edges_path, name);
		result = JOIN_CONFIG;
	} else {
		snprintf(host->name, sizeof(host->name), "%s", name);
	}
	table_wipe(&table);
	return result;
}

int join_host_plan_edge(struct join_host *host, const char *name, const struct endpoint *endpoint,
			const char *ehlo_name, const uint8_t edge_key[NOISE_DHLEN], char *error,
			size_t error_size)
{
	char where[ENDPOINT_TEXT_MAX], key[BASE64_KEY_TEXT + 8] = "key=";
	char *words[] = { host->name, where, key };
	const char *before = host->edges_before != NULL ? host->edges_before : "";
	size_t length, line;
	char *text;
	int result;

	if (host->has_edge)
		return 0;
	endpoint_print(endpoint, where, sizeof(where));
	base64_key_encode(key + strlen(key), edge_key);
	result = set_name(host, name, endpoint->host, ehlo_name, error, error_size);
	if (result != 0)
		return result;
	text = list_lines_append(before, strlen(before), words, 3, &length, &line);
	host->edges_after = text != NULL ? strndup(text, length) : NULL;
	free(text);
	if (host->edges_after != NULL)
		return 0;
	snprintf(error, error_size, "out of memory");
	return JOIN_SYSTEM;
}

void join_host_print_plan(const struct join_host *host)
{
	const char *line = host->edges_after;

	if (line != NULL && host->edges_before != NULL)
		line += strlen(host->edges_before);
	if (line != NULL)
		printf("New in %s:\n    %s", host->edges_path, line + strspn(line, "\n"));
	if (!host->has_conf)
		printf("New file %s, in which every setting has its default\n", TRANSPORT_CONF_PATH);
	if (!join_user_exists())
		printf("New system user " JOIN_USER ", without a shell and a home directory of its own\n");
	if (!host->has_key)
		printf("New secret key %s\n", host->key_path);
	postfix_changes_print(&host->changes, &host->postfix);
	if (!host->postfix.is_running)
		printf("Postfix does not run now; it will find the changes when it is started\n");
	postfix_notes_print(&host->postfix);
}

/* ---- the key ---- */

static int make_key(struct join_host *host, char *error, size_t error_size)
{
	struct noise_keypair keypair;
	int result = 0;

	if (mkdir(JOIN_USER_DIRECTORY, 0700) == 0) {
		host->made_directory = true;
	} else if (errno != EEXIST) {
		snprintf(error, error_size, "%s: %s", JOIN_USER_DIRECTORY, strerror(errno));
		return JOIN_NOT_WRITABLE;
	}
	noise_keypair_generate(&keypair);
	if (keyfile_create(host->key_path, keypair.secret_key, error, error_size) == 0)
		host->made_key = true;
	else
		result = JOIN_NOT_WRITABLE;
	noise_keypair_wipe(&keypair);
	return result;
}

int join_host_take_key(struct join_host *host, char *error, size_t error_size)
{
	int result = host->has_key ? 0 : make_key(host, error, error_size);

	if (result == 0 && static_key_read(&host->key, host->key_path, error, error_size) != 0)
		result = JOIN_CONFIG;
	return result;
}

void join_host_drop_key(struct join_host *host)
{
	if (host->made_key)
		unlink(host->key_path);
	if (host->made_directory)
		rmdir(JOIN_USER_DIRECTORY);
}
