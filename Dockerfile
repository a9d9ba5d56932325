# The server's image. docs/images.md says how to build it (also for CUDA), pin it, run it and prove it.

# Give the digest as well to pin it: python:3.11-slim-bookworm@sha256:...
ARG PYTHON_IMAGE=python:3.11-slim-bookworm


FROM ${PYTHON_IMAGE} AS build

# cpu or cuda.
ARG DEVICE=cpu
# Address of the package index that has this build of torch; empty leaves it to pip's configuration.
ARG TORCH_INDEX=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_NO_INPUT=1

WORKDIR /opt/acorn
RUN python3 -m venv venv
COPY requirements.lock ./

# Torch by itself, so that its index is asked for nothing else. A CPU build needs nothing that the
# lock does not pin; a CUDA build brings the CUDA libraries that it pins itself.
RUN torch="$(grep '^torch==' requirements.lock)" \
    && case "$DEVICE" in \
        cpu) set -- --no-deps "$torch+cpu" ;; \
        cuda) set -- "$torch" ;; \
        *) echo "got DEVICE=$DEVICE; expected cpu or cuda" >&2; exit 2 ;; \
    esac \
    && if ! venv/bin/pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$@"; then \
        echo "no $DEVICE build of $torch; expected --build-arg TORCH_INDEX=ADDRESS of one" >&2; \
        exit 1; \
    fi
RUN venv/bin/pip install --requirement requirements.lock

# Editable, as `make serve` installs it: the released forests are files beside the modules. What only
# compiles, tests and installs is no part of a server.
COPY pyproject.toml README.md LICENSE ./
COPY acorn acorn
COPY models models
COPY service service
COPY training training
RUN venv/bin/pip install --no-deps --no-build-isolation --editable . \
    && venv/bin/python -m compileall -q acorn service training \
    && venv/bin/pip uninstall --yes pip \
    && find venv/lib -type d \( -name tests -o -path '*/torch/include' -o -path '*/torch/test' \) \
        -prune -exec rm -r {} +


FROM ${PYTHON_IMAGE}

# A named volume takes its owner from the folder that it covers.
RUN groupadd --gid 10001 acorn \
    && useradd --no-log-init --uid 10001 --gid 10001 --home-dir /var/lib/acorn --no-create-home acorn \
    && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/acorn
COPY --from=build /opt/acorn /opt/acorn

ENV PATH=/opt/acorn/venv/bin:$PATH \
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
