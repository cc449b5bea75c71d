"""The local edition: a folder of files and one SQLite database."""
