"""Allocators as plainly as they can be said: lists of (begin, length), searched and sorted as the words tell.

Imports nothing of compactlab.allocators; numbers are granules.
"""

from __future__ import annotations


class SlowHeap:
    """One arena and one policy; `row` has what is known after each request."""

    def __init__(
        self,
        policy: str,
        limit: int,
        grows: bool,
        *,
        fit: str = "first fit",
        period: int = 100,
        kept_up_to: int = 8,
        kept_per_size: int = 7,
        last_resort: bool = False,
        max_order: int = 47,
    ):
        self.policy = policy
        self.fit = fit if policy in ("periodic consolidation", "recent frees") else policy
        self.limit, self.end = limit, 0
        self.period, self.kept_up_to, self.kept_per_size = period, kept_up_to, kept_per_size
        self.last_resort = last_resort
        self.max_order = min(max_order, limit.bit_length() - 1)
        self.free: list[tuple[int, int]] = []  # all policies but the buddies, in the order of the list
        self.kept: dict[int, list[int]] = {}  # size to begins, the last freed first
        self.orders: list[list[int]] = [[] for _ in range(self.max_order + 1)]  # the last freed first
        self.used: dict[int, tuple[int, int, int]] = {}  # object to begin, length, asked
        self.rover: int | None = None  # begin of the block where next fit goes on; None: at the list's begin
        self.since, self.highest, self.steps = 0, 0, 0
        if not grows:
            if policy == "buddy":
                while self.end < limit:
                    self.buddy_extend(self.max_order)
            else:
                self.extend(limit)
                self.rover = 0

    # what holds for all

    def free_blocks(self) -> list[tuple[int, int]]:
        blocks = list(self.free)
        blocks += [(begin, size) for size, begins in self.kept.items() for begin in begins]
        blocks += [(begin, 1 << order) for order, begins in enumerate(self.orders) for begin in begins]
        return blocks

    def request(self, op: int, thing: int, need: int, asked: int) -> tuple[int, ...]:
        self.steps = 0
        self.since += 1
        if self.policy == "periodic consolidation" and self.since >= self.period:
            self.consolidate()
        if thing < 0:
            address, outcome = -1, 4
        elif op == 0:
            address, outcome = self.allocate(thing, need, asked)
        else:
            address, outcome = self.give_back(thing)
        blocks = self.free_blocks()
        return (
            address,
            self.steps,
            outcome,
            sum(length for _, length in blocks),
            len(blocks),
            max((length for _, length in blocks), default=0),
            sum(asked for _, _, asked in self.used.values()),
            self.end,
            self.highest,
        )

    def allocate(self, thing: int, need: int, asked: int) -> tuple[int, int]:
        begin, length = (
            self.buddy_allocate(need) if self.policy == "buddy" else (self.list_allocate(need), need)
        )
        if begin is None:
            return -1, self.refusal(need)
        self.used[thing] = (begin, length, asked)
        self.highest = max(self.highest, begin + length)
        return begin, 0

    def refusal(self, need: int) -> int:
        if sum(length for _, length in self.free_blocks()) + self.limit - self.end < need:
            return 1
        owned = {g for begin, length, _ in self.used.values() for g in range(begin, begin + length)}
        run = longest = 0
        for granule in range(self.end):
            run = 0 if granule in owned else run + 1
            longest = max(longest, run)
        return 2 if longest < need else 3

    def give_back(self, thing: int) -> tuple[int, int]:
        if thing not in self.used:
            return -1, 4
        begin, length, _ = self.used.pop(thing)
        if self.policy == "buddy":
            self.buddy_free(begin, length.bit_length() - 1)
        elif self.policy == "recent frees" and length <= self.kept_up_to:
            self.steps += 1
            self.kept.setdefault(length, []).insert(0, begin)
            if len(self.kept[length]) > self.kept_per_size:
                self.insert(self.kept[length].pop(), length)
        elif self.policy == "periodic consolidation":
            self.steps += 1
            self.free.insert(0, (begin, length))
        else:
            self.insert(begin, length)
        return begin, 0

    # lists

    def list_allocate(self, need: int) -> int | None:
        if self.policy == "recent frees" and need <= self.kept_up_to:
            self.steps += 1
            if self.kept.get(need):
                return self.kept[need].pop(0)
        at = self.search(need)
        if at is None and self.last_resort and self.policy == "periodic consolidation":
            self.consolidate()
            at = self.search(need)
        if at is None and self.last_resort and self.policy == "recent frees":
            for size in range(1, self.kept_up_to + 1):
                while self.kept.get(size):
                    self.insert(self.kept[size].pop(), size)
            at = self.search(need)
        if at is None and self.extend(need):
            at = self.search(need)
        return None if at is None else self.cut(at, need)

    def search(self, need: int) -> int | None:
        """Index in the list of the block that is given."""
        places = list(range(len(self.free)))
        if self.fit == "next fit" and self.rover is not None:
            start = [begin for begin, _ in self.free].index(self.rover)
            places = places[start:] + places[:start]
        fits = []
        for place in places:
            self.steps += 1
            length = self.free[place][1]
            if length >= need:
                fits.append(place)
                if self.fit in ("first fit", "next fit") or (self.fit == "best fit" and length == need):
                    break
        if not fits:
            return None
        if self.fit == "best fit":
            return min(fits, key=lambda place: self.free[place][1])
        if self.fit == "worst fit":
            return max(fits, key=lambda place: self.free[place][1])
        if self.fit == "next fit":
            self.rover = self.free[fits[0]][0]
        return fits[0]

    def cut(self, at: int, need: int) -> int:
        begin, length = self.free[at]
        if length > need:
            self.free[at] = (begin + need, length - need)
            following = begin + need
        else:
            del self.free[at]
            following = self.free[at][0] if at < len(self.free) else None
        if self.rover == begin:
            self.rover = following
        return begin

    def insert(self, begin: int, length: int) -> None:
        at = 0
        while at < len(self.free) and self.free[at][0] < begin:
            at += 1
        self.steps += at + (at < len(self.free))
        if at < len(self.free) and self.free[at][0] == begin + length:
            if self.rover == self.free[at][0]:
                self.rover = begin
            length += self.free.pop(at)[1]
        if at > 0 and sum(self.free[at - 1]) == begin:
            if self.rover == begin:
                self.rover = self.free[at - 1][0]
            before, more = self.free.pop(at - 1)
            at, begin, length = at - 1, before, length + more
        self.free.insert(at, (begin, length))

    def extend(self, need: int) -> bool:
        periodic = self.policy == "periodic consolidation"
        joins = not periodic and self.free and sum(self.free[-1]) == self.end
        lacking = need - (self.free[-1][1] if joins else 0)
        if self.end + lacking > self.limit:
            return False
        if joins:
            self.free[-1] = (self.free[-1][0], need)
        else:
            self.free.insert(0 if periodic else len(self.free), (self.end, need))
        self.end += lacking
        return True

    def consolidate(self) -> None:
        self.since = 0
        self.steps += len(self.free)
        merged: list[tuple[int, int]] = []
        for begin, length in sorted(self.free):
            if merged and sum(merged[-1]) == begin:
                merged[-1] = (merged[-1][0], merged[-1][1] + length)
            else:
                merged.append((begin, length))
        self.free = merged

    # buddies

    def buddy_allocate(self, need: int) -> tuple[int | None, int]:
        order = (need - 1).bit_length()
        if order > self.max_order:
            return None, 0
        begin = self.buddy_take(order)
        while begin is None and self.buddy_extend(order):
            begin = self.buddy_take(order)
        return begin, 1 << order

    def buddy_take(self, order: int) -> int | None:
        for current in range(order, self.max_order + 1):
            self.steps += 1
            if self.orders[current]:
                begin = self.orders[current].pop(0)
                for half in reversed(range(order, current)):
                    self.orders[half].insert(0, begin + (1 << half))
                return begin
        return None

    def buddy_free(self, begin: int, order: int) -> None:
        while order < self.max_order:
            buddy = begin ^ (1 << order)
            if buddy + (1 << order) > self.end:
                break
            self.steps += 1
            if buddy not in self.orders[order]:
                break
            self.orders[order].remove(buddy)
            begin, order = min(begin, buddy), order + 1
        self.orders[order].insert(0, begin)

    def buddy_extend(self, order: int) -> bool:
        steps = [
            step
            for step in range(order + 1)
            if self.end % (1 << step) == 0 and self.end + (1 << step) <= self.limit
        ]
        if not steps:
            return False
        begin = self.end
        self.end += 1 << steps[-1]
        self.buddy_free(begin, steps[-1])
        return True
