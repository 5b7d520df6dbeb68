"""Filters that bring a picture into another shape: cropped around a point, or whole on a blurred or plain ground."""

from __future__ import annotations

from fractions import Fraction

SCALE = "zscale=w={}:h={}:filter=lanczos:param_a=4:matrix=709:range=limited:primaries=709:transfer=709,format=yuv420p"
TAGS = "setsar=1,setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
SHARPEN = "unsharp=3:3:0.3:3:3:0"
GROUND_SCALE = 8  # a blur at an eighth of the size looks the same and costs a fiftieth (media sheet §7)

Size = tuple[int, int]


def frame_picture(source: Size, size: Size, *, focus: tuple[float, float] | None, pad: str, sharpen: bool) -> str:
    """A filter chain from a correctly tagged picture with square pixels to `size` in 4:2:0."""
    inner = fit_inside(source, size)
    if pad == "none" or inner == size:
        window = crop_window(source, size, focus)
        cut = [_crop(*window)] if window else []
        return ",".join([*cut, *_grow(source, size, sharpen=sharpen), SCALE.format(*size)])
    left, top = ((size[i] - inner[i]) // 4 * 2 for i in (0, 1))  # even, so that colour stays with light
    front = ",".join([*_grow(source, inner, sharpen=sharpen), SCALE.format(*inner), TAGS])
    if pad == "blur":
        return (
            f"split[front][back];[back]{_blurred(source, size, focus)}[ground];[front]{front}[picture];"
            f"[ground][picture]overlay=x={left}:y={top}:format=yuv420"
        )
    colour = pad.removeprefix("solid:#")
    return f"{front},pad=w={size[0]}:h={size[1]}:x={left}:y={top}:color=0x{colour}"


def fit_inside(source: Size, size: Size) -> Size:
    """The largest even size of the source's shape inside `size`; all of it when only a pixel or two would be free."""
    share = min(Fraction(size[0], source[0]), Fraction(size[1], source[1]))
    width, height = (min(size[i], round(source[i] * share / 2) * 2) for i in (0, 1))
    return size if size[0] - width <= 2 and size[1] - height <= 2 else (width, height)


def crop_window(source: Size, size: Size, focus: tuple[float, float] | None) -> tuple[int, int, int, int] | None:
    """(width, height, left, top) of the largest part of the wanted shape with `focus` nearest its middle; None when the
    picture is within a pixel of that shape."""
    aspect = Fraction(*size)
    width, height = source
    if Fraction(width, height) > aspect:
        width = round(height * aspect / 2) * 2
    else:
        height = round(width / aspect / 2) * 2
    width, height = min(width, source[0]), min(height, source[1])
    if source[0] - width < 2 and source[1] - height < 2:
        return None
    width, height = width // 2 * 2, height // 2 * 2
    x, y = focus or (0.5, 0.5)
    return width, height, _offset(x, source[0], width), _offset(y, source[1], height)


def _offset(point: float, whole: int, part: int) -> int:
    """Even, as 4:2:0 wants it."""
    wanted = round((Fraction(point) * whole - Fraction(part, 2)) / 2) * 2
    return max(0, min(wanted, (whole - part) // 2 * 2))


def _crop(width: int, height: int, left: int, top: int) -> str:
    return f"crop=w={width}:h={height}:x={left}:y={top}"


def _grow(source: Size, size: Size, *, sharpen: bool) -> list[str]:
    growing = size[1] > source[1] or size[0] > source[0]
    return [SHARPEN] if sharpen and growing else []


def _blurred(source: Size, size: Size, focus: tuple[float, float] | None) -> str:
    small = tuple(max(2, length // GROUND_SCALE // 2 * 2) for length in size)
    radius = max(1, min(6, min(small) // 5))  # boxblur refuses more than half of the colour planes
    window = crop_window(source, size, focus)
    cut = [_crop(*window)] if window else []
    scaled = SCALE.format(*small)
    return ",".join(
        [
            *cut,
            scaled,
            f"boxblur={radius}:2",
            SCALE.format(*size).replace("lanczos:param_a=4", "bicubic"),
            TAGS,
        ]
    )
