/* The buddy allocator of compactlab.core.buddy in C: the same lists, the same records, the same steps.
 *
 * layout.h is written by benchmarks/allocator.py from the records of compactlab.core.memory, so both work on
 * the same bytes. Left out, as in what it is compared with: watermarks, per-CPU lists, and the fallback to
 * other types, which the measured requests never reach.
 */
#include <stdbool.h>
#include <stdint.h>
#include "layout.h"

typedef struct {
    struct page *page;
    struct block *block;
    struct zone *zone;
    struct control *control;
    struct rules *rules;
} memory;

static inline int64_t free_list(const memory *m, int64_t zone, int64_t order, int64_t migratetype)
{
    return m->rules->nr_pages + zone * LISTS_PER_ZONE + order * 6 + migratetype;
}

static inline void list_add(const memory *m, int64_t page, int64_t head)
{
    int32_t following = m->page[head].next;
    m->page[page].next = following;
    m->page[page].prev = head;
    m->page[head].next = page;
    m->page[following].prev = page;
}

static inline void list_add_tail(const memory *m, int64_t page, int64_t head)
{
    int32_t previous = m->page[head].prev;
    m->page[page].next = head;
    m->page[page].prev = previous;
    m->page[head].prev = page;
    m->page[previous].next = page;
}

static inline void list_del(const memory *m, int64_t page)
{
    int32_t following = m->page[page].next, previous = m->page[page].prev;
    m->page[previous].next = following;
    m->page[following].prev = previous;
}

static inline void account(const memory *m, int64_t zone, int64_t order, int64_t migratetype, int64_t blocks)
{
    struct zone *z = &m->zone[zone];
    z->nr_free[order][migratetype] += blocks;
    if (migratetype == ISOLATE)
        return;
    int64_t pages = blocks << order;
    z->free_pages += pages;
    if (order >= m->rules->pageblock_order)
        z->free_pages_blocks += pages;
    if (migratetype == HIGHATOMIC)
        z->free_highatomic += pages;
}

static inline void add_to_free_list(const memory *m, int64_t zone, int64_t page, int64_t order,
                                    int64_t migratetype, bool tail)
{
    m->page[page].order = order;
    m->page[page].slot = migratetype;
    int64_t head = free_list(m, zone, order, migratetype);
    if (tail)
        list_add_tail(m, page, head);
    else
        list_add(m, page, head);
    account(m, zone, order, migratetype, 1);
}

static inline int64_t del_from_free_list(const memory *m, int64_t zone, int64_t page)
{
    int64_t order = m->page[page].order;
    list_del(m, page);
    account(m, zone, order, m->page[page].slot, -1);
    return order;
}

static inline bool is_free_block(const memory *m, int64_t zone, int64_t page, int64_t order)
{
    return m->zone[zone].start_pfn <= page && page < m->zone[zone].end_pfn && m->page[page].kind == FREE &&
           m->page[page].order == order;
}

static inline void set_kind(const memory *m, int64_t page, int64_t order, int kind)
{
    for (int64_t position = page; position < page + (1l << order); position++)
        m->page[position].kind = kind;
}

static inline bool buddy_merge_likely(const memory *m, int64_t zone, int64_t page, int64_t order)
{
    if (order >= m->rules->max_order - 1)
        return false;
    int64_t parent = page & ~(1l << order);
    return is_free_block(m, zone, parent ^ (1l << (order + 1)), order + 1);
}

static inline int64_t pageblock_type(const memory *m, int64_t page)
{
    struct block *block = &m->block[page >> m->rules->pageblock_order];
    return block->isolated ? ISOLATE : block->migratetype;
}

static bool capture(const memory *m, int64_t zone, int64_t page, int64_t order, int64_t migratetype)
{
    struct control *control = m->control;
    if (!control->capture || control->captured >= 0 || control->order != order || control->zone != zone)
        return false;
    if (migratetype == CMA || migratetype == ISOLATE)
        return false;
    if (order < m->rules->pageblock_order && migratetype == MOVABLE && control->migratetype != MOVABLE)
        return false;
    control->captured = page;
    return true;
}

static void change_pageblock_range(const memory *m, int64_t page, int64_t order, int64_t migratetype)
{
    int64_t first = page >> m->rules->pageblock_order;
    int64_t blocks = 1l << order >> m->rules->pageblock_order;
    for (int64_t block = first; block < first + (blocks < 1 ? 1 : blocks); block++)
        m->block[block].migratetype = migratetype;
}

static void free_one_page(const memory *m, int64_t zone, int64_t page, int64_t order)
{
    int64_t migratetype = pageblock_type(m, page);
    set_kind(m, page, order, FREE);
    while (order < m->rules->max_order) {
        if (order == m->control->order && capture(m, zone, page, order, migratetype)) {
            m->page[page].order = order;
            return;
        }
        int64_t buddy = page ^ (1l << order);
        if (!is_free_block(m, zone, buddy, order))
            break;
        if (order >= m->rules->pageblock_order) {
            int64_t buddy_type = pageblock_type(m, buddy);
            if (buddy_type != migratetype && (buddy_type >= HIGHATOMIC || migratetype >= HIGHATOMIC))
                break;
            if (m->rules->hygiene && buddy_type != migratetype)
                change_pageblock_range(m, buddy, order, migratetype);
        }
        del_from_free_list(m, zone, buddy);
        m->page[page > buddy ? page : buddy].order = TAIL;
        page &= buddy;
        order++;
    }
    bool likely = buddy_merge_likely(m, zone, page, order);
    add_to_free_list(m, zone, page, order, migratetype, likely);
}

static inline void expand(const memory *m, int64_t zone, int64_t page, int64_t low, int64_t high,
                          int64_t migratetype)
{
    while (high > low) {
        high--;
        add_to_free_list(m, zone, page + (1l << high), high, migratetype, false);
    }
    m->page[page].order = low;
}

static int64_t rmqueue(const memory *m, int64_t zone, int64_t order, int64_t migratetype)
{
    for (int64_t current = order; current <= m->rules->max_order; current++) {
        if (m->zone[zone].nr_free[current][migratetype] > 0) {
            int64_t page = m->page[free_list(m, zone, current, migratetype)].next;
            del_from_free_list(m, zone, page);
            expand(m, zone, page, order, current, migratetype);
            return page;
        }
    }
    return -1;
}

/* Give back what a turn's slot holds, or else let it take a block. */
void churn(struct page *page, struct block *block, struct zone *zone, struct control *control,
           struct rules *rules, int64_t order, int32_t *held, const int32_t *turns, int64_t nr_turns)
{
    memory m = {page, block, zone, control, rules};
    for (int64_t turn = 0; turn < nr_turns; turn++) {
        int32_t slot = turns[turn];
        if (held[slot] >= 0) {
            free_one_page(&m, 0, held[slot], order);
            held[slot] = -1;
        } else {
            int64_t got = rmqueue(&m, 0, order, MOVABLE);
            if (got >= 0)
                set_kind(&m, got, order, ANON);
            held[slot] = got;
        }
    }
}
