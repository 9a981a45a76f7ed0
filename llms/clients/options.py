"""``--model-option [answer.|judge.]NAME=VALUE``: what can be set about the requests to a language model."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Literal, get_args

from pydantic import Field, FiniteFloat, JsonValue, StringConstraints, ValidationError, field_validator

from llms.clients.request_form import Cap, RequestForm, StructuredOutput, SystemRole
from vocabulary import ConfigurationError, Word

Role = Literal["answer", "judge"]
"""What a model is used for."""

ROLES: tuple[Role, ...] = get_args(Role)

_RESERVED = ("model", "messages", "system", "stream")


class ModelOptions(Word):
    """What is set about the requests to a model; what is not set is found out, or left out.

    `structured_output`, `cap` and `system_role` are as in `RequestForm`; `temperature` is a number or "none".
    `reasoning_effort`, `seed` and the fields of the JSON object `extra_body` are sent as they are. With `strict`, a
    prompt of which the server read only a part is an error.
    """

    structured_output: StructuredOutput | None = None
    cap: Cap | None = None
    temperature: Annotated[FiniteFloat, Field(ge=0)] | Literal["none"] | None = None
    system_role: SystemRole | None = None
    reasoning_effort: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]+$")] | None = None
    seed: int | None = None
    extra_body: dict[str, JsonValue] = Field(default_factory=dict)
    strict: bool = False

    @field_validator("extra_body", mode="before")
    @classmethod
    def _parsed(cls, value: object) -> object:
        try:
            return json.loads(value, parse_constant=_refuse) if isinstance(value, str) else value
        except (ValueError, RecursionError):
            raise ValueError("it is no JSON object") from None

    @field_validator("extra_body")
    @classmethod
    def _harmless(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if taken := [name for name in _RESERVED if name in value]:
            raise ValueError(f"{taken[0]!r} is for the suite to set")
        return value

    @property
    def recorded(self) -> dict[str, JsonValue]:
        """What was set, for reports and fingerprints."""
        return self.model_dump(mode="json", exclude_defaults=True, exclude={"strict"})

    def heat(self, temperature: float | None) -> float | None:
        """The temperature to send, where a caller asks for `temperature`."""
        if self.temperature is None:
            return temperature
        return None if self.temperature == "none" else self.temperature

    def applied_to(self, form: RequestForm) -> RequestForm:
        """`form` with what is set here."""
        given = {name: getattr(self, name) for name in ("structured_output", "cap", "system_role")}
        changes: dict[str, object] = {name: value for name, value in given.items() if value is not None}
        if self.temperature is not None:
            changes["temperature"] = self.temperature != "none"
        return form.model_copy(update=changes)

    @property
    def fixed(self) -> frozenset[str]:
        """The fields of a `RequestForm` that are set here."""
        return frozenset(name for name in RequestForm.model_fields if getattr(self, name) is not None)


def read_options(given: Iterable[str], role: Role, *, strict: bool = False) -> ModelOptions:
    """The options of the models in `role`: those of the role over those without one.

    Raises `ConfigurationError` for an option that does not exist or has two values, and for a value that does not fit.
    """
    values: dict[str, dict[str, str]] = {"": {}, **{name: {} for name in ROLES}}
    for option in given:
        owner, name, value = _split(option)
        if values[owner].setdefault(name, value) != value:
            raise ConfigurationError(
                f"--model-option {option}: {name} is {values[owner][name]!r} already. Give it once."
            )
    try:
        return ModelOptions.model_validate({**values[""], **values[role], "strict": strict})
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        message = problem["msg"].removeprefix("Value error, ")
        raise ConfigurationError(f"--model-option {problem['loc'][0]}={problem['input']}: {message}.") from None


def _refuse(constant: str) -> None:
    raise ValueError(constant)  # NaN and Infinity, which JSON does not have


def _split(option: str) -> tuple[str, str, str]:
    """Role ("" for both), name and value."""
    left, equals, value = option.partition("=")
    owner, dot, name = left.rpartition(".")
    names = [field for field in ModelOptions.model_fields if field != "strict"]
    if not equals or name not in names or (dot and owner not in ROLES):
        raise ConfigurationError(
            f"--model-option {option}: write it as NAME=VALUE, answer.NAME=VALUE or judge.NAME=VALUE with one of the "
            f"names {', '.join(names)}."
        )
    return owner, name, value
