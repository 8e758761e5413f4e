"""calico-baseline: learn what each workload's network traffic normally looks like, act when it stops, always let go.

Rooms, from the core outwards: ``domain`` (nouns), ``formats`` (bytes to flows), ``features`` (windows to numbers),
``detectors`` and ``policy`` (pure decisions), ``ports`` (what we need of the outside), ``services`` (use cases),
``adapters`` (the outside), the processes ``agent``, ``stream``, ``control`` and ``web``, then ``settings``, ``wiring``,
``demo`` and ``cli``. A room imports only rooms nearer the core.
"""

__version__ = "0.1.0"
