"""``python -m tidemark_web``: serve."""

from tidemark_shared.runtime import serve
from tidemark_web.app import create_app

serve("web", create_app)
