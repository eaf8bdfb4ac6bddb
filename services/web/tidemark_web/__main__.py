"""``python -m tidemark_web``: serve."""

from tidemark_shared.service import serve
from tidemark_web.app import create_app

serve("web", create_app)
