#ifndef SPAREKEY_CLINUX_H
#define SPAREKEY_CLINUX_H

// What Linux has and Swift's Glibc module lacks. Each returns what the call it wraps does, -1 with errno set where that fails.

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/statfs.h>

#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// The event masks are enumerators or macros with suffixes, depending on the C library: plain numbers import everywhere.
static const uint32_t sparekey_epollin = 0x001;
static const uint32_t sparekey_epollout = 0x004;
static const uint32_t sparekey_epollerr = 0x008;
static const uint32_t sparekey_epollhup = 0x010;
static const uint32_t sparekey_epollet = 0x80000000;

// `struct epoll_event` is packed on x86-64 and holds a union: a plain pair spares Swift both.
typedef struct {
    uint64_t key;
    uint32_t events;
} sparekey_epoll_event;

static inline int sparekey_epoll_create(void) {
    return epoll_create1(EPOLL_CLOEXEC);
}

static inline int sparekey_epoll_add(int epoll, int descriptor, uint32_t events, uint64_t key) {
    struct epoll_event event = {.events = events, .data = {.u64 = key}};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
}

static inline int sparekey_epoll_modify(int epoll, int descriptor, uint32_t events, uint64_t key) {
    struct epoll_event event = {.events = events, .data = {.u64 = key}};
    return epoll_ctl(epoll, EPOLL_CTL_MOD, descriptor, &event);
}

static inline int sparekey_epoll_remove(int epoll, int descriptor) {
    return epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, NULL);
}

// Fetches at most 128 events; the caller's array must hold `capacity`. A wait of -1 ms has no end.
static inline int sparekey_epoll_wait(int epoll, sparekey_epoll_event *events, int capacity, int milliseconds) {
    struct epoll_event ready[128];
    int count = epoll_wait(epoll, ready, capacity < 128 ? capacity : 128, milliseconds);
    for (int index = 0; index < count; index++) {
        events[index].key = ready[index].data.u64;
        events[index].events = ready[index].events;
    }
    return count;
}

// What another thread writes to to end an epoll's wait.
static inline int sparekey_eventfd(void) {
    return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

// accept4 is declared only under _GNU_SOURCE, which a module cannot define for headers that another module owns.
static inline int sparekey_accept(int listener, struct sockaddr_storage *address, socklen_t *length) {
    return (int)syscall(SYS_accept4, listener, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

// pipe2 is declared only under _GNU_SOURCE. Both ends are closed at an exec, or another child would keep this one's input open.
static inline int sparekey_pipe(int *ends) {
    return (int)syscall(SYS_pipe2, ends, O_CLOEXEC);
}

// spawn.h declares it only under _GNU_SOURCE, and there is no system call to use in its place. glibc 2.34.
int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int first);

// The child closes every descriptor from `first` on, whoever opened it and however. Returns the error, not -1.
static inline int sparekey_spawn_close_from(posix_spawn_file_actions_t *actions, int first) {
    return posix_spawn_file_actions_addclosefrom_np(actions, first);
}

// A descriptor that becomes readable when the process ends, so that waiting for a child can have a deadline.
static inline int sparekey_pidfd_open(int process) {
    return (int)syscall(SYS_pidfd_open, process, 0);
}

// An optimised build of the whole module finds `timespec` in a module of the standard library's that cannot be imported, and
// MemberImportVisibility then refuses its members: so numbers only.

static inline int64_t sparekey_wall_clock_milliseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

// Goes on while the machine sleeps.
static inline int64_t sparekey_continuous_clock_nanoseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_BOOTTIME, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

// What tells that a file was written or replaced, or made readable: chmod and chown change no more than st_ctim.
typedef struct {
    uint64_t device;
    uint64_t inode;
    int64_t size;
    int64_t modified_seconds;
    int64_t modified_nanoseconds;
    int64_t changed_seconds;
    int64_t changed_nanoseconds;
} sparekey_file_stamp;

static inline int sparekey_stat(const char *path, sparekey_file_stamp *stamp) {
    struct stat status;
    if (stat(path, &status) != 0) return -1;
    stamp->device = status.st_dev;
    stamp->inode = status.st_ino;
    stamp->size = status.st_size;
    stamp->modified_seconds = status.st_mtim.tv_sec;
    stamp->modified_nanoseconds = status.st_mtim.tv_nsec;
    stamp->changed_seconds = status.st_ctim.tv_sec;
    stamp->changed_nanoseconds = status.st_ctim.tv_nsec;
    return 0;
}

#endif
