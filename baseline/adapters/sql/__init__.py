"""The books in SQL: SQLite by default, PostgreSQL in production.

``open_library(url)`` and ``migrate(url)`` of ``library`` and ``migrate`` are the way in; nothing here opens a
connection on import.
"""
