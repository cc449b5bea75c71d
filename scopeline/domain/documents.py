"""What every catalog document has in common (design section 5)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer


def utc_text(moment: datetime) -> str:
    """`moment` in UTC as ISO 8601 with six decimals and `Z`: fixed width, so that text order is time order."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _to_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


# A moment. Stored and sent as fixed-width UTC text.
Moment = Annotated[AwareDatetime, AfterValidator(_to_utc), PlainSerializer(utc_text, return_type=str, when_used="json")]


class Part(BaseModel):
    """A piece of a document. Unknown fields are ignored, so that an older reader accepts a newer writer."""

    model_config = ConfigDict(extra="ignore", validate_assignment=True)


class Document(Part):
    """One catalog document. `key` is its path in the catalog, with the collection first (`sessions/{id}`)."""

    SCHEMA: ClassVar[int] = 1
    schema_version: int = Field(default=1, alias="schema", serialization_alias="schema")

    model_config = ConfigDict(extra="ignore", validate_assignment=True, populate_by_name=True)

    @property
    def key(self) -> str:
        """The document's path in the catalog."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """The document as JSON values, as the catalog stores it."""
        return self.model_dump(mode="json", by_alias=True)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The document that `data` describes; the present and the previous schema are accepted.

        Raises ValueError where the schema is another one.
        """
        found = data.get("schema", 1)
        if found not in (cls.SCHEMA, cls.SCHEMA - 1):
            raise ValueError(
                f"{cls.__name__} has schema {found!r}; this version reads {cls.SCHEMA} and {cls.SCHEMA - 1}. "
                "Update Scopeline to the version that wrote it."
            )
        return cls.model_validate({**data, "schema": cls.SCHEMA})
