/*
 * Maps memory at given addresses, touches it, and prints what the kernel charges for page tables.
 *
 *     page-tables [-n PROCESSES] [-t THEN] START LENGTH EVERY BACKING [START LENGTH EVERY BACKING ...]
 *
 * One byte is touched in every EVERY bytes of each range. All numbers are in bytes; START may be hexadecimal.
 *
 *     BACKING   none      mapped and never touched
 *               read      private memory, read only: the zero page, or the huge zero page with EVERY of 2 MiB
 *               small     private memory, base pages (MADV_NOHUGEPAGE)
 *               thp       private memory, transparent huge pages (MADV_HUGEPAGE); sizes as the system allows
 *               shared    shared memory, base pages
 *               sharedthp shared memory, transparent huge pages
 *               hugetlb   private huge pages of EVERY bytes from the pool
 *     THEN      nothing   (default)
 *               mprotect  the first base page of every EVERY bytes is made read-only: splits a huge mapping
 *               dontneed  all of it is given back with MADV_DONTNEED, and stays mapped
 *               fork      a child is made; told is what the child holds for the same ranges
 *
 * Printed, comma-separated: VmPTE of /proc/self/status above what it was before the mapping: after touching
 * (summed over all processes), after THEN, after unmapping; and how much of the ranges is mapped by huge
 * entries according to smaps, after touching. Ends with status 1 and a sentence if memory cannot be had.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#endif

enum { MOST = 64 };

struct range {
    unsigned long start, length, every;
    const char *backing;
};

static struct range ranges[MOST];
static int nr_ranges;

static void stop(const char *what, const struct range *range)
{
    fprintf(stderr, "page-tables: %s at %#lx, %lu bytes, %s: %s\n", what, range->start, range->length,
            range->backing, strerror(errno));
    exit(1);
}

static int backed_by(const struct range *range, const char *backing)
{
    return strcmp(range->backing, backing) == 0;
}

/* VmPTE of this process, in bytes. */
static long vmpte(void)
{
    static char text[8192];
    int file = open("/proc/self/status", O_RDONLY);
    ssize_t length = read(file, text, sizeof text - 1);
    const char *line;

    close(file);
    text[length > 0 ? length : 0] = 0;
    line = strstr(text, "VmPTE:");
    return line ? atol(line + 6) * 1024 : -1;
}

/* Bytes of the ranges that are mapped by huge entries. */
static long huge(void)
{
    static const char *const keys[] = {"AnonHugePages:", "ShmemPmdMapped:", "Private_Hugetlb:", "Shared_Hugetlb:"};
    char line[512];
    long bytes = 0;
    int inside = 0;
    FILE *file = fopen("/proc/self/smaps", "r");

    while (file && fgets(line, sizeof line, file)) {
        unsigned long start, end;

        if (sscanf(line, "%lx-%lx ", &start, &end) == 2) {
            inside = 0;
            for (int i = 0; i < nr_ranges; i++)
                inside |= start < ranges[i].start + ranges[i].length && end > ranges[i].start;
        }
        for (int i = 0; inside && i < 4; i++)
            if (strncmp(line, keys[i], strlen(keys[i])) == 0)
                bytes += atol(line + strlen(keys[i])) * 1024;
    }
    if (file)
        fclose(file);
    return bytes;
}

static void map(const struct range *range)
{
    int flags = MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
    void *memory;

    flags |= backed_by(range, "shared") || backed_by(range, "sharedthp") ? MAP_SHARED : MAP_PRIVATE;
    if (backed_by(range, "hugetlb"))
        flags |= MAP_HUGETLB | __builtin_ctzl(range->every) << MAP_HUGE_SHIFT;
    memory = mmap((void *)range->start, range->length, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory != (void *)range->start)
        stop("cannot map", range);
    if (backed_by(range, "small") || backed_by(range, "shared"))
        madvise(memory, range->length, MADV_NOHUGEPAGE);
    else if (!backed_by(range, "hugetlb"))
        madvise(memory, range->length, MADV_HUGEPAGE);
}

static void touch(const struct range *range)
{
    if (backed_by(range, "none"))
        return;
    for (unsigned long at = 0; at < range->length; at += range->every) {
        volatile char *byte = (volatile char *)(range->start + at);

        if (backed_by(range, "read"))
            (void)*byte;
        else
            *byte = 1;
    }
}

/* What `processes` more processes need that touch the same memory; it must be shared. */
static long touched_by(int processes)
{
    long sum = 0;

    for (int i = 0; i < processes; i++) {
        int ends[2];
        long bytes = -1;

        if (pipe(ends))
            stop("no pipe", ranges);
        if (fork() == 0) {
            bytes = vmpte();
            for (int j = 0; j < nr_ranges; j++)
                touch(&ranges[j]);
            bytes = vmpte() - bytes;
            _exit(write(ends[1], &bytes, sizeof bytes) != sizeof bytes);
        }
        if (read(ends[0], &bytes, sizeof bytes) != sizeof bytes)
            stop("a process failed", ranges);
        close(ends[0]);
        close(ends[1]);
        wait(NULL);
        sum += bytes;
    }
    return sum;
}

static void unmap(void)
{
    for (int i = 0; i < nr_ranges; i++)
        munmap((void *)ranges[i].start, ranges[i].length);
}

/* What a child of fork holds for the ranges: what it has less once it has unmapped them. */
static long held_by_child(void)
{
    int ends[2];
    long bytes = -1;

    if (pipe(ends))
        stop("no pipe", ranges);
    if (fork() == 0) {
        bytes = vmpte();
        unmap();
        bytes -= vmpte();
        _exit(write(ends[1], &bytes, sizeof bytes) != sizeof bytes);
    }
    if (read(ends[0], &bytes, sizeof bytes) != sizeof bytes)
        stop("a process failed", ranges);
    wait(NULL);
    return bytes;
}

static long after(const char *then, long before)
{
    for (int i = 0; i < nr_ranges; i++) {
        if (strcmp(then, "dontneed") == 0 &&
            madvise((void *)ranges[i].start, ranges[i].length, MADV_DONTNEED))
            stop("cannot give back", &ranges[i]);
        if (strcmp(then, "mprotect") == 0)
            for (unsigned long at = 0; at < ranges[i].length; at += ranges[i].every)
                if (mprotect((void *)(ranges[i].start + at), sysconf(_SC_PAGESIZE), PROT_READ))
                    stop("cannot protect", &ranges[i]);
    }
    return strcmp(then, "fork") == 0 ? held_by_child() : vmpte() - before;
}

int main(int argc, char **argv)
{
    const char *then = "nothing";
    int processes = 0, option;
    long before, touched, mapped_huge, left;

    while ((option = getopt(argc, argv, "n:t:")) != -1) {
        if (option == 'n')
            processes = atoi(optarg);
        else if (option == 't')
            then = optarg;
        else
            return 2;
    }
    if (optind == argc || (argc - optind) % 4 || (argc - optind) / 4 > MOST) {
        fprintf(stderr, "page-tables: expected START LENGTH EVERY BACKING, up to %d times\n", MOST);
        return 2;
    }
    for (; optind < argc; optind += 4)
        ranges[nr_ranges++] = (struct range){strtoul(argv[optind], NULL, 0), strtoul(argv[optind + 1], NULL, 0),
                                             strtoul(argv[optind + 2], NULL, 0), argv[optind + 3]};
    huge();
    vmpte(); /* so that what reading needs is there before it counts */
    before = vmpte();
    for (int i = 0; i < nr_ranges; i++)
        map(&ranges[i]);
    if (processes) {
        touched = touched_by(processes);
    } else {
        for (int i = 0; i < nr_ranges; i++)
            touch(&ranges[i]);
        touched = vmpte() - before;
    }
    mapped_huge = huge();
    left = after(then, before);
    unmap();
    printf("%ld,%ld,%ld,%ld\n", touched, left, vmpte() - before, mapped_huge);
    return 0;
}
