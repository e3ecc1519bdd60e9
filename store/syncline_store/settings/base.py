"""What every group of settings is: a frozen model that refuses names it does not know. Durations are seconds, sizes bytes."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from syncline_contracts.errors import ConfigurationError

Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]


class Settings(BaseModel):
    """A group of settings: frozen, and a name that does not exist is refused instead of ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def explain(error: ValidationError) -> ConfigurationError:
    """Say which settings are wrong and what they must be, without showing their values."""
    return ConfigurationError("; ".join(f"{name}: {said}" for name, said in problems(error)))


def problems(error: ValidationError) -> list[tuple[str, str]]:
    """Each wrong setting's dotted name, and what it must be."""
    return [
        (
            ".".join(map(str, problem["loc"])) or "settings",
            "there is no such setting" if problem["type"] == "extra_forbidden" else problem["msg"].removeprefix("Value error, "),
        )
        for problem in error.errors(include_input=False, include_url=False)
    ]
