/*
 * Faults at the calls by which bytes leave a process or become durable: a library for LD_PRELOAD.
 *
 * It counts those calls over all threads, and at the FAULT_AT-th it ends the process or lets the call fail. What it does
 * not see: raw system calls (syscall(2), io_uring), and memory that is mapped (SQLite's -shm, which is rebuilt from the log).
 *
 *   FAULT_COUNT  a file that holds `struct tally`: what was counted. It outlives the process, and goes on counting in the
 *                next one. Needed; without it nothing is counted and nothing happens.
 *   FAULT_AT     at which call; absent: only count.
 *   FAULT_HOW    before   end the process before the call
 *                half     after half of its bytes; calls without bytes as before
 *                after    after the call
 *                power    before the call, and what was not synced to the disk is gone: writes, lengths, new files
 *                enospc   from this call on writes to files fail: the first takes half of its bytes
 *                eio      from this call on writes and syncs of files fail
 *   FAULT_PATH   only calls on files whose name contains this
 *   FAULT_WHILE  errors last as long as this file exists; absent: for ever
 *   FAULT_SEED   with power: a random part of what was not synced is there after all, some writes half. 0: nothing is.
 *
 * Standard error and what is not a file, a socket or a pipe (the event descriptors of the runtime) is not counted.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum how { COUNT, BEFORE, HALF, AFTER, POWER, NO_SPACE, IO_ERROR };
enum kind { BYTES, SYNC, OTHER };
enum todo { GO_ON, STOP_HALF, STOP_AFTER, FAIL_HALF, FAIL };

/* What FAULT_COUNT holds, in the byte order of the machine. */
struct tally {
    _Atomic uint64_t seen; /* calls so far */
    _Atomic uint64_t hit;  /* 1: the process was ended, or a call failed */
    char what[240];        /* the call that was hit first, and on what */
};

static struct tally *tally;
static enum how how = COUNT;
static uint64_t at = UINT64_MAX;
static const char *only_path, *lasts;
static unsigned int seed;
static atomic_int failing;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) static __typeof__(name) *real_##name;
REAL(write) REAL(writev) REAL(pwrite) REAL(pwrite64) REAL(fsync) REAL(fdatasync) REAL(ftruncate) REAL(ftruncate64)
REAL(rename) REAL(unlink) REAL(send) REAL(sendto) REAL(sendmsg) REAL(open) REAL(open64)

#define FIND(name)                                  \
    do {                                            \
        void *found = dlsym(RTLD_NEXT, #name);      \
        memcpy(&real_##name, &found, sizeof found); \
    } while (0)

static const char *name_of(const char *variable) {
    const char *value = getenv(variable);
    return value && *value ? value : NULL;
}

__attribute__((constructor)) static void begin(void) {
    FIND(write); FIND(writev); FIND(pwrite); FIND(pwrite64); FIND(fsync); FIND(fdatasync); FIND(ftruncate);
    FIND(ftruncate64); FIND(rename); FIND(unlink); FIND(send); FIND(sendto); FIND(sendmsg); FIND(open); FIND(open64);
    const char *path = name_of("FAULT_COUNT");
    if (!path) return;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || syscall(SYS_ftruncate, fd, sizeof *tally) != 0) abort();
    void *shared = mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED) abort();
    close(fd);
    const char *number = name_of("FAULT_AT"), *word = name_of("FAULT_HOW");
    if (number) at = strtoull(number, NULL, 10);
    if (word) {
        static const char *const words[] = {"count", "before", "half", "after", "power", "enospc", "eio"};
        for (int i = 0; i < 7; i++) if (!strcmp(word, words[i])) how = (enum how)i;
    }
    only_path = name_of("FAULT_PATH");
    lasts = name_of("FAULT_WHILE");
    if (name_of("FAULT_SEED")) seed = (unsigned int)strtoul(getenv("FAULT_SEED"), NULL, 10);
    tally = shared;
}

/* What was written and not synced yet, the latest first. */
struct change {
    struct change *before;
    dev_t dev;
    ino_t ino;
    int fd;              /* a handle of our own; never closed: closing one would drop SQLite's locks on the file */
    off_t from;          /* where it was written; the new length if `now` is NULL */
    size_t count;
    char *now;           /* the new bytes; NULL: the length was changed */
    off_t length_before; /* the length of the file before */
    size_t lost;         /* bytes in `old`, from `from` on */
    char *old;
    char *created;       /* a file that was made, in a folder that was not synced since; else NULL */
};
static struct change *unsynced;

struct handle { dev_t dev; ino_t ino; int fd; };
static struct handle handles[256];
static int handle_count;

static int own_handle(int fd, const struct stat *of) {
    for (int i = 0; i < handle_count; i++)
        if (handles[i].dev == of->st_dev && handles[i].ino == of->st_ino) return handles[i].fd;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int own = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    if (own >= 0 && handle_count < 256) handles[handle_count++] = (struct handle){of->st_dev, of->st_ino, own};
    return own;
}

static void remember(int fd, const void *bytes, size_t count, off_t where) {
    struct stat of;
    if (fstat(fd, &of) != 0 || !S_ISREG(of.st_mode)) return;
    int own = own_handle(fd, &of);
    if (own < 0) return;
    struct change *change = calloc(1, sizeof *change);
    if (!bytes) where = (off_t)count;
    else if (fcntl(fd, F_GETFL) & O_APPEND) where = of.st_size;
    else if (where < 0) where = lseek(fd, 0, SEEK_CUR);
    off_t past = bytes ? where + (off_t)count : of.st_size;
    if (past > of.st_size) past = of.st_size;
    change->dev = of.st_dev;
    change->ino = of.st_ino;
    change->fd = own;
    change->from = where;
    change->count = count;
    change->length_before = of.st_size;
    if (bytes) {
        change->now = malloc(count ? count : 1);
        memcpy(change->now, bytes, count);
    }
    if (past > where) {
        change->lost = (size_t)(past - where);
        change->old = malloc(change->lost);
        if (pread(own, change->old, change->lost, where) != (ssize_t)change->lost) abort();
    }
    change->before = unsynced;
    unsynced = change;
}

static void forget(int fd) {
    struct stat of;
    if (fstat(fd, &of) != 0) return;
    for (struct change **link = &unsynced; *link;) {
        struct change *change = *link;
        if (change->dev == of.st_dev && change->ino == of.st_ino) {
            *link = change->before;
            free(change->now);
            free(change->old);
            free(change->created);
            free(change);
        } else {
            link = &change->before;
        }
    }
}

/* The disk after a power cut: as it was at the syncs, and of what came after, a part. */
static void cut_power(void) {
    struct change *oldest_first = NULL, *next;
    for (struct change *change = unsynced; change; change = next) {
        next = change->before;
        if (!change->created) {
            if (change->lost && real_pwrite64(change->fd, change->old, change->lost, change->from) < 0) abort();
            if (syscall(SYS_ftruncate, change->fd, change->length_before) != 0) abort();
        }
        change->before = oldest_first;
        oldest_first = change;
    }
    for (struct change *change = oldest_first; change; change = change->before) {
        int kept = seed ? rand_r(&seed) % 3 : 0; /* not, half, whole */
        if (change->created) {
            if (!kept) syscall(SYS_unlinkat, AT_FDCWD, change->created, 0);
        } else if (kept && change->now) {
            size_t count = kept == 1 ? change->count / 2 : change->count;
            if (syscall(SYS_pwrite64, change->fd, change->now, count, change->from) < 0) abort();
        } else if (kept == 2) {
            if (syscall(SYS_ftruncate, change->fd, change->from) != 0) abort();
        }
    }
}

static _Noreturn void end_here(void) {
    if (how == POWER) cut_power();
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* What stands behind a descriptor; 0 if that is of no interest. */
static int is_counted(int fd, char *name, size_t size, int *is_file) {
    char path[64];
    struct stat of;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(path, name, size - 1);
    if (fd == STDERR_FILENO || length <= 0 || fstat(fd, &of) != 0) return 0;
    name[length] = 0;
    *is_file = name[0] == '/' && (S_ISREG(of.st_mode) || S_ISDIR(of.st_mode));
    return *is_file || !strncmp(name, "pipe:", 5) || !strncmp(name, "socket:", 7);
}

static enum todo decide(const char *call, const char *name, int is_file, enum kind kind) {
    int fails = how == NO_SPACE || how == IO_ERROR;
    if (fails && (!is_file || kind == OTHER || (how == NO_SPACE && kind != BYTES))) return GO_ON;
    if (only_path && !strstr(name, only_path)) return GO_ON;
    uint64_t mine = atomic_fetch_add(&tally->seen, 1) + 1;
    if (fails ? mine < at : mine != at) return GO_ON;
    if (fails && lasts && syscall(SYS_faccessat, AT_FDCWD, lasts, F_OK) != 0) {
        atomic_store(&failing, 0);
        return GO_ON;
    }
    if (how == COUNT) return GO_ON;
    if (!atomic_exchange(&tally->hit, 1)) snprintf(tally->what, sizeof tally->what, "%s %s", call, name);
    if (fails) return how == NO_SPACE && !atomic_exchange(&failing, 1) ? FAIL_HALF : FAIL;
    if (how == HALF && kind == BYTES) return STOP_HALF;
    if (how == AFTER) return STOP_AFTER;
    end_here();
}

static enum todo point(const char *call, int fd, enum kind kind) {
    char name[400];
    int is_file = 0;
    if (!tally || !is_counted(fd, name, sizeof name, &is_file)) return GO_ON;
    return decide(call, name, is_file, kind);
}

static void enter(void) { if (how == POWER) pthread_mutex_lock(&lock); }
static void leave(void) { if (how == POWER) pthread_mutex_unlock(&lock); }

static ssize_t failed(void) {
    errno = how == NO_SPACE ? ENOSPC : EIO;
    return -1;
}

/* A call that takes `whole` bytes, of which `half(…)` takes half. */
#define TRANSFER(call, fd, bytes, count, where, whole, half)                            \
    do {                                                                                \
        enter();                                                                        \
        enum todo todo = point(call, fd, BYTES);                                        \
        if (tally && how == POWER && (bytes)) remember(fd, bytes, count, where);        \
        ssize_t done = todo == FAIL                                    ? failed()       \
                       : todo == STOP_HALF || (todo == FAIL_HALF && (count) > 1) ? half \
                       : todo == FAIL_HALF                             ? failed()       \
                                                                       : whole;         \
        if (todo == STOP_HALF || todo == STOP_AFTER) end_here();                        \
        leave();                                                                        \
        return done;                                                                    \
    } while (0)

ssize_t write(int fd, const void *b, size_t n) {
    TRANSFER("write", fd, b, n, -1, real_write(fd, b, n), real_write(fd, b, n / 2));
}
ssize_t pwrite(int fd, const void *b, size_t n, off_t o) {
    TRANSFER("pwrite", fd, b, n, o, real_pwrite(fd, b, n, o), real_pwrite(fd, b, n / 2, o));
}
ssize_t pwrite64(int fd, const void *b, size_t n, off64_t o) {
    TRANSFER("pwrite64", fd, b, n, o, real_pwrite64(fd, b, n, o), real_pwrite64(fd, b, n / 2, o));
}
/* Only sockets get these here; half of one is its first part. */
ssize_t writev(int fd, const struct iovec *v, int n) {
    TRANSFER("writev", fd, NULL, 2, -1, real_writev(fd, v, n), real_write(fd, v->iov_base, v->iov_len / 2));
}
ssize_t send(int fd, const void *b, size_t n, int f) {
    TRANSFER("send", fd, NULL, n, -1, real_send(fd, b, n, f), real_send(fd, b, n / 2, f));
}
ssize_t sendto(int fd, const void *b, size_t n, int f, const struct sockaddr *a, socklen_t l) {
    TRANSFER("sendto", fd, NULL, n, -1, real_sendto(fd, b, n, f, a, l), real_sendto(fd, b, n / 2, f, a, l));
}
ssize_t sendmsg(int fd, const struct msghdr *m, int f) {
    TRANSFER("sendmsg", fd, NULL, 1, -1, real_sendmsg(fd, m, f), real_sendmsg(fd, m, f));
}

#define DURABLE(call, fd, whole)                            \
    do {                                                    \
        enter();                                            \
        enum todo todo = point(call, fd, SYNC);             \
        int done = todo == FAIL ? (int)failed() : whole;    \
        if (tally && how == POWER && done == 0) forget(fd); \
        if (todo == STOP_AFTER) end_here();                 \
        leave();                                            \
        return done;                                        \
    } while (0)

int fsync(int fd) { DURABLE("fsync", fd, real_fsync(fd)); }
int fdatasync(int fd) { DURABLE("fdatasync", fd, real_fdatasync(fd)); }

#define SHORTEN(call, fd, length, whole)                                     \
    do {                                                                     \
        enter();                                                             \
        enum todo todo = point(call, fd, OTHER);                             \
        if (tally && how == POWER) remember(fd, NULL, (size_t)(length), -1); \
        int done = whole;                                                    \
        if (todo == STOP_AFTER) end_here();                                  \
        leave();                                                             \
        return done;                                                         \
    } while (0)

int ftruncate(int fd, off_t l) { SHORTEN("ftruncate", fd, l, real_ftruncate(fd, l)); }
int ftruncate64(int fd, off64_t l) { SHORTEN("ftruncate64", fd, l, real_ftruncate64(fd, l)); }

#define NAMED(call, path, whole)                                               \
    do {                                                                       \
        enter();                                                               \
        enum todo todo = tally ? decide(call, path, 1, OTHER) : GO_ON;         \
        int done = whole;                                                      \
        if (todo == STOP_AFTER) end_here();                                    \
        leave();                                                               \
        return done;                                                           \
    } while (0)

int rename(const char *from, const char *to) { NAMED("rename", to, real_rename(from, to)); }
int unlink(const char *path) { NAMED("unlink", path, real_unlink(path)); }

/* Not a point: only seen so that a power cut can take away a file whose folder was not synced. */
static int opened(int fd, const char *path, int is_new) {
    struct stat of, folder;
    if (fd < 0 || !is_new || !tally || how != POWER || path[0] != '/' || fstat(fd, &of) != 0) return fd;
    char *parent = strdup(path);
    *strrchr(parent, '/') = 0;
    if (S_ISREG(of.st_mode) && stat(*parent ? parent : "/", &folder) == 0) {
        struct change *change = calloc(1, sizeof *change);
        change->dev = folder.st_dev;
        change->ino = folder.st_ino;
        change->created = strdup(path);
        change->before = unsynced;
        unsynced = change;
    }
    free(parent);
    return fd;
}

#define OPEN(real)                                                              \
    do {                                                                        \
        va_list rest;                                                           \
        va_start(rest, flags);                                                  \
        mode_t mode = flags & O_CREAT ? (mode_t)va_arg(rest, int) : 0;          \
        va_end(rest);                                                           \
        enter();                                                                \
        int is_new = flags & O_CREAT && access(path, F_OK) != 0 && errno == ENOENT; \
        int fd = opened(real(path, flags, mode), path, is_new);                 \
        int kept = errno;                                                       \
        leave();                                                                \
        errno = kept;                                                           \
        return fd;                                                              \
    } while (0)

int open(const char *path, int flags, ...) { OPEN(real_open); }
int open64(const char *path, int flags, ...) { OPEN(real_open64); }
