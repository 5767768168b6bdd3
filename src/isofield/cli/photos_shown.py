"""Pictures of a scene that was made of photos: beside the photos, and as a film."""

from pathlib import Path
from typing import TYPE_CHECKING

from isofield.cli.console import Console
from isofield.cli.journey import along

if TYPE_CHECKING:
    import numpy as np

    from isofield.observation import Views
    from isofield.report.contents import Pair
    from isofield.scene import Scene

SHOWN = 6
"""Pictures in the report, beside the photos."""
FRAMES, EDGE = 36, 256
"""Of the turntable."""


def shown_again(views: "Views", scene: "Scene", folder: Path, console: Console) -> "list[Pair]":
    """Pictures from where photos were taken, kept in the folder: all that were held out, or some others."""
    import numpy as np

    from isofield.render.image import Painter
    from isofield.report.contents import Pair

    folder.mkdir(exist_ok=True)
    held_out = [i for i, kept in enumerate(views.held_out or []) if kept]
    some = np.unique(np.linspace(0, len(views) - 1, 2 * SHOWN).round().astype(int)).tolist()
    which, painter, pairs = held_out or some, Painter(scene), []
    photos = views.on(1.0)
    with console.stage("views") as advance:
        for number, i in enumerate(which):
            height, width = photos[i].shape[:2]
            picture = painter.picture(views.cameras[i], height, width, "colour")
            error = float(((picture - photos[i]) ** 2).mean())
            pairs.append(Pair(views.names[i], photos[i], picture, float(-10 * np.log10(max(error, 1e-10)))))
            _save(folder / f"{Path(views.names[i]).stem}.png", picture)
            advance((number + 1) / len(which))
    return pairs


def film(views: "Views", scene: "Scene", path: Path, console: Console) -> None:
    """The object from all around; without masks, along the cameras, as nobody saw the rest."""
    from PIL import Image

    from isofield.data.atomic import atomic_write
    from isofield.render.image import Painter
    from isofield.render.orbit import turntable

    painter, back = Painter(scene), scene.world_from_scene
    if views.masks is None:
        height, width = views.images[0].shape[:2]
        cameras = along(views.cameras, FRAMES)
    else:
        height, width = EDGE, EDGE
        cameras = [camera.moved(back) for camera in turntable(scene.box, FRAMES, (EDGE, EDGE), 20.0, up="y")]
    frames = []
    with console.stage("turntable") as advance:
        for number, camera in enumerate(cameras):
            picture = painter.picture(camera, height, width, "colour")
            frames.append(Image.fromarray((picture * 255).round().astype("uint8")))
            advance((number + 1) / len(cameras))
        with atomic_write(path) as temporary:
            frames[0].save(temporary, "GIF", save_all=True, append_images=frames[1:], duration=80, loop=0)


def _save(path: Path, picture: "np.ndarray") -> None:
    from PIL import Image

    from isofield.data.atomic import atomic_write

    with atomic_write(path) as temporary:
        Image.fromarray((picture * 255).round().astype("uint8")).save(temporary, "PNG")
