"""Exercises and the quiz: answers are judged by running the model, never by a stored text.

    cl.teaching.list()                    # every exercise, with its notebook
    cl.teaching.exercise("holes")         # the task, what kind of answer, hints folded up
    cl.teaching.check("holes", ...)       # not answered yet: the first hint
    cl.teaching.check("holes", "20 KiB")  # right, or not and why, or why it cannot be judged

Add an exercise
---------------
Make or extend a module of `exercises/`: one a topic, with a tuple ``EXERCISES`` of `Exercise`; it is found by
itself. `exercises/indices.py` shows both forms:

* *predict*: ``truth`` runs the model and gives the one right value; ``mistakes`` compute typical wrong values
  and say what was computed instead.
* *find any*: ``judge`` runs the answer itself through the model and gives ``Judged(right, text)``, whose text
  says what came out, and for a wrong answer why; a `Problem` where the answer cannot be judged.

``answer`` is a kind of `answers.py`: `Number` (with a unit of `quantities.UNITS`, bounds, tolerance), `Choice`,
`Several`, `InOrder`, `FreeBlocks`, `Numbers`, `Settings`, `PfnRange`, `Made` (a zone, a workload, a run). It tells
wrong types, wrong units, impossible values and nonsense apart from a wrong value, so that ``judge`` gets a
value it can run. Give ``hints``, ``code`` that runs as it stands, and examples ``right`` (several ways where
there are) and ``wrong``: tests run them all. A check takes less than two seconds: small zones. Texts of the
module's table are marked by ``N_``; those that ``judge`` makes are translated by ``_`` as whole sentences with
named places. Then put ``cl.teaching.check("name", ...)`` into a section "Your turn" of the notebook, before its
check cell.
"""

from .checking import check, exercise, reset
from .checking import listing as list  # noqa: A004 - as datasets.list
from .exercise import Exercise, Judged, Mistake
from .shown import Outcome, Task

__all__ = ["Exercise", "Judged", "Mistake", "Outcome", "Task", "check", "exercise", "list", "reset"]
