"""The x264 parameters that every encode of ours carries, so that the same picture gives the same bytes anywhere."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from manifests.catalogue import VideoSettings

LARGE_PICTURE = 1280 * 800
SHORT_LOOKAHEAD = 24  # x264's own 40 hold 200 MB at 1080 lines and 800 MB at 2160, for every encoder
QUICK_PRESETS = ("ultrafast", "superfast", "veryfast", "faster")  # these look ahead 20 frames at most


def write_x264_params(**own: int | str) -> str:
    """One thread, closed groups, one instruction set; `own` adds parameters, `_` for `-`."""
    fixed: dict[str, int | str] = {"open-gop": 0, "min-keyint": 1, "threads": 1, "lookahead-threads": 1}
    if _has_avx2():
        # With AVX-512, x264 core 165 gave one of three results for the same input within one process (November 2026,
        # width 320, mbtree and adaptive quantisation on). AVX2 is as fast and always gives the same.
        fixed["asm"] = "avx2"
    fixed |= {name.replace("_", "-"): value for name, value in own.items()}
    return ":".join(f"{name}={value}" for name, value in fixed.items())


def encoder_options(video: VideoSettings, width: int, height: int, **own: int | str) -> dict[str, str]:
    """A deliverable's settings, by the option names of ffmpeg's libx264; `own` as in `write_x264_params`."""
    if width * height > LARGE_PICTURE and video.preset not in QUICK_PRESETS:
        own["rc_lookahead"] = SHORT_LOOKAHEAD
    options = {"preset": video.preset, "profile": video.profile}
    if video.bitrate_kbps:
        options["b"] = f"{video.bitrate_kbps}k"
    else:
        options["crf"] = str(video.crf if video.crf is not None else 18)
    if video.minimum_kbps and video.bitrate_kbps:
        # a placement that asks for a least rate measures the file: easy pictures are filled up to it
        options |= {"maxrate": f"{video.bitrate_kbps}k", "bufsize": f"{video.bitrate_kbps}k"}
        own["nal_hrd"] = "cbr"
    elif video.maximum_kbps:
        options |= {"maxrate": f"{video.maximum_kbps}k", "bufsize": f"{video.maximum_kbps}k"}
    return options | {"x264-params": write_x264_params(keyint=video.gop_frames, **own)}


def splice_options(video: VideoSettings, width: int, height: int) -> dict[str, str]:
    """The same for clips and sections that are joined by their packets: equal headers whatever the picture, and IDR
    frames nowhere but where they are asked for."""
    return encoder_options(video, width, height, scenecut=0, stitchable=1)


@cache
def _has_avx2() -> bool:
    try:
        return " avx2 " in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
