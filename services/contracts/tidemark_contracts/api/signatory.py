"""Who asks for an offer or answers it: a name that people can read, because it is the evidence of who agreed."""

from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from tidemark_shared.domain.bodies import Name, Person
from tidemark_shared.domain.text import has_invisible


def _check_name(name: str) -> str:
    name = name.strip()
    if not name:
        raise PydanticCustomError("invalid", "Enter the name of the person.")
    if has_invisible(name):
        raise PydanticCustomError("invalid", "The name has invisible characters. Remove them.")
    return name


SignatoryName = Annotated[Name, AfterValidator(_check_name)]


class Signatory(Person):
    """A person whose name everybody can read."""

    name: SignatoryName
