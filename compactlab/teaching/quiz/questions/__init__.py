"""All questions, by topic; each file holds one."""

from __future__ import annotations

from ....texts import N_
from ..question import Question
from . import buddies, compaction, fragmentation, migration, pages, practice, strategies, triggers, watermarks

TOPICS: dict[str, tuple[str, tuple[Question, ...]]] = {
    "fragmentation": (N_("Fragmentation and its numbers"), fragmentation.QUESTIONS),
    "buddies": (N_("Blocks and buddies"), buddies.QUESTIONS),
    "strategies": (N_("Which free piece to give"), strategies.QUESTIONS),
    "migration": (N_("Moving pages"), migration.QUESTIONS),
    "compaction": (N_("Compaction of a zone"), compaction.QUESTIONS),
    "triggers": (N_("Who compacts, and when"), triggers.QUESTIONS),
    "watermarks": (N_("Watermarks and reclaim"), watermarks.QUESTIONS),
    "pages": (N_("Page tables and compressed pages"), pages.QUESTIONS),
    "practice": (N_("In practice"), practice.QUESTIONS),
}
"""Name of a topic: its title, and its questions in the order of the course."""

QUESTIONS: tuple[Question, ...] = tuple(
    question for _title, questions in TOPICS.values() for question in questions
)
BY_ID = {question.id: question for question in QUESTIONS}
