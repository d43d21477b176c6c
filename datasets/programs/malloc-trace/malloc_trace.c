/* Writes down what a program asks of malloc: put in front of the C library by LD_PRELOAD.

     gcc -O2 -shared -fPIC malloc_trace.c -o malloc_trace.so
     MALLOC_TRACE=trace.bin LD_PRELOAD=./malloc_trace.so program

   The file is a row of records of five 64-bit numbers: what, address, size, usable size, old address.
   Only the first process writes, not those it starts. Every 64 requests glibc's own books are noted.
   A record comes after the call it tells of, that of a free before it; one lock around both keeps them in
   order. valloc and pvalloc are not looked at. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ALLOCATE = 1, FREE = 2, REALLOCATE = 3, BOOKS = 4 };
enum { RECORDS = 4096, REQUESTS_PER_BOOKS = 64 };

static void *(*real_malloc)(size_t);
static void *(*real_calloc)(size_t, size_t);
static void *(*real_realloc)(void *, size_t);
static void *(*real_memalign)(size_t, size_t);
static void (*real_free)(void *);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t records[RECORDS][5];
static int kept, file = -1;
static long requests;
static char early[4096]; /* dlsym itself asks for memory before it has found malloc */
static size_t early_used;
static int finding;

static void flush(void) {
    const char *from = (const char *)records;
    size_t left = kept * sizeof records[0];
    while (file >= 0 && left > 0) {
        ssize_t written = write(file, from, left);
        if (written < 0 && errno != EINTR) {
            file = -1;
        } else if (written > 0) {
            from += written;
            left -= written;
        }
    }
    kept = 0;
}

static void append(uint64_t what, uint64_t address, uint64_t size, uint64_t usable, uint64_t old) {
    uint64_t record[5] = {what, address, size, usable, old};
    memcpy(records[kept++], record, sizeof record);
    if (kept == RECORDS)
        flush();
}

static void note(uint64_t what, void *address, size_t size, void *old) {
    if (file < 0)
        return;
    append(what, (uint64_t)address, size, what == FREE ? 0 : malloc_usable_size(address), (uint64_t)old);
    if (requests++ % REQUESTS_PER_BOOKS == 0) {
        struct mallinfo2 books = mallinfo2();
        append(BOOKS, books.arena, books.hblkhd, books.uordblks, books.fordblks);
    }
}

static void before_fork(void) { pthread_mutex_lock(&lock); }

static void in_parent(void) { pthread_mutex_unlock(&lock); }

static void in_child(void) {
    file = -1;
    kept = 0;
    pthread_mutex_unlock(&lock);
}

__attribute__((constructor)) static void begin(void) {
    pthread_atfork(before_fork, in_parent, in_child);
    const char *name = getenv("MALLOC_TRACE");
    if (name != NULL)
        file = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
}

__attribute__((destructor)) static void finish(void) {
    pthread_mutex_lock(&lock);
    flush();
    file = -1;
    pthread_mutex_unlock(&lock);
}

static void find(void) {
    if (real_free != NULL || finding)
        return;
    finding = 1;
    real_malloc = dlsym(RTLD_NEXT, "malloc");
    real_calloc = dlsym(RTLD_NEXT, "calloc");
    real_realloc = dlsym(RTLD_NEXT, "realloc");
    real_memalign = dlsym(RTLD_NEXT, "memalign");
    real_free = dlsym(RTLD_NEXT, "free");
}

static int is_early(void *block) { return (char *)block >= early && (char *)block < early + sizeof early; }

void *malloc(size_t size) {
    find();
    pthread_mutex_lock(&lock);
    void *block = real_malloc(size);
    if (block != NULL)
        note(ALLOCATE, block, size, NULL);
    pthread_mutex_unlock(&lock);
    return block;
}

void *calloc(size_t count, size_t each) {
    find();
    if (real_calloc == NULL) {
        size_t size = (count * each + 15) & ~(size_t)15;
        if (early_used + size > sizeof early)
            return NULL;
        early_used += size;
        return early + early_used - size;
    }
    pthread_mutex_lock(&lock);
    void *block = real_calloc(count, each);
    if (block != NULL)
        note(ALLOCATE, block, count * each, NULL);
    pthread_mutex_unlock(&lock);
    return block;
}

void *realloc(void *old, size_t size) {
    find();
    if (is_early(old)) {
        size_t there = early + sizeof early - (char *)old;
        void *block = malloc(size);
        return block == NULL ? NULL : memcpy(block, old, size < there ? size : there);
    }
    pthread_mutex_lock(&lock);
    void *block = real_realloc(old, size);
    if (block != NULL)
        note(old == NULL ? ALLOCATE : REALLOCATE, block, size, old);
    else if (size == 0 && old != NULL)
        note(FREE, old, 0, NULL);
    pthread_mutex_unlock(&lock);
    return block;
}

void *reallocarray(void *old, size_t count, size_t each) {
    size_t size;
    if (__builtin_mul_overflow(count, each, &size)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(old, size);
}

void *memalign(size_t alignment, size_t size) {
    find();
    pthread_mutex_lock(&lock);
    void *block = real_memalign(alignment, size);
    if (block != NULL)
        note(ALLOCATE, block, size, NULL);
    pthread_mutex_unlock(&lock);
    return block;
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **where, size_t alignment, size_t size) {
    void *block = memalign(alignment, size);
    if (block == NULL)
        return ENOMEM;
    *where = block;
    return 0;
}

void free(void *block) {
    if (block == NULL || is_early(block))
        return;
    find();
    pthread_mutex_lock(&lock);
    note(FREE, block, 0, NULL);
    real_free(block);
    pthread_mutex_unlock(&lock);
}
