/* A wall clock that can be stepped for one process: preloaded, it adds the seconds that stand in a file.

   cc -shared -fPIC -O2 -o clock.so clock.c -ldl;  LD_PRELOAD=clock.so HOTLINE_CLOCK=/path/of/the/file

   The file holds three 64-bit integers and is mapped: a step is seen at once by everybody who has it open. They are
   the seconds, those before the last step, and the kernel's microsecond of that step. Only the wall clock moves, as
   on a machine whose clock is set: monotonic clocks, sleeps and the times that the kernel gives to files stay. Waits
   until a moment of the wall clock are handed to the kernel in its own time.

   A kernel whose clock is set stamps packets by the new time: tcpdump writes them so, by the time at which each came,
   for it is told of them up to a second later. */

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
enum { NOW, BEFORE, STEPPED_AT, NUMBERS };
static void (*real_pcap_dump)(unsigned char *, const void *, const unsigned char *);
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
    real_pcap_dump = dlsym(RTLD_NEXT, "pcap_dump");
    if (file >= 0) {
        void *map = mmap(NULL, NUMBERS * sizeof(*ahead), PROT_READ, MAP_SHARED, file, 0);
        close(file);
        if (map != MAP_FAILED)
            ahead = map;
    }
}

static int64_t seconds(void)
{
    pthread_once(&once, find);
    return ahead ? ahead[NOW] : 0;
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

/* What libpcap gives with each packet; its own header may not be installed here. */
struct captured {
    struct timeval at;
    uint32_t kept, length;
};

void pcap_dump(unsigned char *file, const struct captured *packet, const unsigned char *data)
{
    struct captured stamped = *packet;
    int64_t more = seconds();

    if (ahead && (int64_t)packet->at.tv_sec * 1000000 + packet->at.tv_usec < ahead[STEPPED_AT])
        more = ahead[BEFORE];
    stamped.at.tv_sec += more;
    real_pcap_dump(file, &stamped, data);
}
