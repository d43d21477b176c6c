"""How fast it is, in ratios to a plain-Python way and to pandas; ``python -m benchmarks`` prints it."""
