"""Photos with cameras: which convention, how they stand, what looks wrong, and the box drawn on each."""

import shlex
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isofield.cli.console import Console
from isofield.cli.describe import number, share

if TYPE_CHECKING:
    from isofield.data.photo_survey import PhotoSurvey
    from isofield.data.shots import Shots
    from isofield.data.view_frame import ViewFrame
    from isofield.observation import Views

LONGEST = 320
"""Pixels along the longest edge of the pictures that are looked at."""


@dataclass(frozen=True)
class PhotoFindings:
    """Everything found out about photos."""

    path: Path
    shots: "Shots"
    views: "Views"
    frame: "ViewFrame"
    survey: "PhotoSurvey"
    said: list[str]
    """Sentences of the reader, beyond the convention."""

    def rows(self) -> dict[str, str]:
        """The table for people."""
        rows = {
            "kind": f"photos with cameras: {self.shots.convention}",
            "pictures": self._pictures(),
            "cameras": self._cameras(),
            "up": self._up(),
            "masks": self._masks(),
            "box": self._box(),
            "exposure": self._exposure(),
        }
        if self.views.depths is not None:
            rows["depths"] = "there"
        if self.views.points is not None:
            rows["points"] = f"{len(self.views.points):,} known places on surfaces"
        for i, remark in enumerate(self.remarks()):
            rows[f"note {i + 1}"] = remark
        rows["next"] = self.following()
        return rows

    def remarks(self) -> list[str]:
        """What a person should know before going on."""
        return [*self.said, *self._few(), *self.survey.doubts, *self.frame.said[1:], *self._unseen()]

    def following(self) -> str:
        """The command to type next."""
        return shlex.join(["isofield", "reconstruct", str(self.path), "-o", "scene"])

    def record(self) -> dict[str, Any]:
        """The same for programs: plain JSON values."""
        frame = self.frame
        return {
            "path": str(self.path),
            "kind": "photos",
            "convention": self.shots.convention,
            "pictures": len(self.views),
            "missing": list(self.shots.missing),
            "damaged": list(self.shots.damaged),
            "held_out": None if self.views.held_out is None else sum(self.views.held_out),
            "looks": frame.looks,
            "up": None if frame.up is None else frame.up.tolist(),
            "box_from": frame.source,
            "world_from_scene": {
                "scale": frame.world_from_scene.scale,
                "rotation": frame.world_from_scene.rotation.tolist(),
                "translation": frame.world_from_scene.translation.tolist(),
            },
            "has_masks": self.views.masks is not None,
            "has_depths": self.views.depths is not None,
            "exposure_jumps": [self.views.names[i] for i in self.survey.jumps],
            "remarks": self.remarks(),
            "words": self.rows(),
            "next": self.following(),
        }

    def _pictures(self) -> str:
        sizes = Counter((shot.lens.width, shot.lens.height) for shot in self.shots.shots)
        (width, height), _ = sizes.most_common(1)[0]
        text = f"{len(self.views)}, {width} x {height}"
        text += f" and {len(sizes) - 1} other sizes" if len(sizes) > 1 else ""
        kept = sum(self.views.held_out or [])
        return text + (f"; {kept} are held out for measuring" if kept else "")

    def _cameras(self) -> str:
        import numpy as np

        lens = self.shots.shots[0].lens
        wide = 2 * np.degrees(np.arctan(lens.width / (2 * lens.fx)))
        low, high = (number(float(a)) for a in (self.survey.away.min(), self.survey.away.max()))
        bent = "; the distortion is taken out when they are read" if lens.is_distorted else ""
        text = self.frame.said[0].split("; ")[0].removeprefix("the cameras ")
        far = low if low == high else f"{low} to {high}"
        return f"{text}, {far} times the edge of the box away from its middle, {wide:.0f} degrees wide{bent}"

    def _up(self) -> str:
        up = self.frame.up
        if up is None:
            return "unclear"
        axis = int(abs(up).argmax())
        if abs(up[axis]) == 1:
            return f"{'+' if up[axis] > 0 else '-'}{'xyz'[axis]} of the world"
        return f"({', '.join(number(float(u)) for u in up)}) in the world"

    def _masks(self) -> str:
        covered = self.survey.covered
        if covered is None:
            return "none"
        low, high = share(float(covered.min())), share(float(covered.max()))
        return f"there; the object covers {low} to {high} of a picture"

    def _box(self) -> str:
        import numpy as np

        back = self.frame.world_from_scene
        rounded = np.where(np.abs(back.translation) < 1e-5 * back.scale, 0, back.translation)
        middle = ", ".join(number(float(x)) for x in rounded)
        reason = self.frame.said[0].split("; ")[1].removeprefix("the box is ")
        return f"{number(back.scale)} long, around ({middle}): {reason}"

    def _exposure(self) -> str:
        from isofield.data.shots import listed

        jumps = self.survey.jumps
        if not jumps:
            return "even"
        names = [f"{self.views.names[i]} ({self.survey.exposure[i]:+.1f})" for i in jumps]
        return f"{len(jumps)} pictures stand out from those taken nearby, in stops: {listed(names)}"

    def _few(self) -> list[str]:
        from isofield.data.photos import too_few

        few = too_few(self.views)
        return [] if few is None else [few]

    def _unseen(self) -> list[str]:
        from isofield.data.shots import listed

        blind = [self.views.names[i] for i, count in enumerate(self.survey.sees) if not count]
        if not blind or self.frame.looks == "outward":
            return []
        return [f"{len(blind)} pictures see no corner of the box: {listed(blind)}"]


def check_photos(path: Path, report: Path | None, console: Console) -> int:
    """Prints what is there, and draws it where a report is wanted; 0 even when something looks wrong.

    Raises:
        InputError: Something cannot be read.
    """
    with console.stage("read"):
        findings = look_at_photos(path)
    rows = findings.rows()
    if report is not None:
        from isofield.report.photos_page import PhotosPage, write_photos_page

        with console.stage("draw"):
            shown = {name: text for name, text in rows.items() if not name.startswith(("note", "next"))}
            write_photos_page(report, PhotosPage(
                str(path), findings.views, findings.frame, findings.survey, shown, findings.remarks(),
                findings.following(),
            ))  # fmt: skip
        rows["report"] = str(report)
    else:
        words = shlex.join(["isofield", "check", str(path), "--report", "photos.html"])
        rows["look"] = f"{words}   (the box drawn on every picture)"
    console.finish(str(path), rows, {**findings.record(), "report": None if report is None else str(report)})
    return 0


def look_at_photos(path: Path) -> PhotoFindings:
    """Reads the photos small and measures them; raises InputError as `read_views` does."""
    from isofield.data.photo_survey import survey_photos
    from isofield.data.photos import read_shots
    from isofield.data.view_frame import frame_of

    shots, views, said = read_shots(path, LONGEST)
    frame = frame_of(views)
    return PhotoFindings(path, shots, views, frame, survey_photos(views, frame), said[1:])
