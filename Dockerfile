# One image for all processes and jobs: `baseline VERB` and `python -m pipelines.JOB`.
#
# - Runs as uid 10001 and writes below /var/lib/baseline only (mount volumes there) and to /tmp:
#   the root file system may be read-only.
# - Holds no secret and no default password: all settings are environment variables (docs/settings.md).
# - HEALTHCHECK asks /livez of whatever the container runs; see deploy/image/healthcheck.py. Kubernetes ignores it and
#   uses probes of its own on /livez and /readyz.
FROM python:3.12-slim AS build
# The same version as in the Makefile.
RUN pip install --no-cache-dir --disable-pip-version-check uv==0.13.9
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never
WORKDIR /app
# Dependencies change less often than the code: a layer of their own. Nothing is resolved, the lock file decides.
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-dev --extra demo --extra s3 --no-install-project
COPY README.md LICENSE ./
COPY baseline baseline
COPY pipelines pipelines
COPY models/recipes models/recipes
RUN uv sync --frozen --no-dev --extra demo --extra s3 --no-editable

FROM python:3.12-slim
LABEL org.opencontainers.image.title="calico-baseline" \
      org.opencontainers.image.licenses="Apache-2.0"
# A volume mounted here takes over the owner of the folder, so each must exist in the image.
RUN groupadd --gid 10001 baseline \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin baseline \
 && install -d -o 10001 -g 10001 /var/lib/baseline/agent /var/lib/baseline/checkpoints /var/lib/baseline/cluster \
    /var/lib/baseline/history /var/lib/baseline/incoming /var/lib/baseline/reports /var/lib/baseline/shelf
COPY --from=build /app/.venv /app/.venv
COPY models/recipes /app/models/recipes
COPY deploy/image/healthcheck.py /app/healthcheck.py
# numba keeps compiled code in a folder it can write to; nothing in it is worth keeping.
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp NUMBA_CACHE_DIR=/tmp/numba
WORKDIR /app
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 CMD ["python", "/app/healthcheck.py"]
CMD ["baseline", "--help"]
