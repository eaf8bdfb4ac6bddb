"""Pure: passwords as they are stored, by scrypt (RFC 7914)."""

import hashlib
import hmac

# 16 MiB of memory and about a fifth of a second.
_COST, _BLOCK_SIZE, _PARALLELISM = 2**14, 8, 5


def hash_password(password: str, salt: bytes) -> str:
    """The password as it is stored: the parameters, the salt and the digest."""
    digest = _scrypt(password, salt, _COST, _BLOCK_SIZE, _PARALLELISM)
    return f"scrypt:{_COST}:{_BLOCK_SIZE}:{_PARALLELISM}:{salt.hex()}:{digest.hex()}"


def check_password(password: str, stored: str) -> bool:
    """Whether ``stored`` was made of this password."""
    _, cost, block_size, parallelism, salt, digest = stored.split(":")
    computed = _scrypt(password, bytes.fromhex(salt), int(cost), int(block_size), int(parallelism))
    return hmac.compare_digest(computed, bytes.fromhex(digest))


def _scrypt(password: str, salt: bytes, cost: int, block_size: int, parallelism: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=block_size, p=parallelism)
