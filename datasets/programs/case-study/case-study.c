/*
 * The experiment that is often given to show memory fragmentation, with its eyes open: take 1000 blocks of
 * 32 bytes, give back every second one, ask for 5000 bytes. At each stage it looks where things lie, in its
 * own addresses and in physical memory, and prints a table: what, stage, number, value.
 *
 *     case-study [TRACE_MARKER]
 *
 *     block     address of each block, in bytes from the start of the heap
 *     large     the same for the 5000 bytes; -1 if they were refused
 *     ns        how long the request for the 5000 bytes took
 *     break     end of the heap (sbrk), in bytes from its start
 *     page      physical frame (pfn) of each page of the heap; 0: no frame, -1: there is one, and only root sees
 *               which
 *     free      bytes that malloc itself holds free, the top of the heap included (0 if it does not tell)
 *     top       bytes of these at the top of the heap, never used so far
 *
 * Stages: 0 before the first malloc, 1 blocks taken and written, 2 every second one given back, 3 the 5000
 * bytes taken, 4 written. With the file trace_marker of tracefs, each stage is noted there too.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BLOCKS = 1000, BLOCK = 32, LARGE = 5000, PAGES = 64, STAGES = 5 };

static char *blocks[BLOCKS], *large, *heap;
static uint64_t frames[STAGES][PAGES];
static long ends[STAGES], held[STAGES], tops[STAGES];
static int pagemap, marker = -1;

/* The frame of a page, as pagemap tells it: bit 63 says there is one, the low 55 bits which. */
static uint64_t frame_of(const char *page)
{
    uint64_t entry = 0;

    if (pread(pagemap, &entry, sizeof entry, (uintptr_t)page / sysconf(_SC_PAGESIZE) * sizeof entry) < 0)
        return 0;
    return entry >> 63 ? entry & ((1ULL << 55) - 1) ?: UINT64_MAX : 0;
}

/* Writes nothing to the heap: what is looked at must not change by it. */
static void look(int stage)
{
    ends[stage] = (char *)sbrk(0) - heap;
    for (int page = 0; page < PAGES && page * sysconf(_SC_PAGESIZE) < ends[stage]; page++)
        frames[stage][page] = frame_of(heap + page * sysconf(_SC_PAGESIZE));
#if defined __GLIBC__ && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
    if (stage) { /* before the first malloc, asking would be the first */
        held[stage] = mallinfo2().fordblks;
        tops[stage] = mallinfo2().keepcost;
    }
#endif
    if (marker >= 0) {
        char note[] = "stage 0";

        note[6] += stage;
        if (write(marker, note, sizeof note - 1) < 0)
            marker = -1;
    }
}

static long nanoseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000L + now.tv_nsec;
}

int main(int argc, char **argv)
{
    static char out[1 << 16];
    long began, took;

    setvbuf(stdout, out, _IOFBF, sizeof out); /* else the first printf would take from the heap */
    if (argc > 1)
        marker = open(argv[1], O_WRONLY);
    pagemap = open("/proc/self/pagemap", O_RDONLY);
    heap = sbrk(0);
    nanoseconds();
    look(0);

    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(BLOCK);
        if (!blocks[i])
            return 1;
        memset(blocks[i], i, BLOCK);
    }
    look(1);

    for (int i = 1; i < BLOCKS; i += 2)
        free(blocks[i]);
    look(2);

    began = nanoseconds();
    large = malloc(LARGE);
    took = nanoseconds() - began;
    look(3);

    if (large)
        memset(large, 1, LARGE);
    look(4);

    printf("what,stage,number,value\n");
    for (int i = 0; i < BLOCKS; i++)
        printf("block,1,%d,%ld\n", i, (long)(blocks[i] - heap));
    printf("large,3,0,%ld\nns,3,0,%ld\n", large ? (long)(large - heap) : -1L, took);
    for (int stage = 0; stage < STAGES; stage++) {
        printf("break,%d,0,%ld\nfree,%d,0,%ld\ntop,%d,0,%ld\n", stage, ends[stage], stage, held[stage], stage,
               tops[stage]);
        for (int page = 0; page < PAGES && page * sysconf(_SC_PAGESIZE) < ends[stage]; page++)
            printf("page,%d,%d,%ld\n", stage, page, (long)frames[stage][page]);
    }
    return 0;
}
