"""What a call to the GraphQL endpoint asks for.

Invariant: a call is a JSON object with a document; its variables are values alone.
"""

import json

from refundwatch.sandbox.answers import Json
from refundwatch.sandbox.braintree.documents import (
    Document,
    Field,
    MalformedDocumentError,
    Operation,
    given,
    read_document,
)
from refundwatch.sandbox.model import Request


def read_call(request: Request) -> tuple[Document, Operation, Json]:
    """Read the document of a call and its variables.

    Raises: MalformedDocumentError.
    """
    try:
        body = json.loads(request.body)
        text, variables = body["query"], body.get("variables") or {}
        name = body.get("operationName") or ""
    except (ValueError, KeyError, TypeError, AttributeError) as malformed:
        raise MalformedDocumentError("No query document supplied") from malformed
    if not isinstance(text, str) or not isinstance(variables, dict):
        raise MalformedDocumentError("No query document supplied")
    document = read_document(text)
    return document, document.chosen(str(name)), variables


def input_of(field: Field, variables: Json) -> Json:
    """Return the one argument of a mutation.

    Raises: MalformedDocumentError.
    """
    found = given(field.arguments.get("input"), variables)
    if not isinstance(found, dict):
        raise MalformedDocumentError("Variable 'input' has an invalid value")
    return found
