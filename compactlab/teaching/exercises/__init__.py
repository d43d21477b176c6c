"""The exercises, one module a topic; each has a tuple `EXERCISES`, which is found by itself."""
