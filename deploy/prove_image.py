"""Build the image's stages without a container engine, and serve from the last one.

``python -m deploy.prove_image`` executes the instructions of the Dockerfile in new Debian roots
(:mod:`deploy.building`). Then it runs the image's command as the image's user on a read-only root,
with a volume and a writable ``/tmp``, and checks that the server

- becomes ready, and healthy by the image's health check, which fails before the start and after the
  end;
- predicts a cell of the table, and an unknown network in a worker process;
- does not run as root, and can write only to the volume and ``/tmp``;
- ends by SIGTERM with code 0.

It needs root, debootstrap, and network access for packages of Debian and Python. The build uses the
pip configuration of this machine; the image does not contain it.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from deploy.building import Builder, Built, run, say
from deploy.chroot import Inside
from deploy.dockerfile import PATH, command_of

ROOT = Path(__file__).resolve().parents[1]
COMPILERS = ("c++", "cc", "clang", "g++", "gcc", "ld", "make")
PATIENCE = 600.0
CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"


def main() -> None:
    """Build and serve; the exit code is 1 if a check fails."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--context", type=Path, default=ROOT, help="checkout [default: this one]")
    parser.add_argument("--folder", type=Path, help="for the roots, which are kept [default: none]")
    options = parser.parse_args()
    if os.geteuid() or not shutil.which("debootstrap"):
        sys.exit("expected to run as root, with debootstrap installed")
    arguments = dict(pair.split("=", 1) for pair in options.build_arg)
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        prove(Builder(options.context, folder, arguments).build())
    say("all checks passed")


def prove(image: Built) -> None:
    """Check the contents and permissions of the image, serve from it and predict."""
    look(image)
    volume = image.root.parent / "volume"
    shutil.rmtree(volume, ignore_errors=True)
    run(["cp", "--archive", str(image.outside(volume_of(image))), str(volume)])
    port = free_port()
    settings = {"ACORN_PORT": str(port), "ACORN_STARTING_SECONDS": str(PATIENCE)}
    inside = Inside(
        image.root,
        user=image.user,
        folder=image.folder,
        environment=image.environment | settings,
        volumes={volume_of(image): volume},
        read_only=True,
    )
    uid = output(inside, ["id", "-u"])
    check(uid not in ("", "0"), f"the user is {uid}, not root", uid)
    try_to_write(inside, volume_of(image))
    check(not healthy(image, inside), "the health check fails before the server runs", "")
    with serving(image, inside) as (outer, server):
        url = f"http://127.0.0.1:{port}"
        until_ready(url, outer)
        status = Path(f"/proc/{server}/status").read_text()
        uids = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1:]
        check(set(uids) == {uid}, f"the server runs as user {uid}", uids)
        check(healthy(image, inside), "the health check passes", "")
        known = ask(url, {"space": "nats_tss", "arch": CELL})
        source = known["feature_source"]
        check(source == "table", f"a known cell: {known['targets']['clean']}", known)
        new = ask(url, {"space": "graph", "arch": graph()})
        source = new["feature_source"]
        check(source == "computed", f"a new network: {new['targets']['clean']}", new)
        check(any(volume.iterdir()), "its features are in the volume", "")
        os.kill(server, signal.SIGTERM)
        code = outer.wait(PATIENCE)
        check(code == 0, "SIGTERM ends it with code 0", code)
    check(not healthy(image, inside), "the health check fails after it", "")


def look(image: Built) -> None:
    """Print the size of the image, and check that it has no compiler or cache."""
    say(f"{size(image.root / 'opt')} MiB in /opt, {size(image.root)} in all")
    for name in COMPILERS:
        found = [str(p) for each in PATH.split(":") for p in image.root.glob(f"{each[1:]}/{name}")]
        check(not found, f"no {name} in the image", found)
    caches = [*image.root.glob("root/.cache/pip"), *image.root.glob("home/*/.cache/pip")]
    check(not caches, "no pip cache", caches)


def try_to_write(inside: Inside, volume: str) -> None:
    """Check where the image's user can write, with a writable and a read-only root."""
    for each in (inside, replace(inside, read_only=False)):
        kind = "read-only" if each.read_only else "writable"
        for place in ("/", "/etc", "/usr/bin", "/opt/acorn", "/opt/acorn/lib"):
            script = f"touch {place}/x 2> /dev/null || echo refused"
            answer = output(each, ["sh", "-c", script])
            check(answer == "refused", f"{place} cannot be written in a {kind} root", answer)
    for place in ("/tmp", volume):  # noqa: S108 (inside the root)
        answer = output(inside, ["sh", "-c", f"touch {place}/x && rm {place}/x && echo written"])
        check(answer == "written", f"{place} can be written", answer)


def volume_of(image: Built) -> str:
    """Return the path of the image's volume."""
    return image.stage.last("VOLUME") or ""


def graph() -> dict[str, Any]:
    """Return the specification of a network that is in no table."""
    stem = {"op": "conv", "out_channels": 12, "kernel": 3, "padding": 1}
    nodes = [
        {"name": "stem", "inputs": ["input"], **stem},
        {"name": "norm", "op": "batch_norm", "inputs": ["stem"]},
        {"name": "act", "op": "relu", "inputs": ["norm"]},
        {"name": "pool", "op": "global_avg_pool", "inputs": ["act"]},
        {"name": "flat", "op": "flatten", "inputs": ["pool"]},
        {"name": "logits", "op": "linear", "inputs": ["flat"], "out_features": "classes"},
    ]
    return {"nodes": nodes, "output": "logits"}


@contextlib.contextmanager
def serving(image: Built, inside: Inside) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run the image's command; yields the outer process and the pid of the server."""
    entry, arguments = (command_of(image.stage.last(k) or "[]") for k in ("ENTRYPOINT", "CMD"))
    say(f"{' '.join(entry + arguments)}, as {image.user}, on a read-only root")
    outer = subprocess.Popen(inside.command([*entry, *arguments]))
    try:
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
        while not (found := children.read_text().split()):
            time.sleep(0.1)
        yield outer, int(found[0])
    finally:
        outer.kill()
        outer.wait()


def until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait for ``/health/ready``."""
    start = time.monotonic()
    while time.monotonic() - start < PATIENCE:
        check(process.poll() is None, "", "the end of the server")
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{url}/health/ready")  # noqa: S310 (its own server)
            say(f"ready after {time.monotonic() - start:.1f} s")
            return
        time.sleep(0.2)
    check(False, "", f"not ready after {PATIENCE:.0f} s")


def ask(url: str, architecture: dict[str, Any]) -> dict[str, Any]:
    """Predict one architecture's clean accuracy."""
    document = {"architectures": [architecture], "targets": ["clean"], "features": False}
    request = urllib.request.Request(  # noqa: S310 (its own server)
        f"{url}/predict", json.dumps(document).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        (prediction,) = json.load(answer)["predictions"]
    return dict(prediction)


def healthy(image: Built, inside: Inside) -> bool:
    """Run the health check of the image."""
    _, _, command = (image.stage.last("HEALTHCHECK") or "").partition("CMD ")
    done = subprocess.run(inside.command(command_of(command)), check=False, capture_output=True)
    return done.returncode == 0


def output(inside: Inside, command: Sequence[str]) -> str:
    """Return the output of a command inside the root."""
    done = subprocess.run(inside.command(command), check=True, capture_output=True, text=True)
    return done.stdout.strip()


def size(folder: Path) -> int:
    """Return the size of a folder in MiB."""
    measured = subprocess.run(
        ["du", "--summarize", "--block-size=1M", str(folder)],
        check=True,
        capture_output=True,
        text=True,
    )
    return int(measured.stdout.split()[0])


def free_port() -> int:
    """Find a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def check(holds: bool, claim: str, got: object) -> None:
    """Print a claim that holds; exit if it does not."""
    if not holds:
        sys.exit(f"failed: {claim}; got {got}")
    if claim:
        say(f"  ok: {claim}")


if __name__ == "__main__":
    main()
