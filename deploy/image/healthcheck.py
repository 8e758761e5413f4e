"""Health check of the image: asks ``/livez`` of the process this container runs. Standard library only.

The port is ``BASELINE_OPS__PORT`` (agent, stream, control, janitor) or ``BASELINE_WEB__PORT`` (web). A container with
neither runs a job that ends by itself: nothing to ask, healthy. Exit 0: well. Exit 1: not.
"""

from __future__ import annotations

import os
import sys
import urllib.request

TIMEOUT_S = 4.0  # below the 5 s that the Dockerfile allows


def main() -> int:
    """Ask, and say why when the answer is not 200."""
    port = os.environ.get("BASELINE_OPS__PORT") or os.environ.get("BASELINE_WEB__PORT")
    if not port:
        return 0
    url = f"http://127.0.0.1:{int(port)}/livez"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            return 0 if answer.status == 200 else 1
    except OSError as error:  # URLError and timeouts are OSErrors
        sys.stderr.write(f"{url}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
