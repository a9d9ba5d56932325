"""Run commands in a root folder, with the view of a process in a container.

Every command gets a mount and a process namespace: it is process 1, and its mounts and processes
end with it. It uses the network of the machine.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Inside:
    """How to run a command in a root.

    Attributes
    ----------
    root
        Folder that becomes ``/``.
    user
        ``uid:gid``, or empty for root.
    folder
        Working directory, as seen inside.
    environment
        All environment variables of the command.
    binds
        Paths inside, and the files or folders outside that are mounted there read-only.
    volumes
        The same, mounted writable.
    read_only
        Whether the rest of the root is read-only; ``/tmp`` is then in memory.
    """

    root: Path
    user: str = ""
    folder: str = "/"
    environment: Mapping[str, str] = field(default_factory=dict)
    binds: Mapping[str, Path] = field(default_factory=dict)
    volumes: Mapping[str, Path] = field(default_factory=dict)
    read_only: bool = False

    def command(self, arguments: Sequence[str]) -> list[str]:
        """Return the command line that runs ``arguments``; it needs root."""
        root = shlex.quote(str(self.root))
        script = ["set -e", f"mount --bind {root} {root}", f"mount -t proc proc {root}/proc"]
        script.append(f"mount --rbind /dev {root}/dev")
        for inside, outside in {**self.binds, **self.volumes}.items():
            place, source = shlex.quote(f"{self.root}{inside}"), shlex.quote(str(outside))
            if outside.is_dir():
                script.append(f"mkdir -p {place}")
            else:
                script += [f"mkdir -p $(dirname {place})", f"test -e {place} || touch {place}"]
            script.append(f"mount --bind {source} {place}")
            if inside in self.binds:
                script.append(f"mount -o remount,bind,ro {place}")
        if self.read_only:
            script.append(f"mount -t tmpfs -o mode=1777 tmpfs {root}/tmp")  # noqa: S108 (inside)
            script.append(f"mount -o remount,bind,ro {root}")
        script.append(f"exec {shlex.join([*self._chroot(), *arguments])}")
        flags = ("--mount", "--pid", "--fork", "--kill-child")
        return ["unshare", *flags, "sh", "-c", "\n".join(script)]

    def _chroot(self) -> list[str]:
        user = [f"--userspec={self.user}"] if self.user else []
        variables = [f"{name}={value}" for name, value in self.environment.items()]
        return [
            *("chroot", *user, str(self.root)),
            *("env", "--ignore-environment", f"--chdir={self.folder}", *variables),
        ]
