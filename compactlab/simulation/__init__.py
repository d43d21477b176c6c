"""Simulated memory: zones, workloads, what steps cost, and the loop that runs them."""
