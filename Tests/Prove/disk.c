// A disk that tells and fails, between a program and its database files. Loaded before libc (LD_PRELOAD), so that it is the
// daemon's own release build that runs.
//
// Tells: every write, truncation, creation, removal and sync of files below PROVE_DISK_PREFIX goes, in order, into the file
// PROVE_DISK_LOG. From it power.py works out what a power cut would have left: what was synced, and of the rest any part.
//
// Fails: PROVE_DISK_CONTROL is a file that is mapped, through which another process orders faults while the program runs.
//
// With PROVE_DISK_WEAK it gives SQLite `PRAGMA synchronous = NORMAL` where FULL is asked for, and hides that from who looks.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { OPEN = 1, READ = 2, WRITE = 4, SYNC = 8, TRUNCATE = 16, UNLINK = 32 };

// The layout is known to disk.py.
struct control {
    int64_t calls;             // calls so far, of the kinds that count
    int64_t first, last;       // those that fail, by their number from 1; 0: none
    int64_t failed;            // how many have
    int64_t sync_microseconds; // what each sync takes longer
    int32_t error, kinds;      // errno, and the kinds that count
};

enum record { CREATED = 1, WRITTEN, TRUNCATED, SYNC_BEGUN, SYNCED, SYNC_FAILED, REMOVED, OPENED };

struct header {
    uint32_t record;
    uint32_t thread; // Pairs the beginning and the end of a sync.
    uint64_t inode;
    int64_t offset;
    int64_t length; // of what follows
};

#define DESCRIPTORS 65536
static struct {
    uint64_t inode; // 0: not one of ours
} files[DESCRIPTORS];

static struct control *control;
static int log_descriptor = -1;
static const char *prefix;
static size_t prefix_length;
static char folder[4096];
static int is_weak;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name, type, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static int real_open(const char *path, int flags, mode_t mode) {
    REAL("open64", int, const char *, int, ...);
    return real(path, flags, mode);
}

__attribute__((constructor)) static void begin(void) {
    prefix = getenv("PROVE_DISK_PREFIX");
    if (!prefix) return;
    prefix_length = strlen(prefix);
    snprintf(folder, sizeof folder, "%s", prefix);
    char *end = strrchr(folder, '/');
    if (end) *end = 0;
    is_weak = getenv("PROVE_DISK_WEAK") != NULL;
    const char *log = getenv("PROVE_DISK_LOG"), *path = getenv("PROVE_DISK_CONTROL");
    if (log) log_descriptor = real_open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (!path) return;
    int descriptor = real_open(path, O_RDWR | O_CLOEXEC, 0);
    if (descriptor < 0) return;
    void *page = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (page != MAP_FAILED) control = page;
    close(descriptor);
}

static int is_ours(const char *path) {
    return prefix && path && (strncmp(path, prefix, prefix_length) == 0 || strcmp(path, folder) == 0);
}

static uint64_t inode_of(int descriptor) {
    return descriptor >= 0 && descriptor < DESCRIPTORS ? files[descriptor].inode : 0;
}

static void tell(uint32_t record, uint64_t inode, int64_t offset, const void *data, int64_t length) {
    if (log_descriptor < 0) return;
    int before = errno;
    struct header header = {record, (uint32_t)gettid(), inode, offset, length};
    struct iovec pieces[2] = {{&header, sizeof header}, {(void *)data, (size_t)length}};
    pthread_mutex_lock(&mutex);
    if (writev(log_descriptor, pieces, length ? 2 : 1) != (ssize_t)sizeof header + length) abort();
    pthread_mutex_unlock(&mutex);
    errno = before;
}

// Whether this call is one that was ordered to fail; errno is set then.
static int fails(int kind) {
    if (!control || !(control->kinds & kind)) return 0;
    int64_t number = __atomic_add_fetch(&control->calls, 1, __ATOMIC_SEQ_CST);
    if (!control->first || number < control->first || number > control->last) return 0;
    __atomic_add_fetch(&control->failed, 1, __ATOMIC_SEQ_CST);
    errno = control->error;
    return 1;
}

static int open_file(const char *path, int flags, mode_t mode) {
    if (!is_ours(path)) return real_open(path, flags, mode);
    if (fails(OPEN)) return -1;
    int is_new = (flags & O_CREAT) && access(path, F_OK) != 0;
    int descriptor = real_open(path, flags, mode);
    struct stat status;
    if (descriptor < 0 || descriptor >= DESCRIPTORS || fstat(descriptor, &status) != 0) return descriptor;
    files[descriptor].inode = status.st_ino;
    tell(is_new ? CREATED : OPENED, status.st_ino, 0, path, (int64_t)strlen(path));
    return descriptor;
}

#define OPENING(name) \
    int name(const char *path, int flags, ...) { \
        mode_t mode = 0; \
        if (flags & (O_CREAT | O_TMPFILE)) { \
            va_list list; \
            va_start(list, flags); \
            mode = va_arg(list, mode_t); \
            va_end(list); \
        } \
        return open_file(path, flags, mode); \
    }
OPENING(open)
OPENING(open64)

int close(int descriptor) {
    REAL("close", int, int);
    if (descriptor >= 0 && descriptor < DESCRIPTORS) files[descriptor].inode = 0;
    return real(descriptor);
}

ssize_t pread64(int descriptor, void *data, size_t count, off64_t offset) {
    REAL("pread64", ssize_t, int, void *, size_t, off64_t);
    if (inode_of(descriptor) && fails(READ)) return -1;
    return real(descriptor, data, count, offset);
}

ssize_t pwrite64(int descriptor, const void *data, size_t count, off64_t offset) {
    REAL("pwrite64", ssize_t, int, const void *, size_t, off64_t);
    uint64_t inode = inode_of(descriptor);
    if (inode && fails(WRITE)) return -1;
    ssize_t result = real(descriptor, data, count, offset);
    // Told afterwards: a sync covers only what was written before it began.
    if (inode && result > 0) tell(WRITTEN, inode, offset, data, result);
    return result;
}

ssize_t pwrite(int descriptor, const void *data, size_t count, off_t offset) {
    return pwrite64(descriptor, data, count, offset);
}

int ftruncate64(int descriptor, off64_t length) {
    REAL("ftruncate64", int, int, off64_t);
    uint64_t inode = inode_of(descriptor);
    if (inode && fails(TRUNCATE)) return -1;
    int result = real(descriptor, length);
    if (inode && result == 0) tell(TRUNCATED, inode, length, NULL, 0);
    return result;
}

int ftruncate(int descriptor, off_t length) { return ftruncate64(descriptor, length); }

static int sync_file(int descriptor, const char *name) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    uint64_t inode = inode_of(descriptor);
    if (!inode) return real(descriptor);
    tell(SYNC_BEGUN, inode, 0, NULL, 0);
    if (control && control->sync_microseconds) {
        struct timespec pause = {control->sync_microseconds / 1000000, control->sync_microseconds % 1000000 * 1000};
        nanosleep(&pause, NULL);
    }
    int result = fails(SYNC) ? -1 : real(descriptor);
    tell(result == 0 ? SYNCED : SYNC_FAILED, inode, 0, NULL, 0);
    return result;
}

int fdatasync(int descriptor) { return sync_file(descriptor, "fdatasync"); }
int fsync(int descriptor) { return sync_file(descriptor, "fsync"); }

int unlink(const char *path) {
    REAL("unlink", int, const char *);
    if (!is_ours(path)) return real(path);
    if (fails(UNLINK)) return -1;
    int result = real(path);
    if (result == 0) tell(REMOVED, 0, 0, path, (int64_t)strlen(path));
    return result;
}

typedef int prepare_function(void *, const char *, int, unsigned, void **, const char **);

int sqlite3_prepare_v3(
    void *database, const char *sql, int length, unsigned flags, void **statement, const char **tail) {
    static prepare_function *real;
    if (!real) real = (prepare_function *)dlsym(RTLD_NEXT, "sqlite3_prepare_v3");
    if (is_weak && strncasecmp(sql, "PRAGMA synchronous", 18) == 0) {
        // The setting is another, and who asks for it is told what it should be. `tail` points past all that was given.
        int is_setting = strchr(sql, '=') != NULL;
        int code = real(database, is_setting ? "PRAGMA synchronous = NORMAL" : "SELECT 2", -1, flags, statement, NULL);
        if (tail) *tail = sql + strlen(sql);
        return code;
    }
    return real(database, sql, length, flags, statement, tail);
}
