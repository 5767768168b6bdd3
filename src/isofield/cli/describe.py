"""What `isofield check` says: statistics in plain words."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from isofield.data import PointFile
    from isofield.geometry.mesh_checks import MeshChecks
    from isofield.metrics.survey import Survey


def number(value: float) -> str:
    """Three significant digits, all digits before the point, no exponent where people live."""
    if value == 0 or not np.isfinite(value):
        return f"{value:g}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 1e-4 else f"{value:.2e}"


def share(value: float) -> str:
    """A percentage that is never rounded to nothing or all."""
    if 0 < value < 0.001:
        return "less than 0.1 %"
    if 0.999 < value < 1:
        return "more than 99.9 %"
    return f"{100 * value:.1f} %" if value < 0.1 else f"{100 * value:.0f} %"


def kind(file: "PointFile", checks: "MeshChecks | None") -> str:
    """Format and counts."""
    if checks is not None:
        drawn = f"{len(file.cloud):,} points drawn from its faces"
        return f"{file.kind}, {checks.vertices:,} vertices, {checks.faces:,} faces; looked at: {drawn}"
    text = f"{file.kind}, {file.claimed:,} points"
    return text + (f", {file.dropped:,} of them not finite and left out" if file.dropped else "")


def extent(survey: "Survey") -> str:
    """Lengths along the axes, and where the middle is."""
    size = " x ".join(number(e) for e in survey.extent)
    centre = ", ".join(number((a + b) / 2) for a, b in zip(survey.low, survey.high, strict=True))
    return f"{size}, around ({centre})"


def units(survey: "Survey") -> str:
    """Files don't say: sizes and offsets of things that people scan do."""
    longest = max(survey.extent)
    centre = np.add(survey.low, survey.high) / 2
    if max(np.abs(centre)) > 1e4 and longest > 1:
        return "metres, a guess: numbers this large are map coordinates (UTM or a national grid)"
    if max(np.abs(centre)) < 0.1 * longest and any(abs(longest / n - 1) < 0.02 for n in (1, 2)):
        return f"none, a guess: it seems to be scaled to a box of side {round(longest)}"
    if longest < 0.01:
        return "unknown: very small for metres, so perhaps scaled"
    if longest < 20:
        thing = "a room" if longest > 3 else "an object"
        return f"metres, a guess: {thing} of {_metric(longest)}"
    if longest < 60:
        return f"a guess: metres ({_metric(longest)}: rooms, a building) or millimetres (a small object)"
    if longest < 3000:
        return f"millimetres, a guess: an object of {_metric(longest / 1000)}; or metres, if it is outdoors"
    return "unknown: metres outdoors, or millimetres of a room"


def _metric(metres: float) -> str:
    return f"{number(metres * 100)} cm" if metres < 1 else f"{number(metres)} m"


def spacing(survey: "Survey") -> str:
    """How far points are apart, and how evenly."""
    along = number(max(survey.extent) / survey.spacing)
    text = f"{number(survey.spacing)} between points ({along} along the extent)"
    if survey.unevenness > 2.5:
        ratio = number(survey.unevenness)
        text += f"; uneven: {ratio} times wider where points are sparse than where they are dense"
    if survey.nearest < 0.2 * survey.spacing:
        text += f"; the nearest point is at {number(survey.nearest)}: points come in clumps or lines"
    return text


def noise(survey: "Survey") -> str:
    """How far points stand off the surface, against their spacing."""
    if np.isnan(survey.noise):
        return "too few points to tell"
    ratio = survey.noise / survey.spacing
    if ratio < 0.02:
        return "none that can be told from the shape itself"
    level = "low" if ratio < 0.15 else "moderate" if ratio < 0.5 else "high"
    return f"about {number(survey.noise)} off the surface: {level}, {number(ratio)} of the spacing"


def outliers(survey: "Survey") -> str:
    """Points that belong to no surface."""
    if survey.outliers == 0:
        return "none found"
    part = share(survey.outliers)
    return (
        f"{part if part.startswith('less') else 'about ' + part} of the points stand far off their neighbours"
    )


def duplicates(survey: "Survey") -> str:
    """Points that are there twice."""
    if not survey.duplicates:
        return "none"
    part = share(survey.duplicates / survey.points)
    return f"{survey.duplicates:,} points ({part}) repeat another one exactly; they do no harm"


def normals(survey: "Survey") -> str:
    """Whether the file brings normals that can be trusted."""
    if survey.normals_agree is None or survey.normals_fit is None or survey.normals_out is None:
        return "none; reconstruct finds them itself"
    if survey.normals_fit < 0.8:
        return "there, but most don't stand upright on the surface: better left out"
    if survey.normals_agree < 0.9:
        part = share(survey.normals_agree)
        return f"there, but not consistent: only {part} of neighbours agree about the outside"
    text = f"there and consistent ({share(survey.normals_agree)} of neighbours agree)"
    if survey.closedness == "open" or abs(survey.normals_out) < 0.2:
        return text
    return f"{text}, pointing {'outwards' if survey.normals_out > 0 else 'inwards'}"


def surface(survey: "Survey", checks: "MeshChecks | None") -> str:
    """Open or closed, and how we know."""
    from isofield.metrics.survey import ONE_HEIGHT

    if checks is not None and checks.is_closed:
        return "closed: every edge of the mesh has two faces"
    if survey.relief < 1e-3:
        return "flat: all points lie in a plane"
    closedness = survey.closedness
    if closedness == "closed":
        text = "closed, as far as the points tell"
    elif closedness == "open":
        why = (
            "one height z at each place, as terrain or a view along z"
            if survey.layers < ONE_HEIGHT
            else "it has long edges"
        )
        text = f"open: {why}"
    else:
        text = "closed but for holes or an open end; or parts of it are about as thin as the spacing"
    if checks is not None:
        text += f" (the mesh has {checks.boundary_edges:,} open edges)" if checks.boundary_edges else ""
    return text


def remarks(survey: "Survey", file: "PointFile") -> list[str]:
    """What the user should know before going on."""
    found = []
    step = rounding(file.cloud.points)
    if step > 0.2 * survey.spacing:
        found.append(
            f"the coordinates are rounded to {number(step)}, coarser than they should be at this spacing: "
            "the file holds 32-bit numbers far from the origin; export doubles, or subtract an offset first"
        )
    if survey.points < 300:
        found.append(f"{survey.points} points are few: expect the outline of the shape, no detail")
    if survey.looked_at < survey.points - survey.duplicates:
        found.append(
            f"spacing, noise and outliers were measured in blocks with {survey.looked_at:,} of the points"
        )
    if survey.noise > 0.5 * survey.spacing:
        found.append(
            "the noise is about as large as the spacing: detail finer than it is lost, more points help"
        )
    return found


def rounding(points: np.ndarray) -> float:
    """Step to which 32-bit storage has rounded the largest coordinates; 0 if they have more digits."""
    some = points[:: max(1, len(points) // 10_000)]
    if not (some == some.astype(np.float32)).all():
        return 0.0
    return float(np.spacing(np.float32(np.abs(points).max())))


def next_line(path: Path, survey: "Survey") -> str:
    """The command to type, ready for a shell."""
    output = path.with_suffix(".glb") if path.suffix.lower() != ".glb" else path.with_suffix(".mesh.glb")
    words: Sequence[str] = ["isofield", "reconstruct", str(path), "-o", output.name]
    return shlex.join([*words, *(["--open"] if survey.closedness == "open" else [])])


def options(survey: "Survey", checks: "MeshChecks | None") -> str:
    """What to add to the line, and when."""
    if checks is not None:
        return "it is a mesh already; the line makes a new one. isofield prepare makes training data of it"
    if survey.closedness == "open":
        return "--open cuts the surface off where there are no points; without it, it is closed somehow"
    if survey.closedness == "unclear":
        return "add --open if the holes should stay"
    return ""
