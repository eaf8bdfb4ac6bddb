"""``python -m tidemark_contracts``: serve."""

from tidemark_contracts.app import create_app
from tidemark_shared.runtime import serve

serve("contracts", create_app)
