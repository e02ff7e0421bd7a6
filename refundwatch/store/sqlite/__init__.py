"""The store on SQLite: one writer, group commit, read-only connections beside it."""
