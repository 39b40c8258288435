"""What tests and benchmarks share, e.g. a stack of real components (stack.py)."""
