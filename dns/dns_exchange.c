/*
 * One question to one DNS server (RFC 1035 4.2, RFC 7766). Against forged answers: each question
 * has its own connected socket, hence a port of the kernel's choice and no datagrams from other
 * addresses, and a random id (RFC 5452 9.2); whatever does not fit is dropped and waited over, so
 * that a wrong guess costs the forger a try and us nothing.
 *
 * Asks once. Which server is asked how often is dns_lookup's business.
 */
#include "dns_exchange.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/endpoint.h"
#include "lib/stream.h"

/* Room for a server that sends more than it was told it may. */
#define UDP_ANSWER_MAX 4096
#define TCP_TIMEOUT_MS 5000

static enum dns_reading failed_errno(struct dns_message *message)
{
	snprintf(message->problem, sizeof(message->problem), "%m");
	return DNS_READ_FAILED;
}

/* Until an answer to this question, an error or the deadline. */
static enum dns_reading receive(int fd, const struct dns_question *question,
				struct deadline deadline, struct dns_message *message)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	uint8_t bytes[UDP_ANSWER_MAX];

	for (;;) {
		enum dns_reading reading;
		ssize_t length;
		int ready = poll(&poll_fd, 1, deadline_poll_ms(deadline));

		if (ready == 0 && deadline_has_passed(deadline))
			return DNS_READ_TIMED_OUT;
		if (ready < 0 && errno != EINTR)
			return failed_errno(message);
		if (ready <= 0)
			continue;
		length = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (length < 0 && errno != EAGAIN && errno != EINTR)
			return failed_errno(message);
		if (length < 0)
			continue;
		reading = dns_message_read(bytes, (size_t)length, question, message);
		if (reading != DNS_READ_FOREIGN)
			return reading;
		/* A flood of foreign datagrams must not outlast the deadline. */
		if (deadline_has_passed(deadline))
			return DNS_READ_TIMED_OUT;
	}
}

static enum dns_reading ask_udp(const struct dns_server *server,
				const struct dns_question *question, const uint8_t *query,
				size_t length, struct deadline deadline,
				struct dns_message *message)
{
	enum dns_reading reading;
	int fd = socket(server->address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return failed_errno(message);
	if (connect(fd, (const struct sockaddr *)&server->address, server->length) != 0 ||
	    send(fd, query, length, MSG_NOSIGNAL) != (ssize_t)length)
		reading = failed_errno(message);
	else
		reading = receive(fd, question, deadline, message);
	close(fd);
	return reading;
}

/* RFC 7766 8: each message is preceded by its length in two bytes. */
static enum dns_reading converse_tcp(struct stream *stream, const struct dns_question *question,
				     const uint8_t *query, size_t length, struct deadline deadline,
				     struct dns_message *message)
{
	uint8_t framed[2 + DNS_QUERY_MAX] = { (uint8_t)(length >> 8), (uint8_t)length }, size[2];
	enum dns_reading reading = DNS_READ_FOREIGN;
	enum stream_result result;
	uint8_t *answer;

	memcpy(framed + 2, query, length);
	result = stream_write_full(stream, framed, length + 2, deadline);
	if (result == STREAM_OK)
		result = stream_read_full(stream, size, sizeof(size), deadline);
	if (result != STREAM_OK)
		goto broken;
	length = (size_t)(size[0] << 8 | size[1]);
	answer = malloc(length + 1);
	if (answer == NULL)
		return failed_errno(message);
	result = stream_read_full(stream, answer, length, deadline);
	if (result == STREAM_OK)
		reading = dns_message_read(answer, length, question, message);
	free(answer);
	if (result == STREAM_OK && reading != DNS_READ_FOREIGN && reading != DNS_READ_TRUNCATED)
		return reading;
broken:
	if (result == STREAM_TIMEOUT)
		return DNS_READ_TIMED_OUT;
	snprintf(message->problem, sizeof(message->problem), "%s",
		 result == STREAM_ERROR ? "broken TCP connection"
		 : result == STREAM_EOF ? "TCP connection without an answer"
					: "useless answer over TCP");
	return DNS_READ_FAILED;
}

static enum dns_reading ask_tcp(const struct dns_server *server,
				const struct dns_question *question, const uint8_t *query,
				size_t length, struct deadline deadline,
				struct dns_message *message)
{
	struct endpoint endpoint = { 0 };
	enum dns_reading reading;
	struct stream stream;
	char error[256];
	int fd = -1;

	if (getnameinfo((const struct sockaddr *)&server->address, server->length, endpoint.host,
			sizeof(endpoint.host), endpoint.port, sizeof(endpoint.port),
			NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		fd = endpoint_connect(&endpoint, deadline, error, sizeof(error));
	if (fd < 0) {
		snprintf(message->problem, sizeof(message->problem),
			 "truncated answer and no TCP service");
		return DNS_READ_FAILED;
	}
	stream_init(&stream, fd, fd);
	reading = converse_tcp(&stream, question, query, length, deadline, message);
	stream_wipe(&stream);
	return reading;
}

enum dns_reading dns_exchange(const struct dns_server *server, struct dns_question *question,
			      struct deadline udp_deadline, struct deadline deadline,
			      struct dns_message *message)
{
	uint8_t query[DNS_QUERY_MAX];
	enum dns_reading reading;
	size_t length;

	message->rcode = -1;
	message->records = (struct dns_records){ 0 };
	message->problem[0] = '\0';
	if (getrandom(&question->id, sizeof(question->id), 0) != sizeof(question->id))
		return failed_errno(message);
	length = dns_message_write_query(query, question);
	if (length == 0) {
		errno = ENOMEM;
		return failed_errno(message);
	}
	reading = ask_udp(server, question, query, length, deadline_earlier(udp_deadline, deadline),
			  message);
	if (reading == DNS_READ_TRUNCATED)
		reading = ask_tcp(server, question, query, length,
				  deadline_earlier(deadline_in_ms(TCP_TIMEOUT_MS), deadline),
				  message);
	return reading;
}
