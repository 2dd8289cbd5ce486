/*
 * Stands between a process and the disk, by LD_PRELOAD: records what is written and flushed, lets calls fail, and kills the process at a
 * chosen call. Only files below one folder are looked at. The tests beside this file build it and say what it is to do:
 *
 *   KEEPSAKE_SHIM_ROOT    the folder, canonical
 *   KEEPSAKE_SHIM_TRACE   where to record calls on <root>/data/data.mdb; none without it
 *   KEEPSAKE_SHIM_NOTES   a file outside the folder; what is written to it is recorded in between
 *   KEEPSAKE_SHIM_PLAN    "<kind> <number> <action>": what is done at the number-th call of a kind, counted from 1
 *   KEEPSAKE_SHIM_SWITCH  a file; calls are counted, and actions done, only while it exists. Always, without it
 *
 * Kinds: data (a write to the database), sync (fsync, fdatasync), meta (a write that returns when it is on the disk: LMDB's last step),
 * note (a write to the notes), any (all of these but notes, and renames, for all files). Actions: before, after, half (kill there; half
 * writes half of it first), or the number of an error, with which this call and all later ones of the kind fail.
 *
 * A record of the trace: a byte for the kind (w, m, s, n), then offset and length (64 bits, little-endian), then the bytes written.
 * All calls are in one order, as under a lock; a write is recorded when it has been done, so that nothing is taken for flushed
 * that was not written before.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NONE, DATA, SYNC, META, OTHER, NOTE };

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static const char *root, *notes, *toggle;
static int trace = -1;
static char plan_kind[16], plan_action[16];
static long plan_number, counted;

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("KEEPSAKE_SHIM_TRACE"), *plan = getenv("KEEPSAKE_SHIM_PLAN");
    root = getenv("KEEPSAKE_SHIM_ROOT");
    notes = getenv("KEEPSAKE_SHIM_NOTES");
    toggle = getenv("KEEPSAKE_SHIM_SWITCH");
    if (path)
        trace = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (plan && sscanf(plan, "%15s %ld %15s", plan_kind, &plan_number, plan_action) != 3)
        abort();
}

static int below(const char *path) {
    size_t n = root ? strlen(root) : 0;
    return n && !strncmp(path, root, n) && path[n] == '/';
}

/* What a call on this file counts as. */
static int kind_of(int fd, int sync) {
    char link[64], path[PATH_MAX];
    ssize_t n;
    if (!root)
        return NONE;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (n <= 0)
        return NONE;
    path[n] = 0;
    if (notes && !strcmp(path, notes))
        return sync ? NONE : NOTE;
    if (!below(path))
        return NONE;
    if (strcmp(path + strlen(root), "/data/data.mdb"))
        return OTHER;
    if (sync)
        return SYNC;
    return syscall(SYS_fcntl, fd, F_GETFL) & O_DSYNC ? META : DATA;
}

static void put(const void *bytes, size_t len) {
    while (trace >= 0 && len) {
        ssize_t n = syscall(SYS_write, trace, bytes, len);
        if (n <= 0)
            abort();
        bytes = (const char *)bytes + n;
        len -= n;
    }
}

static void record(char kind, uint64_t offset, const struct iovec *iov, int n, uint64_t len) {
    uint64_t head[2] = {offset, len};
    put(&kind, 1);
    put(head, sizeof head);
    for (int i = 0; i < n && len; i++) {
        size_t part = iov[i].iov_len < len ? iov[i].iov_len : len;
        put(iov[i].iov_base, part);
        len -= part;
    }
}

static void die(void) {
    syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
    for (;;)
        pause();
}

/* Whether the plan's time has come; the call is counted. */
static int due(int kind, int is_rename) {
    static const char *names[] = {"", "data", "sync", "meta", "", "note"};
    int counts = !strcmp(plan_kind, "any") ? kind != NOTE && (kind != NONE || is_rename)
                                           : kind != NONE && !strcmp(plan_kind, names[kind]);
    if (!plan_number || !counts)
        return 0;
    if (toggle && syscall(SYS_faccessat, AT_FDCWD, toggle, F_OK))
        return 0;
    counted++;
    return plan_action[0] >= '0' && plan_action[0] <= '9' ? counted >= plan_number : counted == plan_number;
}

static ssize_t do_write(int fd, const struct iovec *iov, int n, off_t offset, int positioned) {
    if (positioned)
        return syscall(SYS_pwritev, fd, iov, n, offset, 0);
    return syscall(SYS_writev, fd, iov, n);
}

static ssize_t written(int fd, const struct iovec *iov, int n, off_t offset, int positioned) {
    int kind = kind_of(fd, 0);
    ssize_t result;
    if (kind == NONE)
        return do_write(fd, iov, n, offset, positioned);
    pthread_mutex_lock(&lock);
    int now = due(kind, 0);
    if (now && !strcmp(plan_action, "before"))
        die();
    if (now && !strcmp(plan_action, "half") && n == 1) {
        struct iovec half = {iov[0].iov_base, iov[0].iov_len / 2};
        do_write(fd, &half, 1, offset, positioned);
        die();
    }
    if (now && plan_action[0] >= '0' && plan_action[0] <= '9') {
        /* As a disk that fails late does: the bytes are in memory, and the call fails. */
        if (kind == META)
            syscall(SYS_pwritev, fd, iov, n, offset, 0);
        pthread_mutex_unlock(&lock);
        errno = atoi(plan_action);
        return -1;
    }
    off_t at = positioned ? offset : syscall(SYS_lseek, fd, 0, SEEK_CUR);
    result = do_write(fd, iov, n, offset, positioned);
    int error = errno;
    if (result > 0 && (kind == DATA || kind == META || kind == NOTE))
        record(kind == DATA ? 'w' : kind == META ? 'm' : 'n', kind == NOTE ? 0 : at, iov, n, result);
    if (now && (!strcmp(plan_action, "after") || !strcmp(plan_action, "half")))
        die();
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

ssize_t write(int fd, const void *bytes, size_t len) {
    struct iovec iov = {(void *)bytes, len};
    return written(fd, &iov, 1, 0, 0);
}

ssize_t writev(int fd, const struct iovec *iov, int n) { return written(fd, iov, n, 0, 0); }

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset) {
    struct iovec iov = {(void *)bytes, len};
    return written(fd, &iov, 1, offset, 1);
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t offset) { return pwrite(fd, bytes, len, offset); }

ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t offset) { return written(fd, iov, n, offset, 1); }

ssize_t pwritev64(int fd, const struct iovec *iov, int n, off_t offset) { return written(fd, iov, n, offset, 1); }

static int flushed(int fd, long call) {
    int kind = kind_of(fd, 1), result;
    if (kind == NONE)
        return syscall(call, fd);
    pthread_mutex_lock(&lock);
    int now = due(kind, 0);
    if (now && (!strcmp(plan_action, "before") || !strcmp(plan_action, "half")))
        die();
    if (now && plan_action[0] >= '0' && plan_action[0] <= '9') {
        pthread_mutex_unlock(&lock);
        errno = atoi(plan_action);
        return -1;
    }
    result = syscall(call, fd);
    int error = errno;
    if (!result && kind == SYNC)
        record('s', 0, NULL, 0, 0);
    if (now && !strcmp(plan_action, "after"))
        die();
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

int fsync(int fd) { return flushed(fd, SYS_fsync); }

int fdatasync(int fd) { return flushed(fd, SYS_fdatasync); }

int rename(const char *from, const char *to) {
    int result;
    if (!below(to))
        return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    pthread_mutex_lock(&lock);
    int now = due(NONE, 1);
    if (now && !strcmp(plan_action, "before"))
        die();
    result = syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    int error = errno;
    if (now)
        die();
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}
