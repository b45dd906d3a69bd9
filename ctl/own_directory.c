/* There are no directories below it: what is one is not ours, and stays. */
#include "own_directory.h"

#include <dirent.h>
#include <string.h>
#include <unistd.h>

void own_directory_remove(const char *path, const char *last)
{
	DIR *directory = opendir(path);
	const struct dirent *entry;

	if (directory == NULL)
		return;
	while ((entry = readdir(directory)) != NULL)
		if (last == NULL || strcmp(entry->d_name, last) != 0)
			unlinkat(dirfd(directory), entry->d_name, 0);
	if (last != NULL)
		unlinkat(dirfd(directory), last, 0);
	closedir(directory);
	rmdir(path);
}
