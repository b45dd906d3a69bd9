/* host-port25: for information alone, never wrong. Nothing is said to the server. */
#include <unistd.h>

#include "lib/endpoint.h"
#include "mail_host.h"

#define SERVER "gmail-smtp-in.l.google.com:25"
#define TIME_LIMIT_MS 3000

void check_port25(struct mail_host *host)
{
	struct endpoint endpoint;
	char error[600];
	int fd = -1;

	if (endpoint_parse(&endpoint, SERVER, NULL, error, sizeof(error)) == 0)
		fd = endpoint_connect(&endpoint, deadline_in_ms(TIME_LIMIT_MS), error, sizeof(error));
	if (fd < 0) {
		finding_add(host->list, "host-port25", "port 25 from here", FINDING_OK, "closed (%s); postern does not need it", error);
		return;
	}
	close(fd);
	finding_add(host->list, "host-port25", "port 25 from here", FINDING_OK, "open; postern does not need it");
}
