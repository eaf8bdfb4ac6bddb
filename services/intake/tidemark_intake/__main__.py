"""``python -m tidemark_intake``: serve."""

from tidemark_intake.app import create_app
from tidemark_shared.runtime import serve

serve("intake", create_app)
