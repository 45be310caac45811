/*
 * Counts the bytes that a process has allocated and not freed: preloaded by tests/long/leaks.pl, with a file in the
 * environment as PRELOAD_WORDS, whose first word, of 64 bits, is the number. Processes that are forked are not counted.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static _Atomic int64_t *live;

static void end(void)
{
    live = NULL;
}

__attribute__((constructor)) static void begin(void)
{
    const char *name = getenv("PRELOAD_WORDS");
    int fd = name ? open(name, O_RDWR) : -1;

    if (fd >= 0) {
        void *map = mmap(NULL, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map != MAP_FAILED) {
            live = map;
            pthread_atfork(NULL, NULL, end);
        }
        close(fd);
    }
}

static void *counted(void *memory)
{
    if (live && memory) {
        atomic_fetch_add(live, (int64_t) malloc_usable_size(memory));
    }
    return memory;
}

void free(void *memory)
{
    if (live && memory) {
        atomic_fetch_sub(live, (int64_t) malloc_usable_size(memory));
    }
    __libc_free(memory);
}

void *malloc(size_t size)
{
    return counted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return counted(__libc_calloc(count, size));
}

void *realloc(void *old, size_t size)
{
    int64_t before = old ? (int64_t) malloc_usable_size(old) : 0;
    void *memory = __libc_realloc(old, size);

    if (live && (memory || size == 0)) {
        atomic_fetch_sub(live, before);
    }
    return counted(memory);
}

void *memalign(size_t alignment, size_t size)
{
    return counted(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    void *allocated = memalign(alignment, size);

    if (allocated == NULL) {
        return ENOMEM;
    }
    *memory = allocated;
    return 0;
}
