"""The base of all rule kinds: a frozen model that knows its label, its fields and its sentence (DESIGN 1.4).

To add a kind, copy the nicest file beside this one and its test: every module of this package is imported, and
every subclass with a `kind` registers itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.utils.functional import Promise
from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from offers.rules import field
from offers.rules.field import Field

KINDS: "dict[str, type[Rule]]" = {}

# Bounds that keep every sum of a million of them inside a bigint.
LARGEST_AMOUNT = 1_000_000_000_000
LARGEST_LIMIT = 1_000_000


class Rule(BaseModel):
    """One rule of an offer's terms, with its parameters.

    `order` is its place in forms and texts. `schema_extra` says in JSON Schema what `check` says in Python,
    `misfits` says it to people.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: ClassVar[str] = ""
    label: ClassVar[str | Promise] = ""
    help: ClassVar[str | Promise] = ""
    order: ClassVar[int] = 0
    schema_extra: ClassVar[dict[str, Any]] = {}
    # What does not fit, by field and code, where the rule says it better than the code's own sentence.
    misfits: ClassVar[Mapping[tuple[str, str], str | Promise]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if cls.kind:
            if cls.kind in KINDS:
                raise TypeError(f"two rule kinds are called {cls.kind!r}")
            KINDS[cls.kind] = cls

    @classmethod
    def fields(cls) -> list[Field]:
        """Return the descriptions of the parameters, in form order."""
        return [field.described(name, info) for name, info in cls.model_fields.items()]

    @classmethod
    def field_label(cls, name: str) -> str:
        """Return the label of one parameter; a name that is none stays as it is."""
        return next((str(one.label) for one in cls.fields() if one.name == name), name)

    def check(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Yield what does not fit between the fields: field, code, and what its sentence needs besides the value."""
        yield from ()

    def sentence(self, *, currency: str, zone: ZoneInfo) -> str:
        """Say the rule to people, in the active language."""
        raise NotImplementedError

    def parts(self) -> Sequence[Any]:
        """Return what is said in a line of its own: each with a `sentence`; mostly the rule itself."""
        return (self,)

    def data(self) -> dict[str, Any]:
        """Return the canonical JSON value; what is not given is left out."""
        return self.model_dump(mode="json", exclude_none=True)

    @model_validator(mode="after")
    def _fits_together(self) -> "Rule":
        if misfits := list(self.check()):
            raise PydanticCustomError("misfits", "the fields do not fit together", {"misfits": misfits})
        return self
