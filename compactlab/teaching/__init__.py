"""Exercises and the quiz: answers are judged by running the model."""
