// Fragments memory, then asks for huge pages at a steady pace and tells how long each took and what CPU time.
//
//   effect MEBIBYTES PAGES PER_SECOND
//
// Takes memory in single pages and gives every second one back, so that no free block is larger than a page, and
// prints "ready". Then does what each line of its input says, and prints one line for it:
//
//   load   asks for PAGES huge pages, PER_SECOND of them a second, writes into each 4 KiB of each and keeps them;
//          nanoseconds it took, nanoseconds of CPU time, and for each page those of the first write to it
//   break  has its huge pages split, and gives back every second 4 KiB of them, so that they are crumbs as well;
//          nanoseconds it took, and of CPU time
//   write  writes to /proc/sys/vm/compact_memory; nanoseconds it took, and of CPU time
//   warm   as load, without a pause, and gives the huge pages back whole
//
// Needs root for the last, and huge pages where a program asks for them.

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096UL
#define HUGE (512 * PAGE)

static void fail(const char *what) { perror(what); exit(1); }

static long now(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * 1000000000L + time.tv_nsec;
}

static char *take(size_t size, int advice) {
    char *begin = mmap(NULL, size + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (begin == MAP_FAILED) fail("mmap");
    begin = (char *)(((unsigned long)begin + HUGE - 1) & ~(HUGE - 1));
    if (madvise(begin, size, advice)) fail("madvise");
    return begin;
}

static void touch(char *begin, size_t size) {
    for (size_t at = 0; at < size; at += PAGE) *(volatile char *)(begin + at) = 1;
}

static void punch(char *begin, size_t size) {
    for (size_t at = 0; at < size; at += 2 * PAGE)
        if (madvise(begin + at, PAGE, MADV_DONTNEED)) fail("madvise");
}

static char *load(long pages, long per_second, long *first_write) {
    char *begin = take(pages * HUGE, MADV_HUGEPAGE);
    long next = now(CLOCK_MONOTONIC);
    for (long page = 0; page < pages; page++, next += 1000000000L / per_second) {
        struct timespec until = {next / 1000000000L, next % 1000000000L};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        char *at = begin + page * HUGE;
        long asked = now(CLOCK_MONOTONIC);
        touch(at, PAGE);
        first_write[page] = now(CLOCK_MONOTONIC) - asked;
        touch(at, HUGE);
    }
    return begin;
}

static void split(char *begin, long pages) {
    for (long page = 0; page < pages; page++)  // a huge page of which one page is cold is split
        if (madvise(begin + page * HUGE, PAGE, MADV_COLD)) fail("madvise");
    if (madvise(begin, pages * HUGE, MADV_NOHUGEPAGE)) fail("madvise");  // and no thread makes one of it again
}

static void compact(void) {
    int file = open("/proc/sys/vm/compact_memory", O_WRONLY);
    if (file < 0 || write(file, "1", 1) != 1) fail("compact_memory");
    close(file);
}

int main(int argc, char **argv) {
    if (argc != 4) { fprintf(stderr, "usage: effect MEBIBYTES PAGES PER_SECOND\n"); return 2; }
    size_t size = atol(argv[1]) << 20;
    long pages = atol(argv[2]), per_second = atol(argv[3]);
    long *first_write = calloc(pages, sizeof *first_write);
    char *crumbs = take(size, MADV_NOHUGEPAGE), *huge = NULL, order[16];
    touch(crumbs, size);
    punch(crumbs, size);
    printf("ready\n");
    fflush(stdout);
    while (fgets(order, sizeof order, stdin)) {
        int warms = !strcmp(order, "warm\n"), loads = warms || !strcmp(order, "load\n");
        long began = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
        if (loads) huge = load(pages, warms ? 1000000 : per_second, first_write);
        else if (!strcmp(order, "break\n")) split(huge, pages), punch(huge, pages * HUGE);
        else if (!strcmp(order, "write\n")) compact();
        else return 2;
        if (warms) munmap(huge, pages * HUGE);
        printf("%ld %ld", now(CLOCK_MONOTONIC) - began, now(CLOCK_PROCESS_CPUTIME_ID) - cpu);
        for (long page = 0; loads && page < pages; page++) printf(" %ld", first_write[page]);
        printf("\n");
        fflush(stdout);
    }
}
