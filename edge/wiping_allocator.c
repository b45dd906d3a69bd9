/*
 * The edge handles other people's mail, and promises to keep none of it. Wiping it in the places of our own that hold it would
 * leave those of the libraries, and each place that is added later.
 *
 * The rest of the allocator is glibc's, or that of a library loaded before it. M_PERTURB of glibc would not do: it passes over the small
 * blocks that a thread keeps for itself. realloc(3) may move a block and leave its copy behind, so ours moves it by hand. calloc(3) and
 * the rest need nothing. free(3) leaves errno alone, as POSIX.1-2024 demands.
 */
#include "wiping_allocator.h"

#include <dlfcn.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#endif

#ifdef IS_SANITIZED

bool wiping_allocator_is_active(void)
{
	return false;
}

#else

typedef void free_fn(void *memory);

/* Found at the first call; two threads would find the same one. */
static _Atomic(free_fn *) next_free;
/* dlsym(3) itself may free the text of an error that nobody asked for; that one is lost. */
static _Thread_local bool is_looking;

static free_fn *look_up(void)
{
	free_fn *function;
	void *symbol;

	is_looking = true;
	symbol = dlsym(RTLD_NEXT, "free");
	is_looking = false;
	memcpy(&function, &symbol, sizeof(function));	/* what POSIX means by a cast */
	atomic_store_explicit(&next_free, function, memory_order_relaxed);
	return function;
}

static void give_back(void *memory)
{
	free_fn *function = atomic_load_explicit(&next_free, memory_order_relaxed);

	if (function == NULL && is_looking)
		return;
	if (function == NULL)
		function = look_up();
	function(memory);
}

void free(void *memory)
{
	if (memory == NULL)
		return;
	explicit_bzero(memory, malloc_usable_size(memory));
	give_back(memory);
}

void *realloc(void *memory, size_t size)
{
	size_t usable;
	void *fresh;

	if (memory == NULL)
		return malloc(size);
	if (size == 0) {
		free(memory);
		return NULL;
	}
	usable = malloc_usable_size(memory);
	if (size <= usable && size >= usable / 2)
		return memory;
	fresh = malloc(size);
	if (fresh == NULL)
		return NULL;
	memcpy(fresh, memory, size < usable ? size : usable);
	free(memory);
	return fresh;
}

bool wiping_allocator_is_active(void)
{
	return true;
}

#endif
