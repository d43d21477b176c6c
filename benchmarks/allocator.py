"""Blocks taken from and given back to the free lists: compactlab, and the same in C on the same bytes."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from compactlab.core import memory as m
from compactlab.core.buddy import free_one_page, rmqueue, set_kind
from compactlab.core.byreference import by_reference
from compactlab.core.jit import integer, jit
from compactlab.simulation.build import Budgets, build
from compactlab.simulation.zone import Zone

from .table import Row

SOURCE = Path(__file__).with_name("buddy.c")
NAMES = ("FREE", "ANON", "TAIL", "MOVABLE", "HIGHATOMIC", "CMA", "ISOLATE", "LISTS_PER_ZONE")
C_TYPES = {"int64": "int64_t", "int32": "int32_t", "uint8": "uint8_t"}
ZONE_GIB = 4
TURNS = {0: 4_000_000, 9: 200_000}
ROUNDS = 7


@jit
def churn(of: m.Memory, order: int, held: np.ndarray, turns: np.ndarray) -> None:
    """Give back what a turn's slot holds, or else let it take a block."""
    memory = by_reference(of)
    for turn in range(turns.size):
        slot = turns[turn]
        if held[slot] >= 0:
            free_one_page(memory, 0, integer(held[slot]), order)
            held[slot] = -1
        else:
            got = rmqueue(memory, 0, order, m.MOVABLE, 0)
            if got >= 0:
                set_kind(memory, got, order, m.ANON)
            held[slot] = got


def struct(name: str, dtype: np.dtype) -> str:
    """Declare a record in C."""
    nested, lines = "", []
    for field in dtype.names or ():
        base, shape = dtype[field].base, "".join(f"[{n}]" for n in dtype[field].shape)
        if base.names:
            nested += struct(field, base)
        lines.append(f"    {f'struct {field}' if base.names else C_TYPES[base.name]} {field}{shape};\n")
    return (
        f"{nested}struct {name} {{\n{''.join(lines)}}} __attribute__((packed, aligned({_aligned(dtype)})));\n"
    )


def _aligned(dtype: np.dtype) -> int:
    return max(_aligned(dtype[field].base) if dtype[field].base.names else dtype[field].base.itemsize
               for field in dtype.names or ())  # fmt: skip


def compile_c(folder: Path) -> ctypes.CDLL:
    """Compile the C twin with ``gcc -O2``."""
    constants = "".join(f"#define {name} {getattr(m, name)}\n" for name in NAMES)
    records = {"page": m.PAGE, "block": m.BLOCK, "zone": m.ZONE, "control": m.CONTROL, "rules": m.RULES}
    sizes = "".join(
        f'_Static_assert(sizeof(struct {name}) == {dtype.itemsize}, "{name}");\n'
        for name, dtype in records.items()
    )
    text = constants + "".join(struct(name, dtype) for name, dtype in records.items()) + sizes
    (folder / "layout.h").write_text(text)
    library = folder / "buddy.so"
    subprocess.run(
        [
            "gcc",
            "-O2",
            "-shared",
            "-fPIC",
            "-Wall",
            "-Werror",
            f"-I{folder}",
            str(SOURCE),
            "-o",
            str(library),
        ],
        check=True,
    )
    return ctypes.CDLL(str(library))


def in_c(library: ctypes.CDLL, memory: m.Memory, order: int, held: np.ndarray, turns: np.ndarray) -> None:
    """Call the C twin."""
    arrays = (memory.page, memory.block, memory.zone, memory.control, memory.rules)
    library.churn(
        *(ctypes.c_void_p(array.ctypes.data) for array in arrays),
        ctypes.c_int64(order),
        ctypes.c_void_p(held.ctypes.data),
        ctypes.c_void_p(turns.ctypes.data),
        ctypes.c_int64(turns.size),
    )


def rows() -> list[Row]:
    """Measure both in turn on the same requests, and see that they leave the same bytes."""
    with tempfile.TemporaryDirectory() as folder:
        library = compile_c(Path(folder))
        return [row for order in TURNS for row in _compare(library, order)]


def _compare(library: ctypes.CDLL, order: int) -> list[Row]:
    random = np.random.default_rng(order)
    memory = build([Zone(f"{ZONE_GIB} GiB")], budgets=Budgets(0, 0, 0))
    slots = int(memory.zone[0].managed >> order) * 3 // 4
    twins = [type(memory)(*(array.copy() for array in memory)) for _ in range(2)]
    held = [np.full(slots, -1, np.int32) for _ in twins]
    ways = (churn, lambda *arguments: in_c(library, *arguments))
    seconds: list[list[float]] = [[], []]
    for number in range(ROUNDS + 2):  # the first two fill the slots
        turns = random.integers(0, slots, TURNS[order], dtype=np.int32)
        for at, way in enumerate(ways):
            start = time.process_time()
            way(twins[at], order, held[at], turns)
            if number >= 2:
                seconds[at].append(time.process_time() - start)
    same = all(a.tobytes() == b.tobytes() for a, b in zip(*twins, strict=True))
    if not same or not np.array_equal(*held):
        raise RuntimeError(f"order {order}: compactlab and C left different memories")
    task = f"take or give back a block of order {order}, {ZONE_GIB} GiB, random"
    ours, theirs = (np.median(each) / TURNS[order] * 1e9 for each in seconds)
    ratio = np.median(np.divide(seconds[1], seconds[0]))
    return [
        Row(task, "compactlab", ours, "ns", f"{ratio:.2f} of C's speed"),
        Row(task, "C, gcc -O2", theirs, "ns"),
    ]
