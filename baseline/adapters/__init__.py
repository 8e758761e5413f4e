"""One file or folder for each outside system, and the in-memory twins. Errors are translated here."""
