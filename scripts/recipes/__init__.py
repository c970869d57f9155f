"""The recipes of the fixtures, a module for each family. `scripts/fixtures.py` runs them."""
