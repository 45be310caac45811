/*
 * A clock that is wrong by as many seconds as a file says: preloaded by tests/faults/clock.pl, with the file in the
 * environment as PRELOAD_WORDS, 64 bits. Processes that are forked share it. The monotonic clock stays right.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static _Atomic int64_t *offset;

__attribute__((constructor)) static void begin(void)
{
    const char *name = getenv("PRELOAD_WORDS");
    int fd = name ? open(name, O_RDWR) : -1;

    if (fd >= 0) {
        void *map = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
        if (map != MAP_FAILED) {
            offset = map;
        }
        close(fd);
    }
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    int status = syscall(SYS_clock_gettime, clock, time);

    if (status == 0 && offset && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        time->tv_sec += atomic_load(offset);
    }
    return status;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
    struct timespec now;
    (void) zone;

    clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *time)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (time) {
        *time = now.tv_sec;
    }
    return now.tv_sec;
}
