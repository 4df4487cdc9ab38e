"""What all records share."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Record(BaseModel):
    """A value that is written as JSON; unknown fields are refused, so that none is lost."""

    model_config = ConfigDict(extra='forbid', frozen=True)

    def line(self) -> str:
        """Return one line of JSON without the fields that say nothing; equal for equal records."""
        return self.model_dump_json(exclude_defaults=True, by_alias=True)


def _pixels(value: float) -> float:
    return round(value, 2) + 0.0  # no -0.0


def _score(value: float) -> float:
    return round(value, 4) + 0.0


# Rounded, because the last digits differ between processors, and nobody can tell them apart.
Pixels = Annotated[float, Field(allow_inf_nan=False), AfterValidator(_pixels)]
"""A coordinate, to a hundredth of a pixel."""
Score = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False), AfterValidator(_score)]
"""In [0, 1], to four digits."""
Json = dict[str, Any]
