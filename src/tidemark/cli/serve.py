"""``tidemark serve``: run one service."""

import os
import sys
from typing import Literal


def serve(process: Literal["contracts", "consumption", "notifier", "intake", "web"]) -> None:
    """Run one service, or the web process, in the foreground; settings come from the environment."""
    os.execv(sys.executable, [sys.executable, "-m", f"tidemark_{process}"])  # noqa: S606 - it needs no shell
