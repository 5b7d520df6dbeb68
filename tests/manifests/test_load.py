"""Reading: YAML without its traps, limits that hold, files inside the project, overrides, and what is not built yet."""

# ruff: noqa: E501  a message stays on one line here, so that it can be searched for

from __future__ import annotations

import random
import time
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from films import load_spot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manifests.diagnostics import Diagnostic, ManifestError, Where, format_diagnostic, sort_diagnostics
from manifests.load import MAX_BYTES, load_data, parse_yaml
from manifests.loaded import LoadedSpot
from manifests.nodes import Map, Scalar, to_data
from manifests.pages import load_brand
from manifests.unbuilt import NOT_APPLIED
from manifests.upgrade import upgrade_tree

Load = Callable[..., LoadedSpot]


def read(text: str) -> object:
    root, problems = parse_yaml(text, "f")
    assert problems == []
    return to_data(root)


def complaint(text: str) -> str:
    """Everything that is said about a text, in one."""
    try:
        _, problems = parse_yaml(text, "f")
    except ManifestError as problem:
        return str(problem)
    return "\n".join(format_diagnostic(problem) for problem in problems)


# --- YAML ---


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("9:16", "9:16"),
        ("[16:9, 9:16, 1:1, 4:5]", ["16:9", "9:16", "1:1", "4:5"]),
        ("[de, fr, no]", ["de", "fr", "no"]),
        ("{on: 1, off: 2, yes: 3, no: 4, y: 5}", {"on": 1, "off": 2, "yes": 3, "no": 4, "y": 5}),
        ("1:30", "1:30"),
        ("0:30", "0:30"),
        ("1.10", Decimal("1.10")),
        ("2026-12-01", "2026-12-01"),
        ("2026-12-01 10:00:00", "2026-12-01 10:00:00"),
        ("017", "017"),
        ("0x1F", "0x1F"),
        ("0o17", "0o17"),
        ("0b11", "0b11"),
        ("1_000", "1_000"),
        ("1e3", "1e3"),
        (".5", ".5"),
        ("5.", "5."),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("~", "~"),
        ("True", "True"),
        ("TRUE", "TRUE"),
        ("Null", "Null"),
        ("=", "="),
        ("true", True),
        ("false", False),
        ("null", None),
        ("", None),
        ("0", 0),
        ("-3", -3),
        ("+3", 3),
        ("-14.5", Decimal("-14.5")),
        ("'5'", "5"),
        ('"true"', "true"),
        ("9999999999999999999", "9999999999999999999"),  # longer than any count of ours: left to the models to refuse
        ("price #1", "price"),
        ('"#2E6B4F"', "#2E6B4F"),
        ("|\n  a\n  b\n", "a\nb\n"),
    ],
)
def test_a_value_is_what_its_author_means(written: str, meant: object) -> None:
    found = read(f"key: {written}")
    assert found == {"key": meant}
    assert type(found["key"]) is type(meant)


def test_other_tools_read_the_examples_identically() -> None:
    for path in (Path(__file__).parents[2] / "manifests" / "examples").rglob("*.yaml"):
        ours = load_data(path)
        theirs = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert _with_floats(ours) == theirs, path.name


def _with_floats(value: object) -> object:
    if isinstance(value, dict):
        return {key: _with_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_floats(item) for item in value]
    return float(value) if isinstance(value, Decimal) else value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "f:3:1: a: duplicate key `a`; it is first given on line 1\n    keep one of the two"),
        ("a:\n  - {b: 1, b: 2}\n", "f:2:12: b: duplicate key `b`; it is first given on line 2\n    keep one of the two"),
        ("a: 1\n'a': 2\n", "f:2:1: a: duplicate key `a`; it is first given on line 1\n    keep one of the two"),
        ("a:\n\t- b\n", "f:2:1: not YAML: a tab in the indentation\n    indent with spaces"),
        ("a: @kettle\n", "f:1:4: not YAML: a value cannot start with `@`\n    put the value in quotes"),
        ("a: `x`\n", "f:1:4: not YAML: a value cannot start with ```\n    put the value in quotes"),
        ("a: Tea: made slowly\n", "f:1:7: not YAML: mapping values are not allowed in this context\n    a value that holds a colon and a space needs quotes"),
        ("a: [${x}, ${y}]\n", "f:1:6: not YAML: did not find expected ',' or ']'\n    close the bracket, and quote values with ${…}, commas or colons inside [ ] and { }"),
        ("a: [1, 2\nb: 3\n", "f:2:2: not YAML: did not find expected ',' or ']' (it belongs to what starts on line 1)\n    close the bracket, and quote values with ${…}, commas or colons inside [ ] and { }"),
        ("a: {{ name }}\n", 'f:1:5: a key must be plain text\n    values in braces need quotes: "${name}"'),
        ("? [a]\n: b\n", 'f:1:3: a key must be plain text\n    values in braces need quotes: "${name}"'),
        ("a: 'x\n", "f:2:1: not YAML: found unexpected end of stream (it belongs to what starts on line 1)\n    a quote is not closed"),
        ("a:\n  b: 1\n c: 2\n", "f:3:2: not YAML: did not find expected key (it belongs to what starts on line 1)\n    check the indentation against the lines above, and the quotes before this place"),
        ("a: - b\n", "f:1:4: not YAML: block sequence entries are not allowed in this context"),
        ("key\nfoo: 1\n", "f:2:4: not YAML: mapping values are not allowed in this context\n    a value that holds a colon and a space needs quotes"),
        ("a: !!python/object:os.system x\n", "f:1:4: tag `tag:yaml.org,2002:python/object:os.system`: tags are not taken\n    remove it; quotes make any value text"),
        ("a: !!str 5\n", "f:1:4: tag `tag:yaml.org,2002:str`: tags are not taken\n    remove it; quotes make any value text"),
        ("a: !env SECRET\n", "f:1:4: tag `!env`: tags are not taken\n    remove it; quotes make any value text"),
        ("a: ! x\n", "f:1:4: tag `!`: tags are not taken\n    remove it; quotes make any value text"),
        ("!x a: 1\n", "f:1:1: a: key `a`: no tag or anchor on a key\n    remove it"),
        ("&x a: 1\n", "f:1:1: a: key `a`: no tag or anchor on a key\n    remove it"),
        ("'': 1\n", "f:1:1: a value without a key\n    write `key: value`"),
        ("a: &a {b: 1}\nc: {<<: *a}\n", "f:2:5: <<: merge keys (`<<`) are not taken\n    write the keys out; what shots share belongs in `generate` or the brand kit"),
        ("a: *b\n", "f:1:4: alias `*b` has no `&b` before it"),
        ("a: &a [*a]\n", "f:1:8: alias `*a` stands inside the value that it names"),
        ("a: 1\n---\nb: 2\n", "f:2:1: a second document starts here\n    one file, one document: remove `---`"),
        ('a: "\\0"\n', "f:1:4: control character U+0000\n    remove the escape"),
        ("[" * 100_000, "f:1:34: nested deeper than 32 levels"),
        ("\n".join(" " * depth + "a:" for depth in range(40)), "f:34:34: nested deeper than 32 levels"),
        ("a: &a x\nb: [" + ", ".join(["*a"] * 101) + "]\n", "f:2:405: more than 100 aliases\n    write the values out"),
    ],
)  # fmt: skip
def test_bad_yaml_is_answered_with_its_place(text: str, said: str) -> None:
    assert complaint(text) == said


def test_an_alias_bomb_goes_off_at_once() -> None:
    names = "abcdefghi"
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"{n}: &{n} [{', '.join(['*' + before] * 9)}]\n" for before, n in pairwise(names))
    began = time.perf_counter()
    assert complaint(bomb).startswith("f:6:8: more than 100,000 values, aliases written out\n    aliases of aliases")
    assert time.perf_counter() - began < 2


def test_aliases_do_not_nest_deeper_than_brackets() -> None:
    tower = "a0: &a0 [" + "[" * 9 + "]" * 9 + "]\n"
    tower += "".join(f"a{n}: &a{n} {'[' * 10}*a{n - 1}{']' * 10}\n" for n in range(1, 90))
    assert complaint(tower) == "f:4:19: nested deeper than 32 levels"


def test_anchors_and_aliases_that_stay_small_are_taken() -> None:
    assert read("x-a: &a {b: [1]}\nc: *a\nd: *a\n") == {"x-a": {"b": [1]}, "c": {"b": [1]}, "d": {"b": [1]}}


def test_several_duplicates_are_all_said() -> None:
    assert len(complaint("a: 1\na: 2\nb: 1\nb: 2\n").splitlines()) == 4


# --- files ---


def answer(path: Path) -> str:
    with pytest.raises(ManifestError) as caught:
        load_spot(path)
    assert caught.value.exit_code == 2
    return str(caught.value).replace(f"{path.parent}/", "")


def test_fifty_megabytes_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    with path.open("wb") as file:
        file.truncate(50_000_000)
    began = time.perf_counter()
    assert answer(path) == (
        "big.yaml: 50,000,000 bytes; a manifest has at most 1,000,000\n"
        "    is this the right file? Tables belong in files of their own"
    )
    assert time.perf_counter() - began < 1


def test_a_file_just_below_the_limit_is_answered_soon(tmp_path: Path) -> None:
    path = tmp_path / "long.yaml"
    path.write_text("- a\n" * (MAX_BYTES // 4))
    began = time.perf_counter()
    assert answer(path).startswith("long.yaml:100000:3: more than 100,000 values")
    assert time.perf_counter() - began < 10


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "m.yaml: the file is empty; a manifest is a map of `key: value` lines"),
        (b"# only a comment\n", "m.yaml: the file is empty; a manifest is a map of `key: value` lines"),
        (b"---\n...\n", "m.yaml:2:1: the file is empty; a manifest is a map of `key: value` lines"),
        (b"- a\n", "m.yaml:1:1: the file is a list; a manifest is a map of `key: value` lines"),
        (b"just text\n", "m.yaml:1:1: the file is a single value; a manifest is a map of `key: value` lines"),
        (b"a: 1\nb: caf\xe9\n", "m.yaml:2:7: not UTF-8: byte 0xe9"),
        ("a: 1\n".encode("utf-16"), "m.yaml:1:1: not UTF-8: byte 0xff"),
        (b"a: 1\nb: x\x00y\n", "m.yaml:2:5: control character U+0000"),
        (b"a: \x1b[31mred\n", "m.yaml:1:4: control character U+001B"),
        (b"\x89PNG\r\n\x1a\n", "m.yaml:1:1: not UTF-8: byte 0x89"),
    ],
)
def test_what_is_no_manifest_is_said_so(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "m.yaml"
    path.write_bytes(content)
    assert answer(path).splitlines()[0] == said


def test_a_byte_order_mark_and_windows_lines_are_taken(load_film: Load) -> None:
    loaded = load_film()
    text = loaded.manifest_bytes.decode()
    loaded.path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    again = load_spot(loaded.path)
    assert again.spot == loaded.spot
    assert again.where("budget") == loaded.where("budget")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert answer(tmp_path / "m.yaml") == "m.yaml: no such file"
    (tmp_path / "folder.yaml").mkdir()
    assert answer(tmp_path / "folder.yaml") == "folder.yaml: a folder, not a file"
    (tmp_path / "file").touch()
    assert answer(tmp_path / "file" / "m.yaml").startswith("m.yaml: cannot be read: Not a directory")


def test_tables_are_read_by_the_same_rules(tmp_path: Path) -> None:
    path = tmp_path / "table.yaml"
    path.write_text("rows: [{id: no, price: 0.10}]\n")
    assert load_data(path) == {"rows": [{"id": "no", "price": Decimal("0.10")}]}
    path.write_text("a: 1\na: 2\n")
    with pytest.raises(ManifestError, match=r"table\.yaml:2:1: a: duplicate key"):
        load_data(path)


# --- where everything is ---


def test_places_of_keys_and_values(load_film: Load) -> None:
    loaded = load_film()
    shown = str(loaded.path)
    assert loaded.where("generate.takes") == Where(shown, 7, 3)
    assert loaded.value_where("generate.takes") == Where(shown, 7, 10)
    assert loaded.where("shots.pour.duration") == loaded.where("shots[1].duration") == Where(shown, 23, 5)
    assert loaded.where("shots.pour.takes") == loaded.where("shots.pour") == Where(shown, 22, 5)
    assert loaded.where("sound.effects[0].prompt").line == 41
    assert loaded.where("no.such.path") == Where(shown, 1, 1)
    assert loaded.where("brand") == Where(shown, 4, 1)
    assert loaded.where("brand.look") == Where(str(loaded.brand_path), 8, 1)


def test_files_are_absolute_and_have_their_role(load_film: Load) -> None:
    loaded = load_film()
    assert {key: (use.role, use.name, use.path.name) for key, use in loaded.files.items()} == {
        "references.kettle.file": ("reference", "kettle", "kettle.png"),
        "brand.end_cards.plain.template": ("card", "plain", "card.svg"),
    }
    assert all(use.path.is_absolute() for use in loaded.files.values())


def test_places_are_shown_as_the_path_was_given(load_film: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_film({"  takes: 3\n": "  takes: 4\n"}, brand={})
    monkeypatch.chdir(loaded.root)
    again = load_spot(Path("film.yaml"))
    assert again.where("budget").file == "film.yaml"
    assert again.where("brand.look").file == "brand.yaml"
    assert again.path == loaded.path


# --- the project ---


def test_the_root_is_the_folder_with_the_settings(load_film: Load, tmp_path: Path) -> None:
    assert load_film().root == tmp_path
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    (tmp_path / "shotrunner.toml").touch()
    text = (tmp_path / "film.yaml").read_text()
    (folder / "film.yaml").write_text(
        text.replace("brand.yaml", "../../brand.yaml").replace("kettle.png", "../../kettle.png")
    )
    loaded = load_spot(folder / "film.yaml")
    assert loaded.root == tmp_path
    assert loaded.files["references.kettle.file"].path == tmp_path / "kettle.png"


def test_links_inside_the_project_are_taken_and_others_refused(load_film: Load, tmp_path: Path) -> None:
    outside = tmp_path / "outside.png"
    outside.touch()
    project = tmp_path / "project"
    project.mkdir()
    load_film()
    for name in ("film.yaml", "brand.yaml", "card.svg"):
        (tmp_path / name).rename(project / name)
    (project / "real.png").touch()
    (project / "kettle.png").symlink_to(project / "real.png")
    assert load_spot(project / "film.yaml").files["references.kettle.file"].path == project / "kettle.png"
    (project / "kettle.png").unlink()
    (project / "kettle.png").symlink_to(outside)
    assert answer(project / "film.yaml").splitlines() == [
        "film.yaml:11:32: references.kettle.file: `kettle.png` is a link that leads out of the project",
        "    copy the file into the project",
    ]
    (project / "kettle.png").unlink()
    (project / "kettle.png").symlink_to(project / "kettle.png")
    assert "references.kettle.file: " in answer(project / "film.yaml")


def test_brand_kit_by_itself(load_film: Load) -> None:
    loaded = load_film()
    assert load_brand(loaded.brand_path) == loaded.brand
    with pytest.raises(ManifestError, match="this file is a spot, and a brand is wanted here"):
        load_brand(loaded.path)


def test_a_broken_brand_kit_is_said_with_the_manifests_own_faults(load_film: Load, tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        load_film({"  takes: 3\n": "  take: 3\n"}, brand={"colours: {": "colours: [{"})
    said = str(caught.value).replace(f"{tmp_path}/", "").splitlines()
    assert [line for line in said if not line.startswith(" ")] == [
        "film.yaml:7:3: generate.take: unknown key `take`; did you mean `takes`?",
        "brand.yaml:6:1: not YAML: did not find expected ',' or ']' (it belongs to what starts on line 5)",
    ]


# --- our own notes ---


def test_extensions_are_tolerated_in_every_block(load_film: Load) -> None:
    plain = load_film()
    noted = load_film(
        {
            "name: film\n": "name: film\nx-owner: Ann\nx-shared: &shared [a, {b: c}]\n",
            "  takes: 3\n": "  takes: 3\n  x-why: *shared\n",
            "      camera: static wide shot, locked off\n": "      camera: static wide shot, locked off\n      x-note: ok\n",
            "{credits: 1000}": "{credits: 1000, x-po: 4711}",
        },
        brand={"name: alder\n": "name: alder\nx-team: brand\n"},
    )
    assert noted.spot == plain.spot
    assert noted.brand == plain.brand


def test_a_secret_is_found_in_notes_too_and_not_repeated(load_film: Load) -> None:
    secret = "key_" + "0123456789abcdef" * 4
    with pytest.raises(ManifestError) as caught:
        load_film({"name: film\n": f"name: film\nx-key: {secret}\n"})
    assert "this looks like a Runway key" in str(caught.value)
    assert secret not in str(caught.value)


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-" + "a1" * 20,
        "AKIA" + "A1B2" * 4,
        "ghp_" + "a1" * 20,
        "https://user:pass@host/x",
        "-----BEGIN PRIVATE KEY-----",
    ],
)
def test_other_secrets(load_film: Load, secret: str) -> None:
    with pytest.raises(ManifestError, match="secrets never stand in a manifest"):
        load_film({"name: film\n": f'name: film\ndescription: "{secret}"\n'})


# --- overrides ---


def set_film(load_film: Load, *overrides: str) -> LoadedSpot:
    return load_spot(load_film().path, overrides=overrides)


def test_overrides_set_merge_replace_and_delete(load_film: Load) -> None:
    loaded = set_film(
        load_film,
        "generate.takes=1",
        "generate.keyframe={options: 1}",
        "shots.pour.duration=6.5",
        "shots[0].avoid=[hands]",
        "graphics.end_card.duration=3.5",
        "sound.effects.0.gain=-6",
        "edit=null",
        "compliance.markets=[GB]",
        "compliance={people: none, realism: stylised, flight: {start: 2027-01-01, end: 2027-02-01}}",
    )
    spot = loaded.spot
    assert spot.generate.takes == 1
    assert spot.generate.keyframe is not None
    assert (spot.generate.keyframe.model, spot.generate.keyframe.options) == ("gen4_image", 1)
    assert spot.shots[1].duration == Decimal("6.5")
    assert spot.shots[0].avoid == ("hands",)
    assert spot.sound.effects[0].gain == -6
    assert spot.edit.transitions == ()
    assert spot.compliance is not None
    assert spot.compliance.markets == ("GB",)
    assert loaded.where("generate.takes") == Where("--set generate.takes")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("generate.take=3", "--set generate.take: generate.take: unknown key `take`; did you mean `takes`?"),
        ("generate.takes=three", "--set generate.takes:1:1: generate.takes: must be a whole number, not the text `three`"),
        ("shots.por.duration=3", "--set shots.por.duration: shots.por.duration: no item `por` in this list; did you mean `pour`? (ids here: dawn, pour)"),
        ("shots[7].duration=3", "--set shots[7].duration: shots[7].duration: no item `7` in this list (ids here: dawn, pour)"),
        ("sound.effects[3].gain=3", "--set sound.effects[3].gain: sound.effects[3].gain: no item `3` in this list (positions here: 0 to 0)"),
        ("name.x=3", "--set name.x: name.x: `x` cannot be set: what is above it is a plain value"),
        ("takes", "--set: `takes` is not `path=value`"),
        ("=3", "--set: `=3` is not `path=value`"),
        ("a." * 999 + "a=3", f"--set: `{'a.' * 40}` is not `path=value`"),
        ("budget=null", "film.yaml:1:1: missing key `budget`"),
        ("name=[a", "--set name:2:1: not YAML: did not find expected ',' or ']' (it belongs to what starts on line 1)"),
        ("generate={takes: 1, takes: 2}", "--set generate:1:12: takes: duplicate key `takes`; it is first given on line 1"),
    ],
)  # fmt: skip
def test_bad_overrides(load_film: Load, tmp_path: Path, override: str, said: str) -> None:
    with pytest.raises(ManifestError) as caught:
        set_film(load_film, override)
    assert str(caught.value).replace(f"{tmp_path}/", "").splitlines()[0] == said


def test_an_override_leaves_the_other_uses_of_an_alias_alone(load_film: Load) -> None:
    path = load_film(
        {"  - id: dawn\n": "  - id: dawn\n    check: &q [a]\n", "  - id: pour\n": "  - id: pour\n    check: *q\n"}
    ).path
    loaded = load_spot(path, overrides=["shots.pour.check[0]=b"])
    assert [shot.check for shot in loaded.spot.shots] == [("a",), ("b",)]


def test_a_licence_that_ends_before_the_flight(load_film: Load) -> None:
    """Story 9: the override meets the rights of the file."""
    path = load_film(
        {
            "budget: {credits: 1000}\n": "budget: {credits: 1000}\ncompliance: {markets: [GB], people: none, realism: photoreal, "
            'flight: {start: "2026-12-01", end: "2026-12-31"}}\n',
            "rights: {basis: owned}": 'rights: {basis: licensed, expires: "2027-01-31"}',
        }
    ).path
    with pytest.raises(ManifestError) as caught:
        load_spot(path, overrides=["compliance.flight.end=2027-02-28"])
    assert str(caught.value) == f"{path}:11:44: references.kettle.rights: expires 2027-01-31, flight ends 2027-02-28"
    assert caught.value.exit_code == 8


# --- what is not built yet, and what was built otherwise ---


SETTING_EVERYTHING = {
    "name: film\n": "name: film\nnaming: '{brand}_{name}'\n",
    "  takes: 3\n": "  takes: 3\n  drafts: {takes: 1}\n  retry: {on_moderation: fallback, fallback: gen4_turbo}\n",
    "  - id: dawn\n": "  - id: dawn\n    end_image: kettle\n    source_audio: keep\n",
    "between: [dawn, pour], duration: 0.4}\n": "between: [dawn, pour], kind: wipe}\n  match: {colour: to-first-shot, grain: unify}\n",
    "graphics:\n": "graphics:\n  captions: {burn: [youtube-instream]}\n  disclosure: auto\n",
    "budget: {credits: 1000}\n": "budget: {credits: 1000}\nreview: {keyframes: &g {by: [art], sample: all}, drafts: *g, takes: *g, cut: *g}\n"
    "compliance: {markets: [GB], people: none, realism: photoreal, claims: [boils in three minutes], "
    'flight: {start: "2026-12-01", end: "2026-12-31"}}\n',
}


def test_every_key_that_does_nothing_is_listed(load_film: Load) -> None:
    assert load_film(SETTING_EVERYTHING).not_applied == (
        "drafts",
        "shots.dawn.end_image",
        "shots.dawn.source_audio",
        "edit.match.colour",
        "edit.match.grain",
        "graphics.disclosure",
        "compliance.claims",
        "review.drafts",
        "review.keyframes.sample",
        "review.takes.sample",
        "review.cut.sample",
    )
    assert len(NOT_APPLIED) == len(load_film(SETTING_EVERYTHING).not_applied)


def test_keys_at_what_is_done_anyway_are_not_listed(load_film: Load) -> None:
    loaded = load_film(
        {
            "  takes: 3\n": "  takes: 3\n  retry: {on_moderation: hold, on_unknown: rebuy}\n",
            "between: [dawn, pour], duration: 0.4}\n": "between: [dawn, pour], kind: cut}\n  match: {colour: none, grain: none}\n",
            "  - id: dawn\n": "  - id: dawn\n    source_audio: drop\n",
            "graphics:\n": "graphics:\n  captions: {burn: []}\n  disclosure: {override: {by: Ann, reason: drawn by hand}}\n",
        }
    )
    assert loaded.not_applied == ()


def _version(number: int) -> Map:
    return Map(Where("f", 1, 1), {"manifest": (Where("f", 1, 1), Scalar(Where("f", 1, 11), number, str(number)))})


def test_one_version_back_is_upgraded_and_no_other() -> None:
    def add_note(tree: Map) -> Map:
        return Map(tree.where, {**tree.entries, "x-from": (Where("f"), Scalar(Where("f"), 2, "2"))})

    tree, problems = upgrade_tree(_version(2), current=3, steps={2: add_note})
    assert problems == []
    assert to_data(tree) == {"manifest": 3, "x-from": 2}
    _, (problem,) = upgrade_tree(_version(1), current=3, steps={2: add_note})
    assert problem.detail == "format version 1 is not read; this shotrunner reads 2 and 3"
    _, (problem,) = upgrade_tree(_version(4), current=3, steps={2: add_note})
    assert problem.detail == "format version 4 is newer than this shotrunner, which reads 3"


# --- diagnostics ---


def test_exit_codes_take_the_manifest_before_rights_before_money() -> None:
    def error(code: int, severity: str = "error") -> Diagnostic:
        return Diagnostic("s", "d", "", Where("f"), "", severity, code)  # type: ignore[arg-type]

    assert ManifestError([error(8), error(2), error(5)]).exit_code == 2
    assert ManifestError([error(5), error(8)]).exit_code == 8
    assert ManifestError([error(5), error(2, "warning")]).exit_code == 5
    assert ManifestError([]).exit_code == 2


def test_doubles_are_said_once_and_lines_are_in_order() -> None:
    def at(file: str, line: int) -> Diagnostic:
        return Diagnostic("s", "d", "", Where(file, line, 1))

    found = sort_diagnostics([at("b", 1), at("m", 9), at("m", 2), at("m", 9), at("a", 3)], "m")
    assert [str(problem.where) for problem in found] == ["m:2:1", "m:9:1", "a:3:1", "b:1:1"]


# --- whatever people type ---


def _mangled(text: str, seed: int) -> str:
    pick = random.Random(seed)
    lines = text.splitlines()
    for _ in range(pick.randint(1, 4)):
        index = pick.randrange(len(lines))
        line = lines[index]
        what = pick.randrange(7)
        if what == 0:
            del lines[index]
        elif what == 1:
            lines.insert(index, line)
        elif what == 2:
            lines[index] = (
                line[: pick.randrange(len(line) + 1)]
                + pick.choice("\t{}[]:,#&*!|>'\"%@`-?\u00e9\u2028 0")
                + line[pick.randrange(len(line) + 1) :]
            )
        elif what == 3:
            lines[index] = pick.choice(["  ", " ", ""]) + line
        elif what == 4 and ":" in line:
            values = [
                "null",
                "true",
                "-1",
                "1e9",
                "[]",
                "{}",
                "[[1]]",
                "{a: 1}",
                "''",
                "0.0001",
                "${x}",
                "x" * 500,
                "99999999",
            ]
            lines[index] = line.partition(":")[0] + ": " + pick.choice(values)
        elif what == 5:
            other = pick.randrange(len(lines))
            lines[index], lines[other] = lines[other], line
        else:
            lines[index] = line.replace(pick.choice("aeiou"), "", 1)
    return "\n".join(lines) + "\n"


def problems_of(path: Path, *overrides: str) -> tuple[Diagnostic, ...] | None:
    """None when it loads; any exception but ManifestError is a fault of ours."""
    try:
        load_spot(path, overrides=overrides)
    except ManifestError as problem:
        return problem.diagnostics
    return None


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), brand=st.booleans())
def test_mangled_manifests_are_refused_or_read(load_film: Load, seed: int, brand: bool) -> None:
    film = load_film().path
    path = film.with_name("brand.yaml") if brand else film
    path.write_text(_mangled(path.read_text(), seed))
    found = problems_of(film)
    assert found is None or all(problem.detail and problem.where.file for problem in found)
    assert found != ()


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
KEYS = ["generate", "shots", "references", "edit", "sound", "graphics", "deliver", "budget", "compliance", "review"]


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.sampled_from(KEYS), value=trees)
def test_any_value_in_any_block_is_refused_or_read(load_film: Load, key: str, value: object) -> None:
    path = load_film().path
    data = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**data, key: value}, allow_unicode=True))
    assert problems_of(path) != ()


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.text("abdegnrstu.[]0=_ ", max_size=20), value=st.text(max_size=10))
def test_any_override_is_refused_or_applied(load_film: Load, path: str, value: str) -> None:
    assert problems_of(load_film().path, f"{path}={value}") != ()


def test_without_libyaml_the_same_is_read(load_film: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    fast = load_film()
    monkeypatch.setattr("manifests.load._PARSER", yaml.SafeLoader)
    slow = load_spot(fast.path)
    assert slow.spot == fast.spot
    assert slow.where("graphics.end_card.fields.headline") == fast.where("graphics.end_card.fields.headline")
    assert complaint("a:\n\t- b\n") == "f:2:1: not YAML: a tab in the indentation\n    indent with spaces"
    assert complaint("a: !x 5\n").startswith("f:1:4: tag `!x`")
