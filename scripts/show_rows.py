"""Prints the two tables of a SQLite catalogue: show_rows.py CATALOG (part of `make demo`)."""

import sqlite3
import sys

catalogue = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
catalogue.row_factory = sqlite3.Row
for table in ("contents", "video_assets"):
    print(f"{table}:")
    for row in catalogue.execute(f"SELECT * FROM {table} ORDER BY 1"):
        print("  " + ", ".join(f"{column}={row[column]!r}" for column in row.keys()))
