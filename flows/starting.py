"""Writing a first project: manifest, brand kit, and stand-in pictures, so that it plans and films before anything is
supplied."""

from __future__ import annotations

import tempfile
from pathlib import Path

from infra.errors import ShotrunnerError, StoreError
from infra.files import place_file, save_image
from infra.media.plate import paint_still
from manifests.paths import ROOT_MARK
from manifests.starter import (
    BRAND_PATH,
    KINDS,
    OFFERS,
    OFFERS_PATH,
    SCHEDULE_PATH,
    Kind,
    Starter,
    starter_brand,
    starter_images,
    starter_schedule,
    starter_text,
)

STAND_IN = {"product": "a plain white cup on a pale worktop", "room": "a quiet kitchen with one window"}


class FileInTheWayError(ShotrunnerError):
    summary = "a file is in the way"
    exit_code = 2


def write_starter(kind: Starter, folder: Path) -> list[Path]:
    """Writes everything or, when one of the files exists, nothing. What was asked for comes first in the answer. A
    schedule runs the starter that is there already; else it brings the one of a product."""
    film: Kind | None = kind if kind != "schedule" else _film_there(folder)
    texts: dict[Path, str] = {}
    if kind == "schedule":
        texts = {folder / SCHEDULE_PATH: starter_schedule(f"{film or KINDS[0]}.yaml"), folder / OFFERS_PATH: OFFERS}
    if kind != "schedule" or film is None:
        film = film or KINDS[0]
        name = f"{film}.yaml"
        texts |= {folder / name: starter_text(film, file_name=name), folder / BRAND_PATH: starter_brand()}
    pictures = [folder / image for image in starter_images(film)] if folder / BRAND_PATH in texts else []
    taken = [path for path in (*texts, *pictures) if path.exists()]
    if taken:
        raise FileInTheWayError(f"{taken[0]} exists", remedy="choose another folder: shotrunner init KIND FOLDER")
    if not any((parent / ROOT_MARK).is_file() for parent in (folder.absolute(), *folder.absolute().parents)):
        texts[folder / ROOT_MARK] = "# Marks the project's root: .shotrunner/ lies beside this file.\n"
    try:
        for picture in pictures:
            picture.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory() as folder_of_one:
                painted = Path(folder_of_one) / "still.png"
                paint_still(STAND_IN[picture.stem], [], 1920, 1080, 1, painted)
                save_image(painted, picture)
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {error.strerror}", remedy="choose another folder") from error
    return [place_file(path, None, text.encode) for path, text in texts.items()] + pictures


def _film_there(folder: Path) -> Kind | None:
    return next((kind for kind in KINDS if (folder / f"{kind}.yaml").is_file()), None)
