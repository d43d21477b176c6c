"""Numbers and judgements about a run; no function here cares where the run came from."""

from .codes import OUTCOMES, REASONS
from .compaction import WHO, compaction_runs, compaction_work
from .comparison import JUDGEMENTS, compare
from .counters import rates, rises
from .fidelity import outcome, score
from .fragmentation import fragmentation_score
from .indices import extfrag_for_order, fragmentation_index, unusable_index
from .latency import latency_percentiles
from .memory import free_by_order, largest_free_order
from .parts import part
from .sentences import browser_numbers, constants, sentence, templates, zone_names
from .summary import QUANTITIES, summary
from .verdicts import verdict

__all__ = [
    "JUDGEMENTS",
    "OUTCOMES",
    "QUANTITIES",
    "REASONS",
    "WHO",
    "browser_numbers",
    "compaction_runs",
    "compaction_work",
    "compare",
    "constants",
    "extfrag_for_order",
    "fragmentation_index",
    "fragmentation_score",
    "free_by_order",
    "largest_free_order",
    "latency_percentiles",
    "outcome",
    "part",
    "rates",
    "rises",
    "score",
    "sentence",
    "summary",
    "templates",
    "unusable_index",
    "verdict",
    "zone_names",
]
