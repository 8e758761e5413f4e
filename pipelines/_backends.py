"""Where the parallel parts of a job run: joblib's own processes, or workers of Dask or Ray.

A worker gets an address of history and the number of its shard and reads for itself: shipping arrays to workers costs
more than they save.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from baseline.domain.errors import BaselineError

BACKENDS = ("loky", "dask", "ray")


class BackendMissing(BaselineError):
    """The library of the backend is not installed."""


@contextmanager
def workers(backend: str, *, jobs: int, address: str | None) -> Iterator[None]:
    """joblib's parallel calls inside run there.

    ``address`` of a running cluster; without it Dask and Ray start ``jobs`` workers on this machine and stop them.
    Raises BackendMissing when the extra of that name is not installed.
    """
    from joblib import parallel_config

    begin = {"loky": _here, "dask": _dask, "ray": _ray}[backend]
    with ExitStack() as stack:
        try:
            stack.enter_context(begin(jobs, address))
        except ImportError as error:
            raise BackendMissing(f"{backend} is not installed: pip install 'calico-baseline[{backend}]'") from error
        stack.enter_context(parallel_config(backend=backend, n_jobs=jobs))
        yield


@contextmanager
def _here(jobs: int, address: str | None) -> Iterator[None]:
    """joblib starts its processes by itself."""
    if address:
        raise BackendMissing(f"loky runs {jobs} processes here; {address} is for Dask or Ray")
    yield


@contextmanager
def _dask(jobs: int, address: str | None) -> Iterator[None]:
    from dask.distributed import Client

    with Client(address) if address else Client(n_workers=jobs, threads_per_worker=1, dashboard_address=None):
        yield


@contextmanager
def _ray(jobs: int, address: str | None) -> Iterator[None]:
    import ray
    from ray.util.joblib import register_ray

    ray.init(address=address) if address else ray.init(num_cpus=jobs, include_dashboard=False)
    register_ray()
    try:
        yield
    finally:
        ray.shutdown()
