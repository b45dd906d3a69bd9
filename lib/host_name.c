/* A check of syntax; whether there is such a host is for the DNS to say. */
#include "host_name.h"

#include <string.h>

#include "smtp_limits.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
/* RFC 1035 2.3.4 */
#define LABEL_MAX 63

bool host_name_is_full(const char *name)
{
	const char *label = name;
	size_t length = 0;

	if (strlen(name) > SMTP_DOMAIN_MAX || strchr(name, '.') == NULL)
		return false;
	for (;; label += length + 1) {
		length = strspn(label, LETTERS "0123456789-");
		if (length == 0 || length > LABEL_MAX || label[0] == '-' ||
		    label[length - 1] == '-')
			return false;
		if (label[length] == '\0')
			return strcspn(label, LETTERS) < length;
		if (label[length] != '.')
			return false;
	}
}
