"""Where the command begins: `shotrunner`, or `python -m flows`."""

from __future__ import annotations

import gc

GARBAGE_AT = 50_000  # new objects until garbage is looked for, 700 unless told: a thousand variants are none


def main() -> None:
    """Ends by SystemExit. What importing makes stays, and a quarter of that time would go into looking through it."""
    gc.disable()
    from flows import cli

    gc.freeze()
    gc.set_threshold(GARBAGE_AT, 10, 10)
    gc.enable()
    cli.main()


if __name__ == "__main__":
    main()
