"""Windows to numbers: the ordered schema, the vectors, the calendar. Pure numpy."""
