/*
 * What postern-sts-fetch gives up, in two steps, before it talks to anybody. Neither can be taken
 * back.
 */
#ifndef CONFINEMENT_H
#define CONFINEMENT_H

#include <stddef.h>
#include <stdint.h>

/*
 * First thing in main(): ends with the thread that started us, has no descriptors but 0 to 2 (which
 * are open afterwards), cannot gain privileges, cannot be traced or leave a core, starts no
 * processes, writes no files (unless its output is one), and is bounded in memory and time. 0, or
 * -1 with error.
 */
int confinement_begin(char *error, size_t error_size);
/*
 * When all files are read: Landlock takes away the whole file system and, as far as the kernel
 * knows how, every TCP port but this one and signals to other processes. 0 also when the kernel has
 * no Landlock; -1 with error when it has and refuses.
 */
int confinement_seal(uint16_t port, char *error, size_t error_size);

#endif
