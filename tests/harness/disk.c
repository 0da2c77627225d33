/* A disk that is slow, hangs or fails, for a process that loads this before the C library: each sync first does what the
   file TENURE_TEST_DISK says: milliseconds that it takes (-1: until the file says something else), an errno, and part of the
   paths that this is true of. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void said(int synced, long *milliseconds, int *error) {
    char text[128] = "", part[64] = "", link[32], name[4096] = "";
    *milliseconds = *error = 0;
    const char *path = getenv("TENURE_TEST_DISK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    if (read(file, text, sizeof text - 1) > 0) sscanf(text, "%ld %d %63s", milliseconds, error, part);
    close(file);
    snprintf(link, sizeof link, "/proc/self/fd/%d", synced);
    if (*part && (readlink(link, name, sizeof name - 1) < 0 || !strstr(name, part))) *milliseconds = *error = 0;
}

static void pass(long milliseconds) {
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    while (nanosleep(&time, &time) && errno == EINTR) {}
}

/* Zero, or -1 and errno, before the disk is asked. */
static int trouble(int file) {
    long milliseconds;
    int error;
    for (said(file, &milliseconds, &error); milliseconds < 0; said(file, &milliseconds, &error)) pass(10);
    pass(milliseconds);
    errno = error;
    return error ? -1 : 0;
}

#define SYNC(name)                                            \
    int name(int file) {                                      \
        static int (*real)(int);                              \
        if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, #name); \
        return trouble(file) ? -1 : real(file);                   \
    }

SYNC(fsync)
SYNC(fdatasync)
