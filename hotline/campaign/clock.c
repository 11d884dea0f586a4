/* A wall clock that can be stepped for one process: preloaded, it adds the seconds that stand in a file.

   cc -shared -fPIC -O2 -o clock.so clock.c -ldl;  LD_PRELOAD=clock.so HOTLINE_CLOCK=/path/of/the/file

   The file holds one 64-bit integer and is mapped: a step is seen at once by everybody who has it open. Only the
   wall clock moves, as on a machine whose clock is set: monotonic clocks, sleeps and the times that the kernel
   gives to files stay. Waits until a moment of the wall clock are handed to the kernel in its own time. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *ahead;
static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_gettimeofday)(struct timeval *, void *);
static int (*real_cond_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
static int (*real_sem_timedwait)(sem_t *, const struct timespec *);
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void find(void)
{
    const char *path = getenv("HOTLINE_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    real_gettimeofday = dlsym(RTLD_NEXT, "gettimeofday");
    /* Without a version the loader may give the condition variables of twenty years ago. */
    real_cond_timedwait = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (!real_cond_timedwait)
        real_cond_timedwait = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    real_sem_timedwait = dlsym(RTLD_NEXT, "sem_timedwait");
    if (file >= 0) {
        void *map = mmap(NULL, sizeof(*ahead), PROT_READ, MAP_SHARED, file, 0);
        close(file);
        if (map != MAP_FAILED)
            ahead = map;
    }
}

static int64_t seconds(void)
{
    pthread_once(&once, find);
    return ahead ? *ahead : 0;
}

int clock_gettime(clockid_t clock, struct timespec *at)
{
    int64_t more = seconds();
    int failed = real_clock_gettime(clock, at);

    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        at->tv_sec += more;
    return failed;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone)
{
    int64_t more = seconds();
    int failed = real_gettimeofday(at, zone);

    if (!failed)
        at->tv_sec += more;
    return failed;
}

time_t time(time_t *at)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (at)
        *at = now.tv_sec;
    return now.tv_sec;
}

/* A moment of a monotonic clock is small (seconds since the machine's start); one of the wall clock is not. */
static struct timespec as_the_kernel_has_it(const struct timespec *until)
{
    struct timespec moment = *until;

    if (moment.tv_sec > 1000000000)
        moment.tv_sec -= seconds();
    return moment;
}

int pthread_cond_timedwait(pthread_cond_t *restrict change, pthread_mutex_t *restrict lock,
                           const struct timespec *restrict until)
{
    struct timespec moment = as_the_kernel_has_it(until);

    seconds();
    return real_cond_timedwait(change, lock, &moment);
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until)
{
    struct timespec moment = as_the_kernel_has_it(until);

    seconds();
    return real_sem_timedwait(semaphore, &moment);
}
