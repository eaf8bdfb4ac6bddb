"""``python -m tidemark_web``: run the service."""

from tidemark_shared.runtime import serve
from tidemark_web.app import create_app

serve("web", create_app, has_runtime=False)
