"""The quiz: questions whose answers are found out by running the model.

``TOPICS`` holds them by topic; `questions/` has a file for each, where a question stands beside the function that
finds its answer out. ``question.is_true()`` does so now.
"""

from .judging import Judged, judge
from .question import Choice, Misconception, Number, Option, Pointer, Question, Sequence, Slip
from .questions import BY_ID, QUESTIONS, TOPICS
from .quiz import Quiz, Score

__all__ = [
    "BY_ID",
    "QUESTIONS",
    "TOPICS",
    "Choice",
    "Judged",
    "Misconception",
    "Number",
    "Option",
    "Pointer",
    "Question",
    "Quiz",
    "Score",
    "Sequence",
    "Slip",
    "judge",
]
