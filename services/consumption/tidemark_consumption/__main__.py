"""``python -m tidemark_consumption``: serve."""

from tidemark_consumption.app import create_app
from tidemark_shared.runtime import serve

serve("consumption", create_app)
