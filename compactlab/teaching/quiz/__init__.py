"""The quiz: questions whose answers are found out by running the model."""
