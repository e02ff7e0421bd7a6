"""How fast, and beside what: one module a table, each number a ratio of one run."""
