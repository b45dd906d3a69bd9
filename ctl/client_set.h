/* Other options for a client of the allow-list, in every line of its name. */
#ifndef CLIENT_SET_H
#define CLIENT_SET_H

/*
 * enrolled: as of authorized_clients_read(). options: `count` words "option=value"; "option=" takes the option out, "disabled" and "enabled" switch the
 * client. Comments, other lines and other options stay. The changed list is read as the edge will
 * read it before it counts. Says what it did, or why it did not; an exit code of sysexits(3).
 */
int client_set(const char *path, const char *enrolled, const char *name, char *const *options, int count);

#endif
