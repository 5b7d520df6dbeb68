"""People's YAML, read strictly: no YAML 1.1 traps, no duplicate keys, no tags, nothing without a line and a column.

`load_data` reads our own tables the same way. The only module that knows YAML. Reads files, never the network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import yaml

from manifests.diagnostics import Diagnostic, ManifestError, Where
from manifests.nodes import Items, Map, Node, Scalar, to_data

MAX_BYTES = 1_000_000  # a manifest of a thousand shots has a third of this
MAX_VALUES = 100_000  # with every alias written out
MAX_ALIASES = 100
MAX_DEPTH = 32
_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same events, ten times faster, where libyaml is there
_WORDS: dict[str, object] = {"true": True, "false": False, "null": None, "": None}


_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})\Z", re.ASCII)
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})\.[0-9]{1,18}\Z", re.ASCII)
_CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# libyaml's words for the commonest slips → what to do
_REMEDIES = (
    ("mapping values are not allowed", "a value that holds a colon and a space needs quotes"),
    (
        "did not find expected ',' or",
        "close the bracket, and quote values with ${…}, commas or colons inside [ ] and { }",
    ),
    ("could not find expected ':'", "a key needs a colon and a space after it"),
    ("did not find expected key", "check the indentation against the lines above, and the quotes before this place"),
    ("did not find expected '-' indicator", "check the indentation of the list"),
    ("found unexpected end of stream", "a quote is not closed"),
    ("found undefined tag handle", "tags are not taken: remove the word that starts with `!`"),
)


def load_data(path: Path) -> object:
    """The plain data of one of our own tables: dicts with text keys, lists, text, int, Decimal, bool, None."""
    root, problems = parse_yaml(read_text(path), str(path))
    if problems:
        raise ManifestError(problems)
    return to_data(root)


def read_text(path: Path, shown: str = "") -> str:
    """The file as text, refused before reading when it is too large to be written by a person."""
    return decode_text(read_bytes(path, shown), shown or str(path))


def read_bytes(path: Path, shown: str = "") -> bytes:
    where = Where(shown or str(path))
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            detail = f"{size:,} bytes; a manifest has at most {MAX_BYTES:,}"
            raise _error("file too large", detail, where, "is this the right file? Tables belong in files of their own")
        return path.read_bytes()
    except FileNotFoundError:
        raise _error("file not found", "no such file", where) from None
    except IsADirectoryError:
        raise _error("not a file", "a folder, not a file", where) from None
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        raise _error("file not readable", f"cannot be read: {reason}", where) from None


def decode_text(raw: bytes, shown: str) -> str:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        before = raw[: problem.start]
        where = Where(shown, before.count(b"\n") + 1, problem.start - (before.rfind(b"\n") + 1) + 1)
        detail = f"not UTF-8: byte 0x{raw[problem.start]:02x}"
        raise _error("not UTF-8", detail, where, "save the file as UTF-8 without changing its content") from None
    found = _CONTROL.search(text)
    if found:
        detail = f"control character U+{ord(found[0]):04X}"
        raise _error("control character", detail, _place(text, found.start(), shown), "remove it; is this a text file?")
    return text


def parse_yaml(text: str, shown: str) -> tuple[Node, list[Diagnostic]]:
    """The tree and the problems that do not stop the reading (duplicate keys, tags); syntax errors raise."""
    builder = _Builder(text, shown)
    try:
        return builder.document(), builder.problems
    except yaml.MarkedYAMLError as problem:
        raise ManifestError([*builder.problems, _syntax_error(problem, text, shown)]) from None
    except yaml.YAMLError as problem:
        raise _error("not YAML", str(problem).splitlines()[0], Where(shown)) from None


def read_plain(text: str) -> object:
    """A value without quotes: true, false, null, whole numbers and decimals are special, all else is text."""
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.match(text):
        return int(text)
    return Decimal(text) if _DECIMAL.match(text) else text


class _Builder:
    """Parser events to nodes. Aliases share the node they name; what they would expand to is counted."""

    def __init__(self, text: str, shown: str) -> None:
        self.problems: list[Diagnostic] = []
        self._shown = shown
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=_PARSER)
        # anchor → its value, how many values that holds and how deep; None while it is still being read
        self._anchors: dict[str, tuple[Node, int, int] | None] = {}
        self._values = 0
        self._deepest = 0
        self._aliases = 0

    def document(self) -> Node:
        root: Node | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise _error(
                        "second document",
                        "a second document starts here",
                        self._where(event),
                        "one file, one document: remove `---`",
                    )
                root = self._node(next(self._events), 0)
        return root if root is not None else Scalar(Where(self._shown), None)

    def _where(self, event: yaml.Event) -> Where:
        mark = event.start_mark
        return Where(self._shown, mark.line + 1, mark.column + 1) if mark else Where(self._shown)

    def _node(self, event: yaml.Event, depth: int) -> Node:
        where = self._where(event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(str(event.anchor), where, depth)
        self._reach(depth, where)
        anchor, values, deepest = getattr(event, "anchor", None), self._values, self._deepest
        if anchor:
            self._anchors[anchor] = None
            self._deepest = depth
        tag = getattr(event, "tag", None)
        if tag:
            detail = f"tag `{tag}`: tags are not taken"
            self.problems.append(Diagnostic("tag", detail, "", where, "remove it; quotes make any value text"))
        self._count(1, where)
        node = self._content(event, where, depth)
        if anchor:
            self._anchors[anchor] = (node, self._values - values, self._deepest - depth)
            self._deepest = max(self._deepest, deepest)
        return node

    def _reach(self, depth: int, where: Where) -> None:
        if depth > MAX_DEPTH:
            raise _error("nested too deep", f"nested deeper than {MAX_DEPTH} levels", where)
        self._deepest = max(self._deepest, depth)

    def _content(self, event: yaml.Event, where: Where, depth: int) -> Node:
        if isinstance(event, yaml.ScalarEvent):
            if event.style:
                return Scalar(where, self._checked(event.value, where), event.value)
            return Scalar(where, read_plain(event.value), event.value)
        if isinstance(event, yaml.SequenceStartEvent):
            items = Items(where)
            while not isinstance(item := next(self._events), yaml.SequenceEndEvent):
                items.items.append(self._node(item, depth + 1))
            return items
        entries = Map(where)
        while not isinstance(key := next(self._events), yaml.MappingEndEvent):
            self._entry(entries, key, depth)
        return entries

    def _checked(self, value: str, where: Where) -> str:
        """Escapes in double quotes can write what the file itself may not hold."""
        found = _CONTROL.search(value)
        if found:
            detail = f"control character U+{ord(found[0]):04X}"
            self.problems.append(Diagnostic("control character", detail, "", where, "remove the escape"))
        return _CONTROL.sub("\ufffd", value)

    def _entry(self, entries: Map, event: yaml.Event, depth: int) -> None:
        where = self._where(event)
        if not isinstance(event, yaml.ScalarEvent):
            raise _error(
                "key is not text", "a key must be plain text", where, 'values in braces need quotes: "${name}"'
            )
        key = event.value
        if event.tag or event.anchor:
            self.problems.append(Diagnostic("tag", f"key `{key}`: no tag or anchor on a key", key, where, "remove it"))
        value = self._node(next(self._events), depth + 1)
        if not key:
            self.problems.append(Diagnostic("key missing", "a value without a key", "", where, "write `key: value`"))
        elif key == "<<" and not event.style:
            remedy = "write the keys out; what shots share belongs in `generate` or the brand kit"
            self.problems.append(Diagnostic("merge key", "merge keys (`<<`) are not taken", key, where, remedy))
        elif key in entries.entries:
            first = entries.entries[key][0].line
            detail = f"duplicate key `{key}`; it is first given on line {first}"
            self.problems.append(Diagnostic("duplicate key", detail, key, where, "keep one of the two"))
        else:
            entries.entries[key] = (where, value)

    def _alias(self, name: str, where: Where, depth: int) -> Node:
        if name not in self._anchors:
            raise _error("unknown alias", f"alias `*{name}` has no `&{name}` before it", where)
        anchored = self._anchors[name]
        if anchored is None:
            raise _error("alias of itself", f"alias `*{name}` stands inside the value that it names", where)
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            raise _error("too many aliases", f"more than {MAX_ALIASES} aliases", where, "write the values out")
        node, values, height = anchored
        self._count(values, where)
        self._reach(depth + height, where)
        return node

    def _count(self, values: int, where: Where) -> None:
        self._values += values
        if self._values > MAX_VALUES:
            detail = f"more than {MAX_VALUES:,} values, aliases written out"
            raise _error("too many values", detail, where, "aliases of aliases multiply: write the values out")


def _error(summary: str, detail: str, where: Where, remedy: str = "") -> ManifestError:
    return ManifestError([Diagnostic(summary, detail, "", where, remedy)])


def _place(text: str, index: int, shown: str) -> Where:
    return Where(shown, text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index))


def _syntax_error(problem: yaml.MarkedYAMLError, text: str, shown: str) -> Diagnostic:
    mark = problem.problem_mark or problem.context_mark
    said = str(problem.problem or problem.context or "cannot be read as YAML")
    where = Where(shown, mark.line + 1, mark.column + 1) if mark else Where(shown)
    remedy = next((fix for words, fix in _REMEDIES if words in said), "")
    if "cannot start any token" in said:
        line = (text.splitlines() or [""])[where.line - 1] if where.line <= len(text.splitlines()) else ""
        character = line[where.column - 1 : where.column]
        if character == "\t":
            said, remedy = "a tab in the indentation", "indent with spaces"
        else:
            said, remedy = f"a value cannot start with `{character}`", "put the value in quotes"
    opened = problem.context_mark.line + 1 if problem.context_mark else where.line
    if opened < where.line:
        said += f" (it belongs to what starts on line {opened})"
    return Diagnostic("not YAML", f"not YAML: {said}", "", where, remedy)
