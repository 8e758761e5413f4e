"""The demo: the whole product on embedded parts, played a real recording. See docs/decisions/0012."""
