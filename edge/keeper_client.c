/*
 * Questions to the keeper, one at a time under a lock: an answer takes less time than a handshake's
 * first message on its way, and yet more than everything else that begins a transaction, so a tunnel asks only when the allow-list
 * has changed or its sender is another one. The keeper is trusted, but not to be alive: whatever is wrong with an
 * answer, or its absence, ends the conversation for good, as nobody could tell the next answer's
 * question.
 */
#include "keeper_client.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper_message.h"
#include "keeper_protocol.h"
#include "lib/deadline.h"
#include "lib/table.h"

/* Longer than reading the largest allow-list takes. */
#define ANSWER_TIMEOUT_S 30
/* For the end of a process that has nothing left to do. */
#define FAREWELL_MS 2000
#define LOOK_US 1000

struct keeper_client {
	pthread_mutex_t lock; /* protects the conversation: all below but what is fixed */
	uint32_t number;
	bool is_gone;
	int fd;				 /* fixed */
	pid_t pid;			 /* the main thread's */
	struct keeper_keys keys;	 /* fixed: those of the greeting */
	char *list_path;		 /* fixed */
};

/*
 * Waits a moment for the end of a keeper that knows or should know that it is not needed any more.
 * One that hangs is left to the kernel, which ends it with us: to signal it is denied to the
 * worker.
 */
static bool has_ended(struct keeper_client *client, int *status)
{
	struct deadline deadline = deadline_in_ms(FAREWELL_MS);
	pid_t ended = 0;

	while (client->pid > 0 && ended == 0) {
		ended = waitpid(client->pid, status, WNOHANG);
		if (ended == 0 && deadline_has_passed(deadline))
			return false;
		if (ended == 0)
			usleep(LOOK_US);
	}
	client->pid = 0;
	return ended > 0;
}

/* 0, or -1: the answer is none. *file_out: the descriptor that came along, or -1. */
static int receive(int fd, struct keeper_answer *answer, int *file_out)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec part = { answer, sizeof(*answer) };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	const struct cmsghdr *header;
	ssize_t got;

	*file_out = -1;
	do
		got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -1;
	header = CMSG_FIRSTHDR(&message);
	if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
	    header->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(file_out, CMSG_DATA(header), sizeof(int));
	if (got == (ssize_t)sizeof(*answer) && (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0)
		return 0;
	if (*file_out >= 0)
		close(*file_out);
	*file_out = -1;
	return -1;
}

static int send_request(int fd, const struct keeper_request *request)
{
	struct iovec part = { (void *)(uintptr_t)request, sizeof(*request) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	return keeper_message_send(fd, &message, sizeof(*request));
}

/* Caller holds the lock. */
static int converse(struct keeper_client *client, struct keeper_request *request,
		    struct keeper_answer *answer, int *file_out)
{
	if (client->is_gone)
		return -1;
	request->number = ++client->number;
	if (send_request(client->fd, request) == 0 && receive(client->fd, answer, file_out) == 0 &&
	    answer->question == request->question && answer->number == request->number)
		return 0;
	if (*file_out >= 0)
		close(*file_out);
	*file_out = -1;
	client->is_gone = true;
	/* Whoever waits for its end hears of it, and so does a keeper that was only slow. */
	shutdown(client->fd, SHUT_RDWR);
	return -1;
}

/* 0, or -1 when the keeper is gone. `answer` may hold secrets: wipe it. */
static int ask(struct keeper_client *client, struct keeper_request *request,
	       struct keeper_answer *answer, int *file_out)
{
	int result;

	*file_out = -1;
	pthread_mutex_lock(&client->lock);
	result = converse(client, request, answer, file_out);
	pthread_mutex_unlock(&client->lock);
	return result;
}

/* A question whose answer brings no file. */
static int ask_about(struct keeper_client *client, enum keeper_question question,
		     const uint8_t *public_key, struct keeper_answer *answer)
{
	struct keeper_request request = { .question = question };
	int file, result;

	if (public_key != NULL)
		memcpy(request.public_key, public_key, sizeof(request.public_key));
	result = ask(client, &request, answer, &file);
	if (file >= 0)
		close(file);
	return result;
}

static int dh(void *context, uint8_t out[NOISE_DHLEN], const uint8_t their_public[NOISE_DHLEN])
{
	const struct keeper_client_key *key = context;
	struct keeper_request request = { .question = KEEPER_DH };
	struct keeper_answer answer;
	int file, result;

	memcpy(request.public_key, their_public, sizeof(request.public_key));
	memcpy(request.own_key, key->public_key, sizeof(request.own_key));
	result = ask(key->client, &request, &answer, &file);
	if (file >= 0)
		close(file);
	if (result == 0 && answer.error != 0)
		result = -1;
	if (result == 0)
		memcpy(out, answer.key, NOISE_DHLEN);
	explicit_bzero(&answer, sizeof(answer));
	return result;
}

static void take_keys(struct keeper_keys *keys, const struct keeper_answer *answer)
{
	*keys = answer->keys;
	if (keys->count > OWN_KEYS_MAX)
		keys->count = OWN_KEYS_MAX;
}

/* An orderly error (EINVAL), or a keeper that ended without a word. */
static int hear_greeting(struct keeper_client *client, char *error, size_t error_size)
{
	const struct timeval timeout = { ANSWER_TIMEOUT_S, 0 };
	struct keeper_answer answer;
	char ended[100];
	int file;

	if (receive(client->fd, &answer, &file) < 0) {
		keeper_client_bury(client, ended, sizeof(ended));
		snprintf(error, error_size, "the process that keeps the key %s", ended);
		errno = ECHILD;
		return -1;
	}
	if (file >= 0)
		close(file);
	if (answer.question != KEEPER_HELLO || answer.error != 0) {
		snprintf(error, error_size, "%.*s", KEEPER_ERROR_MAX - 1, answer.reason);
		errno = EINVAL;
		return -1;
	}
	take_keys(&client->keys, &answer);
	setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	return 0;
}

struct keeper_client *keeper_client_create(int fd, pid_t pid, const char *list_path, char *error, size_t error_size)
{
	struct keeper_client *client = calloc(1, sizeof(*client));
	int reason;

	if (client == NULL || (client->list_path = strdup(list_path)) == NULL) {
		free(client);
		snprintf(error, error_size, "out of memory");
		close(fd);
		errno = ENOMEM;
		return NULL;
	}
	client->fd = fd;
	client->pid = pid;
	pthread_mutex_init(&client->lock, NULL);
	if (hear_greeting(client, error, error_size) == 0)
		return client;
	reason = errno;
	keeper_client_destroy(client);
	errno = reason;
	return NULL;
}

void keeper_client_destroy(struct keeper_client *client)
{
	int status;

	if (client == NULL)
		return;
	close(client->fd);
	has_ended(client, &status);
	pthread_mutex_destroy(&client->lock);
	free(client->list_path);
	free(client);
}

struct keeper_keys keeper_client_keys(const struct keeper_client *client)
{
	return client->keys;
}

struct noise_static_key keeper_client_static_key(struct keeper_client_key *key)
{
	struct noise_static_key result = { .dh = dh, .context = key };

	memcpy(result.public_key, key->public_key, sizeof(result.public_key));
	return result;
}

static enum keeper_word word_of(const struct keeper_answer *answer)
{
	if (answer->is_authorized)
		return KEEPER_YES;
	if (answer->is_invited)
		return KEEPER_INVITED;
	return answer->is_unknown ? KEEPER_UNKNOWN : KEEPER_NO;
}

enum keeper_word keeper_client_authorize(struct keeper_client *client,
					 const uint8_t public_key[NOISE_DHLEN],
					 struct authorized_client *client_out,
					 struct tenant_terms *terms_out)
{
	enum keeper_word word = KEEPER_GONE;
	struct keeper_answer answer;

	if (ask_about(client, KEEPER_AUTHORIZE, public_key, &answer) == 0)
		word = word_of(&answer);
	if (word == KEEPER_YES || word == KEEPER_INVITED) {
		*client_out = answer.client;
		client_out->name[CLIENT_NAME_MAX] = '\0';
		*terms_out = answer.terms;
	}
	explicit_bzero(&answer, sizeof(answer));
	return word;
}

/* The keeper would look in the same way, and find the same. */
static bool is_still_good(const struct keeper_client *client, const struct keeper_admission *admission, const char *sender_domain)
{
	return admission->is_kept && strcmp(admission->sender_domain, sender_domain) == 0 &&
	       !table_has_changed(client->list_path, &admission->list);
}

/* An answer of a socketmap is not: who knows for how long it is good is the keeper. */
static void keep(struct keeper_admission *admission, const struct keeper_answer *answer, const char *sender_domain)
{
	admission->is_kept = answer->is_authorized && answer->list.st_ino != 0;
	if (!admission->is_kept)
		return;
	admission->list = answer->list;
	admission->terms = answer->terms;
	snprintf(admission->sender_domain, sizeof(admission->sender_domain), "%s", sender_domain);
}

enum keeper_word keeper_client_admit(struct keeper_client *client,
				     const uint8_t public_key[NOISE_DHLEN],
				     const char *sender_domain, struct keeper_admission *admission,
				     struct tenant_terms *terms_out)
{
	struct keeper_request request = { .question = KEEPER_ADMIT };
	struct keeper_answer answer;
	int file, result;

	if (is_still_good(client, admission, sender_domain)) {
		*terms_out = admission->terms;
		return KEEPER_YES;
	}
	memcpy(request.public_key, public_key, sizeof(request.public_key));
	snprintf(request.sender, sizeof(request.sender), "%s", sender_domain);
	result = ask(client, &request, &answer, &file);
	if (file >= 0)
		close(file);
	if (result < 0)
		return KEEPER_GONE;
	*terms_out = answer.terms;
	keep(admission, &answer, sender_domain);
	return word_of(&answer);
}

enum keeper_word keeper_client_is_authorized(struct keeper_client *client,
					     const uint8_t public_key[NOISE_DHLEN])
{
	struct keeper_answer answer;

	if (ask_about(client, KEEPER_IS_AUTHORIZED, public_key, &answer) < 0)
		return KEEPER_GONE;
	return word_of(&answer);
}

int keeper_client_list(struct keeper_client *client, size_t *count_out, uint64_t *generation_out,
		       struct keeper_keys *keys_out)
{
	struct keeper_answer answer;

	if (ask_about(client, KEEPER_LIST, NULL, &answer) < 0)
		return -1;
	*count_out = answer.count;
	*generation_out = answer.generation;
	take_keys(keys_out, &answer);
	return 0;
}

enum keeper_word keeper_client_login(struct keeper_client *client, const char *next_hop,
				     struct sasl_login *login_out, uint64_t *generation_out)
{
	struct keeper_request request = { .question = KEEPER_LOGIN };
	enum keeper_word word = KEEPER_GONE;
	struct keeper_answer answer;
	int file;

	snprintf(request.path, sizeof(request.path), "%s", next_hop);
	if (ask(client, &request, &answer, &file) == 0)
		word = answer.has_login ? KEEPER_YES : KEEPER_NO;
	if (file >= 0)
		close(file);
	if (word == KEEPER_YES) {
		*login_out = answer.login;
		*generation_out = answer.generation;
		login_out->user[SASL_USER_MAX] = login_out->password[SASL_PASSWORD_MAX] = '\0';
	}
	explicit_bzero(&answer, sizeof(answer));
	return word;
}

enum enrolment_result keeper_client_enrol(struct keeper_client *client, const uint8_t invite_key[NOISE_DHLEN],
					  const uint8_t client_key[NOISE_DHLEN], char *reason, size_t reason_size)
{
	struct keeper_request request = { .question = KEEPER_ENROL };
	struct keeper_answer answer;
	int file;

	memcpy(request.public_key, client_key, sizeof(request.public_key));
	memcpy(request.invite_key, invite_key, sizeof(request.invite_key));
	if (ask(client, &request, &answer, &file) < 0) {
		snprintf(reason, reason_size, "the edge is about to restart; try again in a moment");
		return ENROLMENT_REFUSED;
	}
	if (file >= 0)
		close(file);
	snprintf(reason, reason_size, "%.*s", KEEPER_ERROR_MAX - 1, answer.reason);
	return (enum enrolment_result)answer.enrolment;
}

int keeper_client_open(void *client, const char *path)
{
	struct keeper_request request = { .question = KEEPER_OPEN };
	struct keeper_answer answer;
	size_t length = strlen(path);
	int file;

	if (length >= sizeof(request.path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(request.path, path, length);
	if (ask(client, &request, &answer, &file) < 0) {
		errno = EIO;
		return -1;
	}
	if (file < 0)
		errno = answer.error != 0 ? answer.error : EIO;
	return file;
}

int keeper_client_fd(const struct keeper_client *client)
{
	return client->fd;
}

void keeper_client_bury(struct keeper_client *client, char *text, size_t size)
{
	int status;

	if (!has_ended(client, &status))
		snprintf(text, size, client->pid > 0 ? "does not answer" : "is gone");
	else if (WIFSIGNALED(status))
		snprintf(text, size, "was killed by signal %d", WTERMSIG(status));
	else
		snprintf(text, size, "ended with status %d", WEXITSTATUS(status));
}
