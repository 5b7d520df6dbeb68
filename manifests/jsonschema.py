"""JSON Schema 2020-12 of the manifests, generated from the models, for editors and other people's tools.

`python -m manifests.jsonschema` writes the committed file anew; a test compares the two.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue, models_json_schema
from pydantic_core import CoreSchema, core_schema

from manifests.lookups import SHARED_ANYWHERE
from manifests.schedule import Schedule
from manifests.schema import PROMPT_FIELDS, Brand, Campaign, Spot

SCHEMA_FILE: Final = Path(__file__).with_name("manifest.schema.json")
_LOOK_UP = r"\$\{"
_SHARED = (
    "Spot", "Campaign", "CampaignSpot", "CutDownShot", "Variants", "TableAxis", "Deliver", "Budget", "Review", "Gate",
    "Brand", "Logo", "Colours", "Voice", "Card",
    "Schedule", "When", "TableCell", "Refresh", "Sum", "ScheduleBudget", "OnlyIf", "Approvals", "PictureGate",
    "CutGate", "Notify",
)  # fmt: skip
_BOUNDS = (("ge", "minimum"), ("gt", "exclusiveMinimum"), ("le", "maximum"), ("lt", "exclusiveMaximum"))


class _People(GenerateJsonSchema):
    """Numbers are numbers in people's files; that our own JSON holds them as text is nobody's business there."""

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        bounds = {name: _number(schema.get(key)) for key, name in _BOUNDS if schema.get(key) is not None}
        return {"type": "number", **bounds}

    def field_title_should_be_set(self, schema: CoreSchema | Any) -> bool:
        return False


def manifest_schema() -> dict[str, Any]:
    """One schema for spots, brand kits, campaigns and schedules; `kind` says which applies."""
    kinds: dict[str, type[BaseModel]] = {"spot": Spot, "brand": Brand, "campaign": Campaign, "schedule": Schedule}
    mode: JsonSchemaMode = "validation"
    wanted = [(model, mode) for model in kinds.values()]
    _, definitions = models_json_schema(wanted, by_alias=True, schema_generator=_People)
    defs = {name: _for_people(name, value) for name, value in sorted(definitions["$defs"].items())}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "shotrunner manifest",
        "description": "A spot, a brand kit, a campaign of several spots, or when one of them runs. Unknown keys are "
        "errors, except x-….",
        "type": "object",
        "required": ["manifest", "kind"],
        "properties": {
            "manifest": {"const": 1, "description": "Format version."},
            "kind": {"enum": list(kinds), "description": "What this file is."},
        },
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
                "then": {"$ref": f"#/$defs/{model.__name__}"},
            }
            for kind, model in kinds.items()
        ],
        "$defs": defs,
    }


def schema_text() -> str:
    return json.dumps(manifest_schema(), indent=2, ensure_ascii=False) + "\n"


def _for_people(name: str, definition: dict[str, Any]) -> dict[str, Any]:
    """What the models check in code, said in the schema's words."""
    if definition.get("additionalProperties") is False:
        definition["patternProperties"] = {"^x-": {"description": "Your own note or anchor; ignored."}}
    if name == "Prompt":
        given, absent = {"not": {"type": "null"}}, {"type": "null"}
        fields = {**dict.fromkeys(PROMPT_FIELDS, given), "text": absent}
        text = {**dict.fromkeys((*PROMPT_FIELDS, "layout"), absent), "text": given}
        definition["oneOf"] = [
            {"required": list(PROMPT_FIELDS), "properties": fields},
            {"required": ["text"], "properties": text},
        ]
    _tidy(definition)
    if name not in _SHARED:
        for key, value in definition.get("properties", {}).items():
            if key not in SHARED_ANYWHERE:
                _allow_look_ups(value)
    return definition


def _allow_look_ups(value: object) -> None:
    """Where text has a form, `${…}` stands for it until it is filled in."""
    if isinstance(value, list):
        for item in value:
            _allow_look_ups(item)
    if not isinstance(value, dict):
        return
    if value.get("type") == "string" and "pattern" in value:
        value["pattern"] = f"{value['pattern']}|{_LOOK_UP}"
    elif value.get("type") == "string" and "enum" in value:
        value["anyOf"] = [{"enum": value.pop("enum")}, {"pattern": _LOOK_UP}]
    for key in ("anyOf", "items", "additionalProperties", "prefixItems"):
        _allow_look_ups(value.get(key))


def _tidy(value: object) -> None:
    if isinstance(value, dict):
        if "patternProperties" in value:
            value.setdefault("additionalProperties", False)  # a name in another form is an error
        if value.get("type") == "number" and isinstance(value.get("default"), str):
            value["default"] = _number(value["default"])
        if value.get("type") != "number" and isinstance(value.get("default"), dict):
            value.pop("default")  # a block left out means the defaults of its own keys, which editors show there
        for item in value.values():
            _tidy(item)
    elif isinstance(value, list):
        for item in value:
            _tidy(item)


def _number(value: object) -> int | float:
    number = float(str(value))
    return int(number) if number.is_integer() else number


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
