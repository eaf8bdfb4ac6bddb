"""``python -m tidemark_notifier``: serve."""

from tidemark_notifier.app import create_app
from tidemark_shared.runtime import serve

serve("notifier", create_app)
