"""A client of Tidemark's HTTP API: ``Client`` and ``AsyncClient`` have a method for each operation."""

from tidemark_client.core import Entity, Json, Reference, TidemarkError, UnreachableError, contract_path
from tidemark_client.generated import models
from tidemark_client.generated.async_client import AsyncClient
from tidemark_client.generated.client import Client

__all__ = [
    "AsyncClient",
    "Client",
    "Entity",
    "Json",
    "Reference",
    "TidemarkError",
    "UnreachableError",
    "contract_path",
    "models",
]
