"""Images without Docker: by Debian's buildah, on a base that mmdebstrap makes where no image registry is at hand."""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from compose import Service

BASE = "docker.io/library/python:3.11-slim"
PROGRAMS = ("buildah", "podman", "runc", "mmdebstrap", "iptables")
PACKAGES = "buildah podman runc mmdebstrap iptables containernetworking-plugins catatonit"
_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
# Debian's buildah does not know this option of a health check; podman has no use for it.
_UNKNOWN_OPTION = re.compile(r"--start-interval=\S+ ")


def run(command: Sequence[str | Path], *, stdin: str | None = None) -> str:
    """Run a command, and return what it prints. Ends the program with its errors if it fails."""
    result = attempt(command, stdin=stdin)
    if result.returncode:
        sys.exit(f"Failed: {' '.join(map(str, command))}\n{result.stdout[-3000:]}{result.stderr[-3000:]}")
    return result.stdout.strip()


def attempt(command: Sequence[str | Path], *, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command that may fail."""
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)  # noqa: S603 - our own


def missing_programs() -> list[str]:
    """The programs that are not installed."""
    return [program for program in PROGRAMS if not shutil.which(program)]


def make_base() -> None:
    """Make the base image under the name that the image definitions use, unless there is one (``podman pull``)."""
    if not attempt(["podman", "image", "exists", BASE]).returncode:
        return
    print("Making the base image from Debian's packages …", flush=True)  # noqa: T201
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "base.tar"
        hooks = ['ln -s python3 "$1/usr/bin/python"', 'rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED']
        if _AUTHORITIES.exists():
            # A mirror or a proxy may have an authority of its own, which this machine trusts.
            hooks.append(f'cp {_AUTHORITIES} "$1{_AUTHORITIES}"')
        run(
            [
                "mmdebstrap", "--quiet", "--variant=minbase",
                "--include=python3,python3-venv,python3-pip,ca-certificates",
                *(f"--customize-hook={hook}" for hook in hooks), "bookworm", archive,
            ]
        )  # fmt: skip
        run(["podman", "import", f"--change=ENV SSL_CERT_FILE={_AUTHORITIES}", archive, BASE])


def build_images(services: Iterable[Service], source: Path, *, tag: str) -> None:
    """Build the image of each definition from the folder ``source``. What did not change since comes from a cache."""
    for image, dockerfile in {service.image: service.dockerfile for service in services}.items():
        print(f"Building {image}:{tag} …", flush=True)  # noqa: T201
        run(
            [
                "buildah", "bud", "--isolation=chroot", "--pull-never", "--layers", "--format=docker",
                f"--tag={image}:{tag}", "--file=-", source,
            ],
            stdin=_UNKNOWN_OPTION.sub("", (source / dockerfile).read_text()),
        )  # fmt: skip
        _check_contents(image, tag)


def _check_contents(image: str, tag: str) -> None:
    """Fail unless an image has its own service and ``shared``, and no other package of ours."""
    names = "import importlib.metadata as m; print(*sorted(d.name for d in m.distributions() if 'tidemark' in d.name))"
    found = run(["podman", *ENGINE, "run", *LIMITS, "--rm", f"{image}:{tag}", "python", "-c", names]).split()
    expected = sorted(["tidemark-shared", image.removeprefix("localhost/")])
    if found != expected:
        sys.exit(f"{image} contains {found}; it must contain {expected} alone.")


ENGINE = ("--runtime=/usr/sbin/runc", "--cgroup-manager=cgroupfs")
"""Debian's crun needs more of the kernel than many machines allow."""
LIMITS = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024")
