"""Which free block to give: seven policies, one interface, any trace.

    trace = cl.allocators.traces.steady()             # or traces.malloc(), traces.written("a 48, free a"), ...
    cl.allocators.replay(trace, "best fit")           # what became of each request
    told = cl.allocators.compare(trace)               # all policies
    cl.allocators.table(told)                         # as a table
    cl.show(cl.allocators.story(trace))               # side by side, animated

This is memory as a program or a class sees it: one arena, one list. What Linux does with pages, migratetypes
and zones is `compactlab.simulate`.
"""

from . import traces
from .replaying import OUTCOMES, compare, replay
from .rules import POLICIES, Rules
from .story import story
from .table import table

__all__ = ["OUTCOMES", "POLICIES", "Rules", "compare", "replay", "story", "table", "traces"]
