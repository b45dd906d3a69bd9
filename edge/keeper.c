/*
 * Requests in, answers out. Nothing here trusts a request: its size is checked before a member is
 * looked at, a path must have its end inside, and each answer starts as zeros, so that no byte of
 * this process's memory leaves it unmeant. What is malformed was not sent by our worker: the keeper
 * ends, and with it the edge, which a service manager starts anew.
 *
 * Files are opened for a worker that may not open them itself (sandbox.h): after a change of the
 * configuration it must read files that lie beside the allow-list, and Landlock knows files by
 * inode, so a file that an editor replaced would be beyond its reach. It gets regular files, none
 * of the guarded ones, none that holds a key (the next one may lie beside the one in use), and
 * nothing out of /proc, where this process's own memory is a file.
 */
#include "keeper.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "keeper_message.h"
#include "keeper_protocol.h"
#include "lib/log.h"
#include "lib/socketmap.h"
#include "lib/text_file.h"
#include "tunnel/keyfile.h"

/* Room to see that a request is too long. */
struct received {
	struct keeper_request request;
	char more;
};

static bool is_in_reach(void *context, const char *path)
{
	return sandbox_grants_reach(context, path) != NULL;
}

static void guard_file(void *context, const char *path)
{
	struct keeper *keeper = context;

	if (guarded_files_add(&keeper->guarded, path) < 0)
		log_error("%s: out of memory; the worker could read it if it is not in the list any "
			  "more",
			  path);
}

/* Which guarded file the worker could read, and why; NULL: none. */
static const char *exposed(const struct keeper *keeper, const char **directory_out)
{
	const struct sandbox_grants *worker = keeper->settings->worker;
	const char *path = NULL;

	if (worker != NULL)
		path = guarded_files_find(&keeper->guarded, is_in_reach, (void *)(uintptr_t)worker);
	if (path != NULL)
		*directory_out = sandbox_grants_reach(worker, path);
	return path;
}

static void warn_exposed(const struct keeper *keeper)
{
	const char *directory, *path = exposed(keeper, &directory);

	if (path != NULL)
		log_error("%s lies below %s, which the process that talks to the network may read; "
			  "move it, or the edge will not start again",
			  path, directory);
}

/* The psk files of a list that has come into force. */
static void guard_list(struct keeper *keeper)
{
	uint64_t generation;

	if (keeper->clients == NULL)
		return;
	generation = client_list_generation(keeper->clients);
	if (generation == keeper->checked_generation)
		return;
	client_list_each_psk_file(keeper->clients, guard_file, keeper);
	keeper->checked_generation = generation;
	warn_exposed(keeper);
}

/* One that an answer of the socketmap names. */
static int guard_psk_file(void *context, const char *path)
{
	struct keeper *keeper = context;

	if (guarded_files_add(&keeper->guarded, path) < 0)
		return -1;
	warn_exposed(keeper);
	return 0;
}

static int refuse_exposed(const struct keeper *keeper, char *error, size_t error_size)
{
	const char *directory, *path = exposed(keeper, &directory);

	if (path == NULL)
		return 0;
	snprintf(error, error_size,
		 "%s lies below %s, which the process that talks to the network may read; move it "
		 "to another directory (or state_directory, if that is it)",
		 path, directory);
	return -1;
}

static int open_clients(struct keeper *keeper, char *error, size_t error_size)
{
	const char *where = keeper->settings->authorized_clients;
	const uint8_t *own = keeper->keys.keys[0].public_key;

	if (socketmap_spec(where) != NULL)
		keeper->map = client_map_create(where, own, guard_psk_file, keeper, error, error_size);
	else
		keeper->clients = client_list_create(where, keeper->settings->enrolled_clients, own, error, error_size);
	return keeper->map != NULL || keeper->clients != NULL ? 0 : -1;
}

int keeper_open(struct keeper *keeper, const struct keeper_settings *settings, char *error,
		size_t error_size)
{
	*keeper = (struct keeper){ .settings = settings, .enrolment.fd = -1 };
	if (own_keys_open(&keeper->keys, settings->key_file, error, error_size) < 0)
		return -1;
	if (open_clients(keeper, error, error_size) < 0)
		return -1;
	if (settings->relay_passwords != NULL) {
		keeper->passwords = relay_passwords_create(settings->relay_passwords, error, error_size);
		if (keeper->passwords == NULL)
			return -1;
		guard_file(keeper, settings->relay_passwords);
	}
	guard_file(keeper, settings->key_file);
	guard_file(keeper, keeper->keys.next_path);
	if (keeper->clients != NULL) {
		enrolment_open(&keeper->enrolment, settings->enrolled_clients, settings->is_trial);
		if (settings->enrolled_clients != NULL)
			guard_file(keeper, settings->enrolled_clients);
		guard_file(keeper, settings->authorized_clients);
		client_list_each_psk_file(keeper->clients, guard_file, keeper);
		keeper->checked_generation = client_list_generation(keeper->clients);
	}
	return refuse_exposed(keeper, error, error_size);
}

void keeper_close(struct keeper *keeper)
{
	own_keys_wipe(&keeper->keys);
	client_list_destroy(keeper->clients);
	keeper->clients = NULL;
	client_map_destroy(keeper->map);
	keeper->map = NULL;
	enrolment_close(&keeper->enrolment);
	relay_passwords_destroy(keeper->passwords);
	keeper->passwords = NULL;
	guarded_files_wipe(&keeper->guarded);
}

/* ---- answers ---- */

/* `file` is closed, sent or not; -1: none. */
static int send_answer(int fd, const struct keeper_answer *answer, int file)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec part = { (void *)(uintptr_t)answer, sizeof(*answer) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	int result;

	if (file >= 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		control.header = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.header), &file, sizeof(file));
	}
	result = keeper_message_send(fd, &message, sizeof(*answer));
	if (file >= 0)
		close(file);
	return result;
}

static void put_keys(const struct keeper *keeper, struct keeper_answer *answer)
{
	answer->keys.count = (uint32_t)own_keys_count(&keeper->keys);
	for (size_t i = 0; i < answer->keys.count; i++)
		memcpy(answer->keys.public_keys[i], keeper->keys.keys[i].public_key, NOISE_DHLEN);
}

int keeper_greet(const struct keeper *keeper, int fd, const char *error)
{
	struct keeper_answer answer = { 0 };

	answer.question = KEEPER_HELLO;
	if (error != NULL) {
		answer.error = EINVAL;
		snprintf(answer.reason, sizeof(answer.reason), "%s", error);
	} else {
		put_keys(keeper, &answer);
	}
	return send_answer(fd, &answer, -1);
}

/* A key that was replaced between mac1 and this question is as bad as a point without a result. */
static void answer_dh(struct keeper *keeper, const struct keeper_request *request,
		      struct keeper_answer *answer)
{
	const struct noise_static_key *own = own_keys_find(&keeper->keys, request->own_key);

	if (own == NULL || own->dh(own->context, answer->key, request->public_key) < 0)
		answer->error = EINVAL;
}

/* *found is to be wiped. */
static bool find_client(struct keeper *keeper, const uint8_t public_key[NOISE_DHLEN],
			struct authorized_client *found, struct keeper_answer *answer)
{
	if (keeper->map != NULL) {
		enum client_word word = client_map_find(keeper->map, public_key, found);

		answer->is_authorized = word == CLIENT_AUTHORIZED;
		answer->is_unknown = word == CLIENT_UNKNOWN;
	} else {
		answer->is_authorized = client_list_find(keeper->clients, public_key, found) &&
					!found->options.is_disabled;
	}
	if (!answer->is_authorized)
		explicit_bzero(found, sizeof(*found));
	return answer->is_authorized;
}

/* Somebody who may come in, and be told what has become of his invite. */
static void find_invite(struct keeper *keeper, const uint8_t public_key[NOISE_DHLEN], struct keeper_answer *answer)
{
	struct authorized_client found;

	if (keeper->clients == NULL || !client_list_find_invite(keeper->clients, public_key, &found))
		return;
	answer->is_invited = 1;
	memcpy(answer->client.public_key, public_key, sizeof(found.public_key));
	memcpy(answer->client.name, found.name, strlen(found.name));
	explicit_bzero(&found, sizeof(found));
}

static void answer_authorize(struct keeper *keeper, const struct keeper_request *request,
			     struct keeper_answer *answer)
{
	struct authorized_client found;

	if (!find_client(keeper, request->public_key, &found, answer)) {
		find_invite(keeper, request->public_key, answer);
		return;
	}
	tenant_terms_set(&answer->terms, &found, "");
	memcpy(answer->client.public_key, found.public_key, sizeof(found.public_key));
	memcpy(answer->client.name, found.name, strlen(found.name));
	memcpy(answer->client.psk, found.psk, sizeof(found.psk));
	answer->client.line = found.line;
	explicit_bzero(&found, sizeof(found));
}

static void answer_is_authorized(struct keeper *keeper, const struct keeper_request *request,
				 struct keeper_answer *answer)
{
	struct authorized_client found;

	/* Asked of every tunnel at once: the socketmap's server is asked before the next transaction. */
	if (keeper->map != NULL) {
		enum client_word word = client_map_recall(keeper->map, request->public_key);

		answer->is_authorized = word == CLIENT_AUTHORIZED;
		answer->is_unknown = word == CLIENT_UNKNOWN;
		return;
	}
	if (!find_client(keeper, request->public_key, &found, answer)) {
		find_invite(keeper, request->public_key, answer);
		memset(&answer->client, 0, sizeof(answer->client));
	}
	explicit_bzero(&found, sizeof(found));
}

static void answer_admit(struct keeper *keeper, const struct keeper_request *request,
			 struct keeper_answer *answer)
{
	struct authorized_client found;

	if (!find_client(keeper, request->public_key, &found, answer))
		return;
	tenant_terms_set(&answer->terms, &found, request->sender);
	if (keeper->clients != NULL)
		answer->list = client_list_status(keeper->clients);
	explicit_bzero(&found, sizeof(found));
}

static void answer_login(struct keeper *keeper, const struct keeper_request *request,
			 struct keeper_answer *answer)
{
	answer->has_login = keeper->passwords != NULL &&
			    relay_passwords_find(keeper->passwords, request->path, &answer->login);
	if (keeper->passwords != NULL)
		answer->generation = relay_passwords_generation(keeper->passwords);
}

static void answer_enrol(struct keeper *keeper, const struct keeper_request *request, struct keeper_answer *answer)
{
	const struct noise_static_key *own = &keeper->keys.keys[0];
	uint8_t shared[NOISE_DHLEN];
	bool is_usable = own_keys_find(&keeper->keys, request->public_key) == NULL &&
			 own->dh(own->context, shared, request->public_key) == 0;

	explicit_bzero(shared, sizeof(shared));
	answer->enrolment = enrolment_add(&keeper->enrolment, keeper->clients, request->invite_key,
					  is_usable ? request->public_key : NULL, answer->reason,
					  sizeof(answer->reason));
}

static bool has_end(const struct keeper_request *request)
{
	return memchr(request->path, '\0', sizeof(request->path)) != NULL;
}

/* A descriptor, or -1 with errno. */
static int open_for_worker(struct keeper *keeper, const char *path)
{
	struct statfs file_system;
	struct stat status;
	char printable[256];
	int fd = text_file_open(path);

	if (fd < 0)
		return -1;
	guard_list(keeper);
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && fstatfs(fd, &file_system) == 0 &&
	    file_system.f_type != PROC_SUPER_MAGIC &&
	    !guarded_files_has(&keeper->guarded, &status) && !keyfile_is_key(fd))
		return fd;
	close(fd);
	log_warning("the worker was refused %s",
		    log_printable(printable, sizeof(printable), path, strlen(path)));
	errno = EACCES;
	return -1;
}

/* 0, or -1: no worker asks this. *file_out: a descriptor to send along, or -1. */
static int answer_request(struct keeper *keeper, const struct keeper_request *request,
			  struct keeper_answer *answer, int *file_out)
{
	switch ((enum keeper_question)request->question) {
	case KEEPER_DH:
		answer_dh(keeper, request, answer);
		return 0;
	case KEEPER_AUTHORIZE:
		answer_authorize(keeper, request, answer);
		return 0;
	case KEEPER_IS_AUTHORIZED:
		answer_is_authorized(keeper, request, answer);
		return 0;
	case KEEPER_ADMIT:
		if (memchr(request->sender, '\0', sizeof(request->sender)) == NULL)
			return -1;
		answer_admit(keeper, request, answer);
		return 0;
	case KEEPER_LIST:
		own_keys_refresh(&keeper->keys);
		put_keys(keeper, answer);
		guard_list(keeper);
		if (keeper->map != NULL) {
			answer->generation = client_map_generation(keeper->map);
			return 0;
		}
		answer->count = client_list_count(keeper->clients);
		answer->generation = client_list_generation(keeper->clients);
		return 0;
	case KEEPER_OPEN:
		if (!has_end(request))
			return -1;
		*file_out = open_for_worker(keeper, request->path);
		if (*file_out < 0)
			answer->error = errno;
		return 0;
	case KEEPER_LOGIN:
		if (!has_end(request))
			return -1;
		answer_login(keeper, request, answer);
		return 0;
	case KEEPER_ENROL:
		answer_enrol(keeper, request, answer);
		return 0;
	case KEEPER_HELLO:
		return -1;
	}
	return -1;
}

static int serve_one(struct keeper *keeper, int fd, const struct received *received, ssize_t length)
{
	const struct keeper_request *request = &received->request;
	struct keeper_answer answer = { 0 };
	int file = -1, result;

	if (length != (ssize_t)sizeof(*request)) {
		log_error(
			"keeper: the worker sent %zd bytes instead of %zu; it is not ours any more",
			length, sizeof(*request));
		return -1;
	}
	answer.question = request->question;
	answer.number = request->number;
	if (answer_request(keeper, request, &answer, &file) < 0) {
		log_error("keeper: the worker asked what no worker asks (%u); it is not ours any "
			  "more",
			  request->question);
		return -1;
	}
	result = send_answer(fd, &answer, file);
	explicit_bzero(&answer, sizeof(answer));
	/* A worker that has gone meanwhile is seen at the next reading. */
	return result < 0 && errno != EPIPE && errno != ECONNRESET ? -1 : 0;
}

int keeper_serve(struct keeper *keeper, int fd)
{
	struct received received;

	for (;;) {
		struct iovec part = { &received, sizeof(received) };
		/* Without room for descriptors, so none that is sent along is ever taken. */
		struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
		ssize_t length = recvmsg(fd, &message, 0);

		if (length < 0 && errno == EINTR)
			continue;
		if (length == 0 || (length < 0 && errno == ECONNRESET))
			return 0;
		if (length < 0) {
			log_error("keeper: %s", strerror(errno));
			return -1;
		}
		if (serve_one(keeper, fd, &received, length) < 0)
			return -1;
	}
}
