"""The lock names a hash for every release, and the bill of materials says the same."""

from __future__ import annotations

import re
from importlib.metadata import version

import pytest
from jsonschema import Draft202012Validator

from tests.architecture.repository import ROOT
from tests.sbom import components, document

# What CycloneDX 1.6 asks of the parts that we write (bom-1.6.schema.json).
_HASHES = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "required": ["alg", "content"],
        "additionalProperties": False,
        "properties": {
            "alg": {"enum": ["SHA-256", "SHA-512"]},
            "content": {"type": "string", "pattern": "^([a-f0-9]{64}|[a-f0-9]{128})$"},
        },
    },
}
_PROPERTIES = {
    "type": "array",
    "items": {
        "type": "object",
        "additionalProperties": False,
        "properties": {"name": {"type": "string"}, "value": {"type": "string"}},
    },
}
_COMPONENT = {
    "type": "object",
    "required": ["type", "name"],
    "additionalProperties": False,
    "properties": {
        "type": {"enum": ["application", "library"]},
        "bom-ref": {"type": "string", "minLength": 1},
        "name": {"type": "string"},
        "version": {"type": "string", "maxLength": 1024},
        "purl": {"type": "string", "pattern": r"^pkg:pypi/[a-z0-9._-]+@[^@]+$"},
        "hashes": _HASHES,
        "licenses": {"type": "array"},
        "properties": _PROPERTIES,
    },
}
SCHEMA = {
    "type": "object",
    "required": ["bomFormat", "specVersion"],
    "additionalProperties": False,
    "properties": {
        "bomFormat": {"const": "CycloneDX"},
        "specVersion": {"const": "1.6"},
        "serialNumber": {
            "pattern": "^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-"
            "[0-9a-f]{4}-[0-9a-f]{12}$"
        },
        "version": {"type": "integer", "minimum": 1},
        "metadata": {"type": "object", "properties": {"component": _COMPONENT}},
        "components": {"type": "array", "uniqueItems": True, "items": _COMPONENT},
        "dependencies": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["ref"],
                "additionalProperties": False,
                "properties": {
                    "ref": {"type": "string"},
                    "dependsOn": {"type": "array", "uniqueItems": True},
                },
            },
        },
    },
}


def test_bill_of_materials_has_the_form_of_cyclonedx_and_every_release() -> None:
    made = document()
    assert list(Draft202012Validator(SCHEMA).iter_errors(made)) == []
    names = {it["name"]: it["version"] for it in made["components"]}
    assert {"aiohttp", "cryptography", "pydantic", "textual", "structlog"} <= set(names)
    assert names["cryptography"] == version("cryptography")
    references = [it["bom-ref"] for it in made["components"]]
    assert made["dependencies"][0]["dependsOn"] == references
    assert document() == made


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_every_release_is_locked_by_hash(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    found = components(text)
    pins = re.findall(r"^[A-Za-z0-9._-]+==", text, re.MULTILINE)
    assert len(found) == len(pins) > 20
    assert all(it["hashes"] for it in found)


def test_release_without_a_hash_is_refused() -> None:
    with pytest.raises(ValueError, match="no hash for b"):
        components("a==1 \\\n    --hash=sha256:" + "0" * 64 + "\nb==2\n")
    with pytest.raises(ValueError, match="is not read"):
        components("-e .\n")
