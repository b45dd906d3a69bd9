/*
 * A worker that has been taken over, and asks the keeper anything. The input is a list of requests:
 * a byte for the kind and a byte for its argument, then
 *
 *   0  the request that is asked most: may this key still deliver? (argument: which key)
 *   1  DH with a point (argument: a key, or bytes of the input)
 *   2  may this key shake hands? (argument: which key)
 *   3  the list
 *   4  a file (argument: which, or a path out of the input)
 *   5  a datagram as it is (argument: its length, in steps of 18 bytes)
 *   6  the login for a relay (argument: which, or a name out of the input)
 *   240..255  may it deliver for this sender? (argument: which key); 224..239  enrol (argument: which key)
 *
 * However it asks: an answer has the size of an answer, carries the request's question and number,
 * and what nobody filled in is zero. The secret key is in none of them, the psk and the password only
 * in the answer that brings it, and no file comes along that is guarded. What is malformed ends the service.
 *
 * feeds: requests of a hostile worker to the keeper
 * covers: edge/keeper.c:answer_authorize, answer_enrol, answer_login, answer_request, open_for_worker, send_answer, serve_one,
 *     keeper_serve edge/guarded_files.c:guarded_files_has
 */
#include <sodium.h>
#include <sys/socket.h>

#include "edge/keeper.h"
#include "edge/keeper_protocol.h"
#include "fuzz_target.h"
#include "tunnel/base64_key.h"

#define DATAGRAM_STEP 18
#define PEER_KEYS 4

static const uint8_t edge_secret[NOISE_DHLEN] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
static const uint8_t psk[NOISE_KEYLEN] = { 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32 };
static struct noise_keypair edge_key, peers[PEER_KEYS]; /* the first has a psk, the second none */
static const char password[] = "a password of one relay";
static struct memory_file clients_file, other_file, passwords_file;
static char directory[] = "/tmp/fuzz_keeper.XXXXXX";
static char psk_path[sizeof(directory) + 4], key_path[sizeof(directory) + 4];
static const struct keeper_settings settings;
static struct keeper keeper = { .settings = &settings, .enrolment.fd = -1 };

static void write_key(char *path, const char *name, const uint8_t key[NOISE_DHLEN])
{
	char text[BASE64_KEY_TEXT + 2];
	FILE *file;

	sprintf(path, "%s/%s", directory, name);
	base64_key_encode(text, key);
	strcat(text, "\n");
	file = fopen(path, "w");
	require(file != NULL && fchmod(fileno(file), 0600) == 0 && fputs(text, file) >= 0);
	require(fclose(file) == 0);
}

static void remove_files(void)
{
	unlink(psk_path);
	unlink(key_path);
	rmdir(directory);
}

static void write_list(void)
{
	char text[600], third[BASE64_KEY_TEXT + 1], first[BASE64_KEY_TEXT + 1], second[BASE64_KEY_TEXT + 1];

	base64_key_encode(first, peers[0].public_key);
	base64_key_encode(second, peers[1].public_key);
	base64_key_encode(third, peers[2].public_key);
	snprintf(text, sizeof(text), "%s alice psk=%s\n%s bob\n%s carol invite=2999-01-01T00:00:00Z\n", first, psk_path,
		 second, third);
	memory_file_open(&clients_file, text, strlen(text));
}

static void write_passwords(void)
{
	char text[200];

	snprintf(text, sizeof(text), "[relay.example]:587 user:%s\n[other.example] x:y\n", password);
	memory_file_open(&passwords_file, text, strlen(text));
	require(fchmod(passwords_file.fd, 0600) == 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	uint8_t secret[NOISE_DHLEN] = { 0 };
	char error[400];

	(void)argc;
	(void)argv;
	be_silent();
	require(sodium_init() >= 0 && mkdtemp(directory) != NULL && atexit(remove_files) == 0);
	require(noise_keypair_from_secret(&edge_key, edge_secret) == 0);
	for (uint8_t i = 0; i < PEER_KEYS; i++) {
		secret[1] = (uint8_t)(40 + i); /* of the first byte clamping takes three bits */
		require(noise_keypair_from_secret(&peers[i], secret) == 0);
	}
	write_key(psk_path, "psk", psk);
	write_key(key_path, "key", edge_secret);
	write_list();
	memory_file_open(&other_file, "ehlo_name = \"x\";\n", 18);
	keeper.keys.path = keeper.keys.next_path = "/nonexistent";
	keeper.keys.keys[0] = noise_keypair_static_key(&edge_key);
	keeper.clients = client_list_create(clients_file.path, NULL, edge_key.public_key, error, sizeof(error));
	write_passwords();
	keeper.passwords = relay_passwords_create(passwords_file.path, error, sizeof(error));
	require(keeper.passwords != NULL && guarded_files_add(&keeper.guarded, passwords_file.path) == 0);
	require(keeper.clients != NULL && client_list_count(keeper.clients) == 2);
	require(guarded_files_add(&keeper.guarded, psk_path) == 0);
	require(guarded_files_add(&keeper.guarded, key_path) == 0);
	require(guarded_files_add(&keeper.guarded, clients_file.path) == 0);
	return 0;
}

/* ---- a conversation ---- */

/* Has the keeper, which lives in this process, an answer to every request? Asked one at a time. */
static size_t converse(const void *request, size_t length, struct keeper_answer *answer, int *file_out)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec part = { answer, sizeof(*answer) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	int ends[2];
	ssize_t got;

	*file_out = -1;
	require(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
	require(send(ends[0], request, length, 0) == (ssize_t)length);
	shutdown(ends[0], SHUT_WR);
	keeper_serve(&keeper, ends[1]);
	got = recvmsg(ends[0], &message, MSG_DONTWAIT);
	if (got > 0 && CMSG_FIRSTHDR(&message) != NULL)
		memcpy(file_out, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
	require((message.msg_flags & MSG_TRUNC) == 0);
	close(ends[0]);
	close(ends[1]);
	return got > 0 ? (size_t)got : 0;
}

static bool holds(const struct keeper_answer *answer, const uint8_t *secret, size_t length)
{
	const uint8_t *bytes = (const uint8_t *)answer;

	for (size_t i = 0; i + length <= sizeof(*answer); i++)
		if (memcmp(bytes + i, secret, length) == 0)
			return true;
	return false;
}

static void check_file(int fd)
{
	struct stat status;

	require(fstat(fd, &status) == 0 && S_ISREG(status.st_mode));
	require(!guarded_files_has(&keeper.guarded, &status));
	close(fd);
}

static void check_answer(const struct keeper_request *request, const struct keeper_answer *answer, int file)
{
	require(answer->question == request->question && answer->number == request->number);
	require(!holds(answer, edge_key.secret_key, 12) && !holds(answer, edge_secret, 12));
	require(!holds(answer, psk, 12) ||
		(request->question == KEEPER_AUTHORIZE &&
		 memcmp(request->public_key, peers[0].public_key, NOISE_DHLEN) == 0));
	require(!holds(answer, (const uint8_t *)password, 12) ||
		(request->question == KEEPER_LOGIN && strcmp(request->path, "[relay.example]:587") == 0));
	require(!answer->is_invited || memcmp(request->public_key, peers[2].public_key, NOISE_DHLEN) == 0);
	/* There is no file to write it down. */
	require(answer->enrolment != ENROLMENT_DONE);
	require(request->question == KEEPER_ENROL || answer->enrolment == 0);
	require(file < 0 || (request->question == KEEPER_OPEN && answer->error == 0));
	if (request->question == KEEPER_AUTHORIZE || request->question == KEEPER_IS_AUTHORIZED ||
	    request->question == KEEPER_ADMIT)
		require(answer->is_authorized == (memcmp(request->public_key, peers[0].public_key, NOISE_DHLEN) == 0 ||
						  memcmp(request->public_key, peers[1].public_key, NOISE_DHLEN) == 0));
}

static void ask(const void *bytes, size_t length)
{
	static struct keeper_answer answer;
	struct keeper_request request = { 0 };
	size_t got;
	int file;

	memset(&answer, 0, sizeof(answer));
	got = converse(bytes, length, &answer, &file);
	require(got == 0 || got == sizeof(answer));
	if (length != sizeof(request)) {
		require(got == 0);
		return;
	}
	memcpy(&request, bytes, sizeof(request));
	require(got != 0 || request.question <= KEEPER_HELLO || request.question > KEEPER_ENROL ||
		request.question == KEEPER_OPEN || request.question == KEEPER_LOGIN ||
		request.question == KEEPER_ADMIT);
	if (got != 0)
		check_answer(&request, &answer, file);
	if (file >= 0)
		check_file(file);
}

/* ---- the input ---- */

static void set_path(struct keeper_request *request, uint8_t which, const uint8_t *rest, size_t left)
{
	const char *const known[] = { key_path, psk_path, clients_file.path, other_file.path, directory,
				      "/proc/self/mem", "/dev/null", "", passwords_file.path };

	if (which < sizeof(known) / sizeof(known[0]))
		snprintf(request->path, sizeof(request->path), "%s", known[which]);
	else
		memcpy(request->path, rest, left < which ? left : which);
}

static void set_relay(struct keeper_request *request, uint8_t which, const uint8_t *rest, size_t left)
{
	const char *const known[] = { "[relay.example]:587", "[other.example]:25", "[Relay.example]:587", "" };

	if (which < sizeof(known) / sizeof(known[0]))
		snprintf(request->path, sizeof(request->path), "%s", known[which]);
	else
		memcpy(request->path, rest, left < which ? left : which);
}

static void ask_kind(uint8_t kind, uint8_t argument, const uint8_t *rest, size_t left)
{
	static const enum keeper_question questions[] = { KEEPER_IS_AUTHORIZED, KEEPER_DH, KEEPER_AUTHORIZE,
							  KEEPER_LIST, KEEPER_OPEN, 0, KEEPER_LOGIN };
	static struct keeper_request request;

	request = (struct keeper_request){ .question = questions[kind], .number = argument };
	if (kind == 4)
		set_path(&request, argument, rest, left);
	else if (kind == 6)
		set_relay(&request, argument, rest, left);
	else if (argument < PEER_KEYS)
		memcpy(request.public_key, peers[argument].public_key, NOISE_DHLEN);
	else
		memcpy(request.public_key, rest, left < NOISE_DHLEN ? left : NOISE_DHLEN);
	ask(&request, sizeof(request));
}

static void ask_to_admit(uint8_t argument, const uint8_t *rest, size_t left)
{
	static struct keeper_request request;

	request = (struct keeper_request){ .question = KEEPER_ADMIT, .number = argument };
	memcpy(request.public_key, peers[argument % PEER_KEYS].public_key, NOISE_DHLEN);
	memcpy(request.sender, rest, left < sizeof(request.sender) ? left : sizeof(request.sender));
	ask(&request, sizeof(request));
}

static void ask_to_enrol(uint8_t argument, const uint8_t *rest, size_t left)
{
	static struct keeper_request request;

	request = (struct keeper_request){ .question = KEEPER_ENROL, .number = argument };
	memcpy(request.public_key, rest, left < NOISE_DHLEN ? left : NOISE_DHLEN);
	memcpy(request.invite_key, peers[argument % PEER_KEYS].public_key, NOISE_DHLEN);
	ask(&request, sizeof(request));
}

static void ask_raw(size_t length, const uint8_t *rest, size_t left)
{
	static uint8_t datagram[255 * DATAGRAM_STEP + 1];

	memset(datagram, 0, sizeof(datagram));
	memcpy(datagram, rest, left < sizeof(datagram) ? left : sizeof(datagram));
	/* One of them is the right size. */
	ask(datagram, length > sizeof(struct keeper_request) - DATAGRAM_STEP && length < sizeof(struct keeper_request)
			      ? sizeof(struct keeper_request)
			      : length);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	for (size_t at = 0; at + 2 <= length; at += 2) {
		if (bytes[at] % 7 == 5) {
			ask_raw((size_t)bytes[at + 1] * DATAGRAM_STEP + 1, bytes + at + 2, length - at - 2);
			break;
		}
		if (bytes[at] >= 0xf0) {
			ask_to_admit(bytes[at + 1], bytes + at + 2, length - at - 2);
			break;
		}
		if (bytes[at] >= 0xe0) {
			ask_to_enrol(bytes[at + 1], bytes + at + 2, length - at - 2);
			break;
		}
		ask_kind(bytes[at] % 7, bytes[at + 1], bytes + at + 2, length - at - 2);
	}
	return 0;
}
