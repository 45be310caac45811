/*
 * Fails allocations on demand: preloaded by tests/faults/allocations.pl, with the file that controls it in the
 * environment as PRELOAD_WORDS. Processes that are forked share what the file says.
 *
 * Words of the file, of 64 bits:
 *   0  how many allocations from now one is to fail; 0 for none
 *   1  how many fail in turn from there on
 *   2  how many were asked for
 *   3  how many have failed
 *   4  how many of those were asked for by a call from the library whose name holds PRELOAD_OF
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

enum { LEFT, MANY, ASKED, FAILED, OURS, WORDS };

static _Atomic uint64_t *control;
static char library[64];
static _Thread_local int looking;

__attribute__((constructor)) static void begin(void)
{
    const char *name = getenv("PRELOAD_WORDS"), *of = getenv("PRELOAD_OF");
    void *frame[1];
    int fd = name ? open(name, O_RDWR) : -1;

    if (of) {
        strncpy(library, of, sizeof(library) - 1);
    }
    backtrace(frame, 1); /* loads what it needs */
    if (fd >= 0) {
        void *map = mmap(NULL, WORDS * sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map != MAP_FAILED) {
            control = map;
        }
        close(fd);
    }
}

static int called_by_library(void)
{
    void *frames[64];
    Dl_info info;
    int at, count = backtrace(frames, 64);

    for (at = 0; at < count; at++) {
        if (dladdr(frames[at], &info) && info.dli_fname && strstr(info.dli_fname, library)) {
            return 1;
        }
    }
    return 0;
}

/* Whether this allocation is to fail. */
static int fails(void)
{
    uint64_t left;

    if (control == NULL || looking) {
        return 0;
    }
    atomic_fetch_add(&control[ASKED], 1);
    left = atomic_load(&control[LEFT]);
    if (left == 0) {
        return 0;
    }
    if (left > 1) {
        atomic_fetch_sub(&control[LEFT], 1);
        return 0;
    }
    if (atomic_fetch_sub(&control[MANY], 1) <= 1) {
        atomic_store(&control[LEFT], 0);
    }
    atomic_fetch_add(&control[FAILED], 1);
    looking = 1;
    atomic_fetch_add(&control[OURS], library[0] && called_by_library());
    looking = 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return fails() ? NULL : __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size)
{
    return fails() ? NULL : __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    void *allocated = fails() ? NULL : __libc_memalign(alignment, size);

    if (allocated == NULL) {
        return ENOMEM;
    }
    *memory = allocated;
    return 0;
}
