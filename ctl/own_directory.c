/* There are no directories below it: what is one is not ours, and stays. */
#include "own_directory.h"

#include <dirent.h>
#include <unistd.h>

void own_directory_remove(const char *path)
{
	DIR *directory = opendir(path);
	const struct dirent *entry;

	if (directory == NULL)
		return;
	while ((entry = readdir(directory)) != NULL)
		unlinkat(dirfd(directory), entry->d_name, 0);
	closedir(directory);
	rmdir(path);
}
