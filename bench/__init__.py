"""The figures that README quotes: `python -m bench`, or `make bench`. Each beside its floor from the same run."""
