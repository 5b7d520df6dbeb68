"""File names from patterns: made, read back, and checked over all files of a campaign before anything is paid.

A pattern is fields in braces with `_` between its parts: `{brand}_{hook}_{ratio}_{duration}s_v{version}`. A part whose
fields are all empty is left out with its `_`. A name is never cut: what is too long or illegal is refused by field.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from manifests.catalogue import Profile
from manifests.diagnostics import Diagnostic, Where, suggest
from manifests.naming import DEFAULT_NAME, MAX_NAME

Fields = Mapping[str, str | int | None]  # of one file; ratio as 9:16, version and duration as numbers

ALWAYS = ("brand", "campaign", "ratio", "duration", "profile", "version")
SOMETIMES = ("spot", "id", "ad_id")  # like axes: where a file has none, the part is left out
LOCALE = "locale"
CONTENT_ID_LENGTH = 6
_NO_ID = "0" * CONTENT_ID_LENGTH  # stands for the content id of a file that is not made yet
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_WORD = r"[a-z0-9][a-z0-9.-]*"
_FORMS = {
    "ratio": r"[1-9][0-9]*x[1-9][0-9]*",
    "duration": r"[0-9]+",
    "version": r"[0-9]{2,}",
    "id": rf"[a-z0-9]{{{CONTENT_ID_LENGTH}}}",
    "ad_id": r"[A-Za-z0-9]+",
    LOCALE: r"[A-Za-z0-9][A-Za-z0-9.-]*",
}
_SAID = {"ratio": "such as 9:16", "duration": "whole seconds", "version": "a number", "ad_id": "letters and digits"}
_LITERAL = re.compile(r"[A-Za-z0-9.-]*\Z")
_BETWEEN = re.compile(r"_(?![^{}]*\})")  # an axis may have a `_` in its name
_FIELD = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z0-9]")
_AD_ID = re.compile(r"[A-Za-z0-9]+\Z")


class UnusableNameError(ValueError):
    """Why a name cannot be made or read. `field` is what is to blame, empty for the pattern itself; `value` what it
    holds, where the name as a whole is not at fault."""

    def __init__(self, detail: str, name_of_field: str = "", value: str = "") -> None:
        super().__init__(detail)
        self.field = name_of_field
        self.value = value


@dataclass(frozen=True)
class _Part:
    """What stands between two `_`: literals and fields by turns, beginning and ending with a literal."""

    literals: tuple[str, ...]
    fields: tuple[str, ...]

    def __str__(self) -> str:
        inner = (f"{{{name}}}{text}" for name, text in zip(self.fields, self.literals[1:], strict=True))
        return self.literals[0] + "".join(inner)


@dataclass(frozen=True)
class Pattern:
    """Made by `parse_pattern`. `values` are the known values of each axis; none known: any."""

    parts: tuple[_Part, ...]
    values: Mapping[str, Collection[str]] = field(default_factory=dict)

    def __str__(self) -> str:
        return "_".join(str(part) for part in self.parts)

    @cached_property
    def fields(self) -> tuple[str, ...]:
        return tuple(name for part in self.parts for name in part.fields)

    @cached_property
    def _whole(self) -> str:
        """For a name from which nothing is left out."""
        return "_".join("%s".join(part.literals) for part in self.parts)

    def format(self, fields: Fields) -> str:
        """The name of one file. Raises UnusableNameError with the field that is to blame."""
        values = tuple([write_field(name, fields.get(name)) for name in self.fields])
        name = self._whole % values if all(values) else "_".join(self._written(fields))
        if len(name) > MAX_NAME:
            longest = max(self.fields, key=lambda one: len(str(fields.get(one) or "")), default="")
            detail = f"{name!r} has {len(name)} characters, at most {MAX_NAME} are taken; the longest is {{{longest}}}"
            raise UnusableNameError(detail, longest)
        if not _NAME.match(name):
            raise UnusableNameError(f"{name!r} does not begin with a letter or a digit")
        return name

    def _written(self, fields: Fields) -> Iterator[str]:
        for part in self.parts:
            if not part.fields:
                yield part.literals[0]
                continue
            values = [write_field(name, fields.get(name)) for name in part.fields]
            if all(values):
                text = part.literals[0]
                for value, literal in zip(values, part.literals[1:], strict=True):
                    text += value + literal
                yield text
            elif any(values):
                empty = part.fields[values.index("")]
                raise UnusableNameError(
                    f"{{{empty}}} is empty, and the rest of `{part}` is not: put `_` between them", empty
                )

    def read(self, name: str) -> dict[str, str]:
        """The fields of a name; those that were left out are absent. Raises UnusableNameError when it is not of this
        pattern, or can be read in two ways (then naming the field at which they part)."""
        found: list[dict[str, str]] = []
        for reading in self._read_from(0, tuple(name.split("_"))):
            if found and reading != found[0]:
                apart = next(key for key in self.fields if found[0].get(key) != reading.get(key))
                raise UnusableNameError(f"{name!r} can be read in two ways by {self}", apart)
            found.append(reading)
        if not found:
            raise UnusableNameError(f"{name!r} is not a name by the pattern {self}")
        return {key: self._meaning(key, value) for key, value in found[0].items()}

    def _meaning(self, name: str, text: str) -> str:
        known = (value for value in self.values.get(name, ()) if write_field(name, value) == text)
        if name == "ratio":
            return text.replace("x", ":")
        return str(int(text)) if name in ("version", "duration") else next(known, text)

    def _read_from(self, at: int, words: tuple[str, ...]) -> Iterator[dict[str, str]]:
        if at == len(self.parts):
            if not words:
                yield {}
            return
        part, (greedy, lazy) = self.parts[at], self._forms[at]
        if words and (match := greedy.fullmatch(words[0])):
            readings = [match.groupdict()]
            other = lazy.fullmatch(words[0])
            if other and other.groupdict() != readings[0]:
                readings.append(other.groupdict())
            for rest in self._read_from(at + 1, words[1:]):
                for reading in readings:
                    yield {**reading, **rest}
        if part.fields and not set(part.fields) & set(ALWAYS):
            yield from self._read_from(at + 1, words)

    @cached_property
    def _forms(self) -> tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]:
        """Of each part, one that takes as much as it can for the first field and one that takes as little: where both
        agree, there is one way to read it."""

        def compiled(part: _Part, lazy: str) -> re.Pattern[str]:
            form = re.escape(part.literals[0])
            for name, literal in zip(part.fields, part.literals[1:], strict=True):
                form += f"(?P<{name}>{self._form_of(name, lazy)}){re.escape(literal)}"
            return re.compile(form)

        return tuple((compiled(part, ""), compiled(part, "?")) for part in self.parts)

    def _form_of(self, name: str, lazy: str) -> str:
        known = self.values.get(name)
        if known:
            written = sorted((write_field(name, value) for value in known), key=len, reverse=not lazy)
            return "|".join(re.escape(value) for value in written)
        form = _FORMS.get(name, _WORD)
        return form + lazy if form[-1] in "*+}" and name != "id" else form


def parse_pattern(text: str, axes: Mapping[str, Collection[str]] | None = None) -> Pattern:
    """`axes`: the names of the axes, with their values where they are known. Raises UnusableNameError."""
    axes = axes or {}
    known = (*ALWAYS, *SOMETIMES, *axes)
    parts, seen = [], set()
    for piece in _BETWEEN.split(text):
        words = _FIELD.split(piece)
        part = _Part(tuple(words[::2]), tuple(words[1::2]))
        for name in part.fields:
            if name not in known:
                raise UnusableNameError(f"there is no field {{{name}}}{suggest(name, known)}", name)
            if name in seen:
                raise UnusableNameError(f"{{{name}}} stands in the name twice", name)
            seen.add(name)
        if not all(_LITERAL.match(literal) for literal in part.literals):
            raise UnusableNameError(
                f"{piece!r} has characters that ad servers refuse: letters, digits, '.' and '-' only"
            )
        if not all(part.literals[1:-1]):
            raise UnusableNameError(f"{piece!r} cannot be read back: put `_` or `-` between its fields", part.fields[1])
        if not piece:
            raise UnusableNameError("two `_` stand together, or one stands at an end")
        parts.append(part)
    return Pattern(tuple(parts), {name: tuple(values) for name, values in axes.items()})


def default_pattern(axes: Sequence[str] = (), spots: int = 1) -> str:
    """What is used where a manifest has no `naming`; for one spot without variants what it always was."""
    own = [*(["spot"] if spots > 1 else []), *(axis for axis in axes if axis != "ratio")]
    head, tail = DEFAULT_NAME.split("_{ratio}")
    return "_".join([head, *(f"{{{name}}}" for name in own)]) + "_{ratio}" + tail


@lru_cache(maxsize=65536)
def write_field(name: str, value: str | int | None) -> str:
    """A field as it stands in a name; empty for none. Raises UnusableNameError for what is missing or illegal."""
    text = "" if value is None else str(value)
    if not text:
        if name in ALWAYS:
            raise UnusableNameError(f"{{{name}}} is empty, and every file has one", name)
        return ""
    text = text.zfill(2) if name == "version" else text.replace(":", "x")
    if not re.fullmatch(_FORMS.get(name, _WORD), text):
        allowed = "letters, digits, '.' and '-'" if name == LOCALE else "lower-case letters, digits, '.' and '-'"
        told = f"{text!r} cannot stand for {{{name}}} in a name: {_SAID.get(name, allowed)} only"
        raise UnusableNameError(told, name, text)
    return text


def name_file(pattern: Pattern, profile: Profile, fields: Fields) -> str:
    """The name of one file for its placement, without an ending: by the pattern, or its Ad-ID and nothing else."""
    if profile.named_by == "ad_id":
        name = str(fields.get("ad_id") or "")
        if not name:
            raise UnusableNameError(f"{profile.name} takes a file's name from its `ad_id`, and there is none", "ad_id")
        if not _AD_ID.match(name):
            raise UnusableNameError(f"{name!r} is no Ad-ID: letters and digits only", "ad_id")
    else:
        name = pattern.format(fields)
    if profile.longest_name is not None and len(name) > profile.longest_name:
        detail = f"{name!r} has {len(name)} characters, {profile.name} takes at most {profile.longest_name}"
        raise UnusableNameError(detail, profile.named_by if profile.named_by == "ad_id" else "")
    return name


def content_id(digest: str) -> str:
    """Six characters that follow from a sha256 in hex. Short, so not unique for certain: the digest itself is."""
    number = int(digest, 16)
    letters = []
    for _ in range(CONTENT_ID_LENGTH):
        number, place = divmod(number, len(_DIGITS))
        letters.append(_DIGITS[place])
    return "".join(letters)


# --- all files at once ---


def check_pattern(
    text: str,
    axes: Mapping[str, Collection[str]],
    files: Iterable[Fields],
    where: Where,
    profiles: Mapping[str, Profile],
) -> tuple[Diagnostic, ...]:
    """What would go wrong with the names of these files, one problem for each cause however many files it hits."""
    try:
        pattern = parse_pattern(text, axes)
    except UnusableNameError as problem:
        known = ", ".join(dict.fromkeys((*ALWAYS, *SOMETIMES, *axes)))
        remedy = f"fields: {known}; or leave `naming` out for {default_pattern(tuple(axes))}"
        return (_unusable(str(problem), where, remedy),)
    broken: dict[tuple[str, str], list[str]] = defaultdict(list)
    shared: dict[tuple[str, ...], list[str]] = defaultdict(list)
    first: dict[str, Fields] = {}
    for file in files:
        fields = file if file.get("id") else {**file, "id": _NO_ID}
        profile = profiles.get(str(fields.get("profile")))
        try:
            name = pattern.format(fields) if profile is None else name_file(pattern, profile, fields)
        except UnusableNameError as problem:
            broken[problem.field, problem.value].append(str(problem))
            continue
        other = first.setdefault(name.casefold(), fields)  # some file systems take a and A for one
        if other is not fields:
            apart = tuple(key for key in fields if fields[key] != other.get(key))
            shared[apart].append(name)
    return (*_tell_broken(broken, where), *_tell_shared(shared, pattern, where))


def _tell_broken(broken: Mapping[tuple[str, str], list[str]], where: Where) -> Iterator[Diagnostic]:
    for (blamed, _), told in broken.items():
        remedy = f"shorten or rename {{{blamed}}}, or take it out of `naming`" if blamed else "change `naming`"
        if blamed == "ad_id":
            remedy = "give each of these files an `ad_id`, letters and digits, as short as the placement takes"
        yield _unusable(max(told, key=len) + _more(told), where, remedy)


def _tell_shared(shared: Mapping[tuple[str, ...], list[str]], pattern: Pattern, where: Where) -> Iterator[Diagnostic]:
    for apart, names in shared.items():
        missing = [f"{{{name}}}" for name in apart if name not in pattern.fields and name != "ad_id"]
        why = f"; what differs is {', '.join(apart)}" if apart else "; they are the same file"
        remedy = (
            f"put {' and '.join(missing)} into `naming`" if missing else "make each file once, with an id of its own"
        )
        yield _unusable(f"{names[0]} is the name of two files{_more(names)}{why}", where, remedy)


def _more(hits: Sequence[str]) -> str:
    return f" (and {len(hits) - 1:,} more)" if len(hits) > 1 else ""


def _unusable(detail: str, where: Where, remedy: str) -> Diagnostic:
    return Diagnostic("unusable name", detail, "naming", where, remedy)
