"""Making a request's body from flags.

Invariant: what the API would refuse for its form is refused here, naming the flag.
"""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from refundwatch.commands.problems import UsageProblem

B = TypeVar("B", bound=BaseModel)


def checked(model: type[B], **values: object) -> B:
    """Make a body.

    Raises:
        UsageProblem: names the first field that cannot be sent.
    """
    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise UsageProblem(f"{name}: {first['msg']}.") from None
