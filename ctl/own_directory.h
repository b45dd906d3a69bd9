/* A directory that we made for files of ours alone. */
#ifndef OWN_DIRECTORY_H
#define OWN_DIRECTORY_H

/*
 * Removes it with all files in it, also those that a killed run has left there. What cannot be
 * removed stays, and so does the directory then; one that is not there is no error.
 */
void own_directory_remove(const char *path);

#endif
