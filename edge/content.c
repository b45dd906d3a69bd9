/*
 * The content of one message as a list of chunks: a small one first, because most mail is small,
 * then large ones.
 *
 * Chunks come from mmap(2), not from malloc(3). glibc raises its mmap threshold when a large block
 * is freed, and from then on large blocks live in the arena of the thread that asked: an edge that
 * carried one burst of big messages would keep that memory for good, once per arena. An unmapped
 * chunk is the kernel's again at once.
 *
 * The pool counts whole chunks, so its cap is a promise about memory and not about message bytes. To map memory, to fault its pages in
 * and to unmap it again costs more than to receive and deliver what is in it: a tenth of the time that a small message takes. So some small
 * chunks are overwritten and kept, beyond the cap.
 * There is no spilling to disk and no reading while another thread appends.
 */
#include "content.h"

#include <string.h>
#include <sys/mman.h>

#define FIRST_CHUNK_SIZE ((size_t)16 * 1024)
#define CHUNK_SIZE ((size_t)CONTENT_SLACK_MAX)

/* A mebibyte. */
#define SPARE_MAX 64

/* Both sizes include this head. */
struct content_chunk {
	struct content_chunk *next;
	size_t size;		/* of the mapping */
	size_t used;		/* of bytes[] */
	uint8_t bytes[];
};

void content_pool_init(struct content_pool *pool, uint64_t cap)
{
	pthread_mutex_init(&pool->lock, NULL);
	pool->used = 0;
	pool->cap = cap;
	pool->spare = NULL;
	pool->spare_count = 0;
}

void content_pool_wipe(struct content_pool *pool)
{
	for (struct content_chunk *chunk = pool->spare, *next; chunk != NULL; chunk = next) {
		next = chunk->next;
		munmap(chunk, chunk->size);
	}
	pthread_mutex_destroy(&pool->lock);
}

uint64_t content_pool_used(struct content_pool *pool)
{
	uint64_t used;

	pthread_mutex_lock(&pool->lock);
	used = pool->used;
	pthread_mutex_unlock(&pool->lock);
	return used;
}

/* Caller holds the lock. */
static struct content_chunk *take_spare(struct content_pool *pool)
{
	struct content_chunk *chunk = pool->spare;

	if (chunk == NULL)
		return NULL;
	pool->spare = chunk->next;
	pool->spare_count--;
	return chunk;
}

/* *spare_out: memory for it, or NULL if it is to be mapped. */
static bool pool_take(struct content_pool *pool, size_t size, struct content_chunk **spare_out)
{
	bool fits;

	*spare_out = NULL;
	pthread_mutex_lock(&pool->lock);
	fits = pool->cap >= size && pool->used <= pool->cap - size;
	if (fits)
		pool->used += size;
	if (fits && size == FIRST_CHUNK_SIZE)
		*spare_out = take_spare(pool);
	pthread_mutex_unlock(&pool->lock);
	return fits;
}

/* The chunk is to be unmapped; or kept, and then it holds nothing. */
static bool pool_give_back(struct content_pool *pool, size_t size, struct content_chunk *chunk)
{
	bool is_kept;

	pthread_mutex_lock(&pool->lock);
	pool->used -= size;
	is_kept = chunk != NULL && size == FIRST_CHUNK_SIZE && pool->spare_count < SPARE_MAX;
	if (is_kept) {
		chunk->next = pool->spare;
		pool->spare = chunk;
		pool->spare_count++;
	}
	pthread_mutex_unlock(&pool->lock);
	return is_kept;
}

static size_t chunk_room(const struct content_chunk *chunk)
{
	return chunk == NULL ? 0 : chunk->size - sizeof(*chunk) - chunk->used;
}

static enum content_result chunk_create(struct content_pool *pool, size_t size,
					struct content_chunk **chunk_out)
{
	struct content_chunk *chunk;

	if (!pool_take(pool, size, &chunk))
		return CONTENT_POOL_FULL;
	if (chunk == NULL)
		chunk = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (chunk == MAP_FAILED) {
		pool_give_back(pool, size, NULL);
		return CONTENT_NO_MEMORY;
	}
	chunk->next = NULL;
	chunk->size = size;
	chunk->used = 0;
	*chunk_out = chunk;
	return CONTENT_OK;
}

static void chunks_destroy(struct content_pool *pool, struct content_chunk *chunk)
{
	while (chunk != NULL) {
		struct content_chunk *next = chunk->next;
		size_t size = chunk->size;

		/* Nobody may find it in a chunk that is kept; an unmapped one the kernel overwrites. */
		if (size == FIRST_CHUNK_SIZE)
			explicit_bzero(chunk->bytes, chunk->used);
		if (!pool_give_back(pool, size, chunk))
			munmap(chunk, size);
		chunk = next;
	}
}

void content_init(struct content *content, struct content_pool *pool)
{
	*content = (struct content){ .pool = pool };
}

/*
 * Hangs empty chunks behind content->last until there is room for `length` bytes; all of them or
 * none.
 */
static enum content_result make_room(struct content *content, size_t length)
{
	struct content_chunk *added = NULL, **tail = &added;
	size_t room = chunk_room(content->last);

	while (room < length) {
		bool is_first = content->first == NULL && added == NULL;
		enum content_result result = chunk_create(content->pool,
							  is_first ? FIRST_CHUNK_SIZE : CHUNK_SIZE,
							  tail);

		if (result != CONTENT_OK) {
			chunks_destroy(content->pool, added);
			return result;
		}
		room += chunk_room(*tail);
		tail = &(*tail)->next;
	}
	if (content->last != NULL)
		content->last->next = added;
	else
		content->first = content->last = added;
	return CONTENT_OK;
}

enum content_result content_append(struct content *content, const void *bytes, size_t length)
{
	const uint8_t *from = bytes;
	enum content_result result = make_room(content, length);

	if (result != CONTENT_OK)
		return result;
	content->length += length;
	while (length > 0) {
		struct content_chunk *chunk = content->last;
		size_t part = chunk_room(chunk) < length ? chunk_room(chunk) : length;

		memcpy(chunk->bytes + chunk->used, from, part);
		chunk->used += part;
		from += part;
		length -= part;
		if (length > 0)
			content->last = chunk->next;
	}
	return CONTENT_OK;
}

void content_wipe(struct content *content)
{
	chunks_destroy(content->pool, content->first);
	content_init(content, content->pool);
}

void content_cursor_init(struct content_cursor *cursor, const struct content *content)
{
	cursor->chunk = content->first;
}

bool content_cursor_next(struct content_cursor *cursor, const uint8_t **bytes, size_t *length)
{
	const struct content_chunk *chunk = cursor->chunk;

	if (chunk == NULL)
		return false;
	*bytes = chunk->bytes;
	*length = chunk->used;
	cursor->chunk = chunk->next;
	return true;
}
