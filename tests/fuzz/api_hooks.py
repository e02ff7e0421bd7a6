"""What schemathesis must know about this API that its document cannot say.

Loaded by schemathesis itself. Nothing here lets an answer pass that the document does
not promise: it only tells rules of the house from faults of the form.
"""

from __future__ import annotations

import json
import os
from typing import Any, Final

import schemathesis

OWN_TOKEN: Final = os.environ["FUZZ_OWN_TOKEN"]
OTHER_TOKEN: Final = "0" * 16
# The form was refused; every other 422 is a rule that no schema can state.
FORM_CODES: Final = frozenset(
    {"request.invalid", "request.malformed", "request.media_type", "internal"}
)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Keep the token that the run lives by: links lead to its revocation too."""
    if case.operation.label == "DELETE /v1/tokens/{token}":
        token = case.path_parameters.get("token")
        if token is not None and str(token).strip() == OWN_TOKEN:
            case.path_parameters["token"] = OTHER_TOKEN


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Tell whether a failure is one of ours."""
    match failure.code:
        case "ST202":
            return not (is_rule(response) or is_whole_float(case, response))
        case "ST401":
            return not is_throttled(failure)
        case "ST301":
            # A revoked token is shown as revoked: who held which is never forgotten.
            return told(response).get("revoked_at") is None
        case _:
            return True


def is_rule(response: Any) -> bool:
    """A well-formed request was refused by a rule: an unknown currency, a band."""
    problem = told(response)
    rows = problem.get("problems", [])
    codes = {row["code"] for row in rows} or {problem.get("code", "internal")}
    return bool(response.status_code == 422 and not codes & FORM_CODES)


def is_whole_float(case: Any, response: Any) -> bool:
    """`10.0` is an integer to JSON Schema; a float for an amount is refused here."""
    problem = told(response)
    if problem.get("code") != "request.invalid" or not problem.get("field"):
        return False
    value: Any = case.body
    try:
        for part in problem["field"].split("."):
            value = value[int(part)] if isinstance(value, list) else value[part]
    except (KeyError, IndexError, TypeError, ValueError):
        return False
    return isinstance(value, float) and value.is_integer()


def is_throttled(failure: Any) -> bool:
    """Wrong tokens from one place are told 429 after the twentieth, and no more."""
    invalid = str(getattr(failure, "scenario", "")).lower().endswith("invalid_auth")
    return invalid and "got `429 " in failure.message


def told(response: Any) -> dict[str, Any]:
    """The answer's object; nothing where it is none."""
    try:
        found = json.loads(response.content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
