"""Bytes to flows. Pure: a decoder takes bytes and returns a Flow or raises MalformedRecord."""
