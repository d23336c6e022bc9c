/* Lets a program see another time of day: as many seconds off as /etc/clock says now. What measures how long something
   takes is left alone, and so is the kernel's clock, which is every container's. Loaded by LD_PRELOAD. */

struct timespec { long seconds, nanoseconds; };
struct timeval { long seconds, microseconds; };
extern long syscall(long number, ...);
extern int open(const char *path, int flags, ...);
extern long read(int file, void *buffer, unsigned long size);
extern int close(int file);

#ifdef __aarch64__
enum { CLOCK_GETTIME = 113 };
#else
enum { CLOCK_GETTIME = 228 };
#endif
enum { REALTIME = 0, REALTIME_COARSE = 5 };

static long off(void)
{
    char text[32] = {0};
    int file = open("/etc/clock", 0);
    if (file < 0)
        return 0;
    long size = read(file, text, sizeof text - 1), found = 0, at = 0;
    close(file);
    for (at = text[0] == '-'; at < size && text[at] >= '0' && text[at] <= '9'; at++)
        found = 10 * found + text[at] - '0';
    return text[0] == '-' ? -found : found;
}

int clock_gettime(int clock, struct timespec *now)
{
    int done = (int)syscall(CLOCK_GETTIME, clock, now);
    if (!done && (clock == REALTIME || clock == REALTIME_COARSE))
        now->seconds += off();
    return done;
}

int gettimeofday(struct timeval *now, void *zone)
{
    struct timespec exact;
    int done = clock_gettime(REALTIME, &exact);
    (void)zone;
    now->seconds = exact.seconds;
    now->microseconds = exact.nanoseconds / 1000;
    return done;
}

long time(long *kept)
{
    struct timespec exact;
    clock_gettime(REALTIME, &exact);
    if (kept)
        *kept = exact.seconds;
    return exact.seconds;
}
