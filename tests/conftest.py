"""What all tests share: hypothesis without chance, and no network but loopback."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings


settings.register_profile(
    "house",
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("house")


# A suite that a script starts in the background is deaf to Ctrl-C, and so are the
# commands that it starts; some tests are about Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


def _local(host: object) -> bool:
    if host is None or host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return False


def _guard(event: str, arguments: tuple[object, ...]) -> None:
    match event, arguments:
        case (("socket.connect" | "socket.sendto"), (_, (host, *_))):
            pass
        case (("socket.getaddrinfo" | "socket.gethostbyname"), (host, *_)):
            host = host.decode() if isinstance(host, bytes) else host
            if str(host).endswith(".invalid"):
                raise socket.gaierror(socket.EAI_NONAME, f"{host} exists nowhere")
        case _:
            return
    if not _local(host):
        raise RuntimeError(f"a test reached for the network: {event} {host!r}")


# An audit hook lies below every patch, vcrpy's and pytest-recording's among them.
sys.addaudithook(_guard)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of published facts beside the checkout; skips where there is none."""
    beside = Path(__file__).parents[1].parent / "shared"
    folder = Path(os.environ.get("ROTA_SHARED") or beside)
    if not folder.is_dir():
        pytest.skip(f"the vendors' published facts are not here: {folder}")
    return folder
