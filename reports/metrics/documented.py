"""The words below a field are its description in a JSON Schema; the source is read only when a schema is made."""

from __future__ import annotations

import ast
import inspect
import textwrap
from itertools import pairwise

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core.core_schema import CoreSchema


class Documented(BaseModel):
    """Its subclasses are built when they are first used: most runs need few of them."""

    model_config = ConfigDict(defer_build=True)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema with the fields' descriptions."""
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for part in reversed(cls.__mro__[: cls.__mro__.index(Documented)]):
            for field, description in _descriptions(part):
                properties[field]["description"] = description
        return schema


def _descriptions(part: type) -> list[tuple[str, str]]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(part))).body
    assert isinstance(definition, ast.ClassDef)
    return [
        (field.target.id, inspect.cleandoc(below.value.value))
        for field, below in pairwise(definition.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str)
    ]
