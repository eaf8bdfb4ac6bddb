"""Who asks for an offer or answers it: a name that people can read, because it is the evidence of who agreed."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from tidemark_shared.domain.bodies import Name, Person

_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Zl", "Zp"})


def _check_name(name: str) -> str:
    name = name.strip()
    if not name:
        raise PydanticCustomError("invalid", "Enter the name of the person.")
    if any(unicodedata.category(character) in _INVISIBLE_CATEGORIES for character in name):
        raise PydanticCustomError("invalid", "The name has invisible characters. Remove them.")
    return name


SignatoryName = Annotated[Name, AfterValidator(_check_name)]


class Signatory(Person):
    """A person whose name everybody can read."""

    name: SignatoryName
