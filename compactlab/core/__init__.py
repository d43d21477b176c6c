"""Jitted kernels: integers and arrays in and out, no strings, no randomness, no xarray.

Arguments are trusted: the public functions above check them.
"""
