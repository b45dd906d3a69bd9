/*
 * Size and time bounds of everything SMTP and LMTP, each with its reason.
 * The tunnel's own bounds are in tunnel/tunnel_limits.h.
 */
#ifndef SMTP_LIMITS_H
#define SMTP_LIMITS_H

/* RFC 5321 4.5.4.2: where mail servers listen. */
#define SMTP_PORT 25
/* RFC 5321 4.5.3.1.1: local part, octets. */
#define SMTP_LOCAL_PART_MAX 64
/* RFC 5321 4.5.3.1.2: domain, octets (an address literal fits too). */
#define SMTP_DOMAIN_MAX 255
/* A mailbox printed as local@domain. RFC 5321 4.5.3.1.3 allows 256 with the brackets; Postfix takes more, so we carry the sum. */
#define SMTP_MAILBOX_MAX (SMTP_LOCAL_PART_MAX + 1 + SMTP_DOMAIN_MAX)
/* One command line from Postfix: RFC 5321 4.5.3.1.4 says 512, DSN and SMTPUTF8 parameters add (RFC 3461 4.4: ENVID 100, ORCPT 500). */
#define SMTP_COMMAND_MAX 4096
/* One reply line from a server: RFC 5321 4.5.3.1.5 says 512; real servers send more; beyond this it is an attack. */
#define SMTP_REPLY_LINE_MAX 4096
/* Lines and bytes of one multi-line reply. EHLO of the richest real server has about 20 lines. */
#define SMTP_REPLY_LINES_MAX 100
#define SMTP_REPLY_BYTES_MAX 65536
/* Reply text kept for logs, bounces and the tunnel, after it was made printable. */
#define SMTP_REPLY_TEXT_MAX 512
/* RFC 3461 4.4: ENVID value as sent (xtext), octets. */
#define SMTP_ENVID_MAX 100
/* RFC 3461 4.2: ORCPT value as sent (addr-type;xtext), octets. */
#define SMTP_ORCPT_MAX 500
/* Recipients of one mail transaction: Postfix sends at most default_destination_recipient_limit (50); administrators raise it. */
#define SMTP_RECIPIENTS_MAX 1000
/* RFC 5321 4.5.3.1.8: every server must take 100 recipients; more go into a further transaction on the same connection. */
#define SMTP_RECIPIENTS_PER_TRANSACTION 100

/* RFC 5321 4.5.3.2: how long a client waits for each reply. The deadline of the whole delivery cuts all of them. */
#define SMTP_CONNECT_TIMEOUT_MS 30000
#define SMTP_GREETING_TIMEOUT_MS 300000
#define SMTP_EHLO_TIMEOUT_MS 300000
#define SMTP_TLS_HANDSHAKE_TIMEOUT_MS 30000
#define SMTP_MAIL_TIMEOUT_MS 300000
#define SMTP_RCPT_TIMEOUT_MS 300000
#define SMTP_DATA_INIT_TIMEOUT_MS 120000
/* RFC 5321 4.5.3.2.5: the longest standstill while content is written. */
#define SMTP_DATA_BLOCK_TIMEOUT_MS 180000
#define SMTP_DATA_DONE_TIMEOUT_MS 600000
#define SMTP_QUIT_TIMEOUT_MS 5000
/* While content is written: a peer that takes less than this is not receiving mail but holding a slot (Postfix smtp_min_data_rate). */
#define SMTP_MIN_DATA_RATE_BYTES_PER_S 500
/* Grace before the minimum rate is enforced. */
#define SMTP_MIN_DATA_RATE_GRACE_MS 30000

#endif
