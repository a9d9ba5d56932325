# Image of the server. docs/images.md describes how to build it (also for CUDA), pin, run and test it.

# To pin the base image, add its digest: python:3.11-slim-bookworm@sha256:...
ARG PYTHON_IMAGE=python:3.11-slim-bookworm


FROM ${PYTHON_IMAGE} AS build

# Build of torch: cpu or cuda.
ARG DEVICE=cpu
# Address of the package index with this build of torch. If it is empty, pip uses its configuration.
ARG TORCH_INDEX=""
# Extras of the package, separated by commas, such as ray.
ARG EXTRAS=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_NO_INPUT=1 \
    PATH=/opt/acorn/bin:$PATH

WORKDIR /source
RUN python3 -m venv /opt/acorn
COPY requirements.lock ./

# Install torch separately, so that pip reads only torch from its index. The lock pins all packages of
# a CPU build; a CUDA build of torch pins its CUDA libraries.
# hadolint ignore=DL3013
RUN torch="$(grep '^torch==' requirements.lock)" \
    && case "$DEVICE" in \
        cpu) set -- --no-deps "$torch+cpu" ;; \
        cuda) set -- "$torch" ;; \
        *) echo "got DEVICE=$DEVICE; expected cpu or cuda" >&2; exit 2 ;; \
    esac \
    && if ! pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$@"; then \
        echo "no $DEVICE build of $torch; expected --build-arg TORCH_INDEX=ADDRESS of one" >&2; \
        exit 1; \
    fi
RUN pip install --requirement requirements.lock

# Build the wheel and install it. The sources remain in this stage. The server does not need pip, nor
# the headers and tests of its packages.
COPY LICENSE MANIFEST.in README.md pyproject.toml setup.py ./
COPY acorn acorn
COPY models models
COPY service service
COPY training training
RUN pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && pip install --no-deps dist/*.whl \
    && if [ -n "$EXTRAS" ]; then pip install --constraint requirements.lock "acorn-nas[$EXTRAS]"; fi \
    && pip uninstall --yes pip \
    && find /opt/acorn/lib -type d \( -name tests -o -path '*/torch/include' -o -path '*/torch/test' \) \
        -prune -exec rm -r {} +


FROM ${PYTHON_IMAGE}

# A named volume gets the owner of the folder on which it is mounted.
RUN groupadd --gid 10001 acorn \
    && useradd --no-log-init --uid 10001 --gid 10001 --home-dir /var/lib/acorn --no-create-home acorn \
    && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/acorn
COPY --from=build /opt/acorn /opt/acorn

ENV PATH=/opt/acorn/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ACORN_HOST=0.0.0.0 \
    ACORN_PORT=8000 \
    ACORN_VAR=/var/lib/acorn
WORKDIR /var/lib/acorn
USER 10001:10001
VOLUME /var/lib/acorn
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ['ACORN_PORT']}/health/ready\", timeout=4)"]
ENTRYPOINT ["acorn"]
CMD ["serve"]
