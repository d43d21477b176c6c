// Has memory compacted whose pages are mapped by many processes, and tells where each page went.
//
//   page-migration MAPPINGS PAGES PINNED
//
// Takes memory in huge pages, so that what belongs together lies together, has them split into single ones and
// gives back half of each, so that compaction will move what is left. It pins some pages as buffers of io_uring.
// Further processes, made by fork, then map the same pages; of pinned ones each gets a copy. It prints "ready",
// waits for a line, writes to /proc/sys/vm/compact_memory and prints a line for each page: its number, page frame
// before and after, mappings before, whether it was pinned. Every process then looks whether each page still holds
// what was written.
//
// Needs root, and huge pages where a program asks for them.

#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096UL
#define HALF 256L  // pages left, and given back, of each 2 MiB: holes that the large folios of others fit in
#define AT ((char *)0x100000000000UL)  // far from everything else, the same every time

static void fail(const char *what) { perror(what); exit(1); }

static uint64_t entry(const char *path, uint64_t index) {
    uint64_t value = 0;
    int file = open(path, O_RDONLY);
    if (file < 0 || pread(file, &value, sizeof value, index * sizeof value) != sizeof value) fail(path);
    close(file);
    return value;
}

static uint64_t frame(const char *address) {
    return entry("/proc/self/pagemap", (uint64_t)address / PAGE) & ((1UL << 55) - 1);
}

static char *kept(long page) { return AT + (page / HALF * 2 * HALF + page % HALF) * PAGE; }

static int holds(long pages) {
    for (long page = 0; page < pages; page++)
        if (*(volatile long *)kept(page) != page + 1) return 0;
    return 1;
}

static void pin(long pages) {  // one buffer for each page: those between are not there
    struct io_uring_params parameters = {0};
    int ring = syscall(__NR_io_uring_setup, 1, &parameters);
    if (ring < 0) fail("io_uring_setup");
    struct iovec *buffers = calloc(pages, sizeof *buffers);
    for (long page = 0; page < pages; page++) buffers[page] = (struct iovec){kept(page * 8), PAGE};
    if (syscall(__NR_io_uring_register, ring, IORING_REGISTER_BUFFERS, buffers, pages)) fail("io_uring_register");
}

int main(int argc, char **argv) {
    if (argc != 4) { fprintf(stderr, "usage: page-migration MAPPINGS PAGES PINNED\n"); return 2; }
    long mappings = atol(argv[1]), pages = atol(argv[2]), pinned = atol(argv[3]);
    size_t size = 2 * pages * PAGE;
    int kind = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    if (mmap(AT, size, PROT_READ | PROT_WRITE, kind, -1, 0) != AT) fail("mmap");
    madvise(AT, size, MADV_HUGEPAGE);
    memset(AT, 1, size);
    for (long page = 0; page < pages; page++) *(long *)kept(page) = page + 1;
    for (long page = 0; page < pages; page += HALF)  // a huge page of which one page is cold is split
        if (madvise(kept(page), PAGE, MADV_COLD)) fail("madvise");
    madvise(AT, size, MADV_NOHUGEPAGE);  // and no thread makes one of it again
    for (long page = 0; page < pages; page += HALF)
        if (madvise(kept(page) + HALF * PAGE, HALF * PAGE, MADV_DONTNEED)) fail("madvise");
    if (!holds(pages)) fail("what a page holds");  // and all are mapped again
    if (pinned) pin(pinned);

    int ready[2], done[2];
    if (pipe(ready) || pipe(done)) fail("pipe");
    for (long child = 1; child < mappings; child++) {
        pid_t pid = fork();
        if (pid < 0) fail("fork");
        if (pid == 0) {
            char byte = (char)holds(pages);
            close(done[1]);
            if (write(ready[1], &byte, 1) != 1) _exit(1);
            if (read(done[0], &byte, 1) != 0) _exit(1);  // until the parent closes it
            _exit(!holds(pages));
        }
    }
    for (long child = 1; child < mappings; child++) {
        char byte = 0;
        if (read(ready[0], &byte, 1) != 1 || !byte) fail("a process that maps the pages");
    }

    uint64_t *before = malloc(pages * sizeof *before), *mapped = malloc(pages * sizeof *mapped);
    for (long page = 0; page < pages; page++) {
        before[page] = frame(kept(page));
        mapped[page] = entry("/proc/kpagecount", before[page]);
    }
    printf("ready\n");
    fflush(stdout);
    if (getchar() == EOF) return 1;
    struct sched_param first = {.sched_priority = 1};  // so that nobody else's turn is measured
    if (sched_setscheduler(0, SCHED_FIFO, &first)) fail("sched_setscheduler");
    int file = open("/proc/sys/vm/compact_memory", O_WRONLY);
    if (file < 0 || write(file, "1", 1) != 1) fail("compact_memory");
    close(file);
    first.sched_priority = 0;
    sched_setscheduler(0, SCHED_OTHER, &first);
    for (long page = 0; page < pages; page++)
        printf("%ld,%lu,%lu,%lu,%d\n", page, before[page], frame(kept(page)), mapped[page],
               page % 8 == 0 && page / 8 < pinned);
    if (!holds(pages)) fail("what a page holds");
    close(done[1]);
    int status, right = 1;
    while (wait(&status) > 0) right &= status == 0;
    printf("%s\n", right ? "all hold" : "a page holds something else");
    return !right;
}
