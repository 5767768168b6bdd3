"""`isofield render`: pictures and films of a scene or a mesh."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from isofield.cli.console import Console
from isofield.cli.journey import along
from isofield.cli.options import Options
from isofield.cli.result_folder import scene_in
from isofield.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from isofield.geometry import Mesh
    from isofield.geometry.camera import Camera
    from isofield.render.image import Painter
    from isofield.scene import Scene

FILMS = (".mp4", ".gif")
PICTURE = ".png"


@dataclass(frozen=True)
class Render:
    """Take pictures of a mesh, or of a scene that a network has learnt, from all around or along a path.

    OUTPUT's name says what is written: a film (MP4, GIF), one picture (PNG), or a folder of pictures.
    """

    subject: Annotated[Path, tyro.conf.Positional]
    """Mesh (GLB, PLY, OBJ, STL, OFF), or weights of one scene: the folder that `isofield reconstruct PHOTOS`
    wrote or the scene.safetensors in it, or what `isofield train nerf` or `isofield convert` wrote."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="PATH")]
    """FILE.mp4, FILE.gif, FILE.png, or a folder."""
    path: Annotated[Path | None, tyro.conf.arg(metavar="PHOTOS")] = None
    """Go along the cameras of this folder of photos, or of its transforms.json, instead of around."""
    frames: int | None = None
    """Pictures of the whole journey: 48 around; one per camera of --path in the order of the file, or so many
    on a short walk past all of them."""
    show: Literal["auto", "colour", "shaded", "normals", "depth"] = "auto"
    """What the pictures show; auto: colours where there are some, otherwise a shaded surface."""
    width: int = 320
    """Pixels."""
    height: int = 320
    """Pixels."""
    elevation: float = 20.0
    """Degrees above the horizon, for journeys around."""
    up: Literal["auto", "x", "y", "z"] = "auto"
    """Axis that points up, for journeys around; auto: what the scene knows, otherwise y."""
    finer: int = 1
    """Rays per pixel along an edge: 2 gives smoother edges in four times the time."""
    fps: int = 24
    """Pictures of a film per second."""
    common: Options = field(default_factory=Options)


def run(args: Render) -> int:
    """Exit code 0; raises InputError for anything the user can mend."""
    check(args)
    console = Console(json=args.common.json, quiet=args.common.quiet)
    with console.stage("start"):
        from isofield.render.image import Painter

        subject = opened(args.subject)
        painter = Painter(subject)
        kind = None if args.show == "auto" else args.show
        cameras = journey(args, painter)
    with console.stage("render") as advance:

        def pictures() -> "Iterator[np.ndarray]":
            for number, camera in enumerate(cameras):
                yield painted(painter, camera, args, kind)
                advance((number + 1) / len(cameras))

        written = write(args, pictures(), len(cameras))
    shown = kind or painter.kinds()[0]
    rows = {"written": str(written), "pictures": str(len(cameras)), "show": shown}
    if painter.counted.rays:
        rows["samples per ray"] = f"{painter.counted.per_ray:.1f}"
    record: dict[str, Any] = {**rows, "pictures": len(cameras), "warnings": console.warnings}
    console.finish(f"{args.subject.name} is shown", rows, record)
    return 0


def check(args: Render) -> None:
    """Nothing, if everything can be begun; raises InputError."""
    for name in ("width", "height", "finer", "fps"):
        if not 1 <= getattr(args, name) <= 8192:
            raise InputError(f"--{name} {getattr(args, name)} is out of range; give 1 to 8,192")
    if args.frames is not None and not 1 <= args.frames <= 100_000:
        raise InputError(f"--frames {args.frames} is out of range; give 1 to 100,000")
    if not -89 <= args.elevation <= 89:
        raise InputError(f"--elevation {args.elevation} is out of range; give -89 to 89 degrees")
    suffix = args.output.suffix.lower()
    if suffix and suffix not in (*FILMS, PICTURE) and not args.output.is_dir():
        raise InputError(f"{args.output}: pictures are written as .mp4, .gif or .png, or into a folder")
    if not args.output.parent.is_dir():
        raise InputError(f"{args.output} cannot be written: there is no folder {args.output.parent}")
    if suffix in FILMS:
        film_writer()
        if suffix == ".mp4" and (args.width % 2 or args.height % 2):
            raise InputError("the edges of an MP4 are even; choose such a --width and --height")


def film_writer() -> Any:
    """The package that writes films; raises InputError where it is missing."""
    try:
        import imageio.v2
        import imageio_ffmpeg  # noqa: F401 - what writes MP4
    except ImportError:
        raise InputError(
            "films need imageio: pip install 'isofield[photos]'; or give a folder for single pictures"
        ) from None
    return imageio.v2


def opened(path: Path) -> "Scene | Mesh":
    """The scene of a weights file or of a folder with one, or a mesh.

    Raises:
        InputError: There is neither, or the weights need an observation first.
    """
    if path.is_dir():
        path = scene_in(path)
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    if path.suffix.lower() != ".safetensors":
        from isofield.data import read_mesh

        return read_mesh(path)
    from isofield.systems.stored import known_scene

    return known_scene(path)


def journey(args: Render, painter: "Painter") -> "list[Camera]":
    """The cameras, in the world."""
    from isofield.render.orbit import turntable

    if args.path is None:
        single = args.output.suffix.lower() == PICTURE
        count = 1 if single else args.frames or 48
        box, back = painter.box, painter.world_from_scene
        around = turntable(box, count, (args.height, args.width), args.elevation, up=axis_up(args, painter))
        return [camera.moved(back) for camera in around]
    from isofield.data.photos import find_shots
    from isofield.geometry.camera import Camera

    cameras = []
    for shot in find_shots(args.path).shots:
        lens = shot.lens.resized(args.width, args.height)
        cameras.append(Camera(lens.pixel_from_camera, shot.camera_from_world))
    if not cameras:
        raise InputError(f"{args.path} has no camera")
    return cameras if args.frames is None else along(cameras, args.frames)


def axis_up(args: Render, painter: "Painter") -> Literal["x", "y", "z"]:
    """As asked for, or as the scene notes."""
    if args.up != "auto":
        return args.up
    known = getattr(painter.subject, "notes", {}).get("up", "y")
    return known if known in ("x", "y", "z") else "y"


def painted(painter: "Painter", camera: "Camera", args: Render, kind: Any) -> "np.ndarray":
    """The picture as bytes (h w 3); depths as shades, near ones light."""
    import numpy as np

    image = painter.picture(camera, args.height, args.width, kind, args.finer)
    if image.shape[2] == 1:
        known = image > 0
        low, high = (image[known].min(), image[known].max()) if known.any() else (0.0, 1.0)
        image = np.where(known, 1 - 0.9 * (image - low) / max(high - low, 1e-12), 0.0).repeat(3, axis=2)
    return np.rint(image * 255).astype(np.uint8)


def write(args: Render, pictures: "Iterator[np.ndarray]", count: int) -> Path:
    """Where they went: films whole or not at all, pictures of a folder one by one."""
    from isofield.data import atomic_write

    suffix = args.output.suffix.lower()
    if suffix in FILMS:
        with atomic_write(args.output) as part:
            write_film(part, pictures, args.fps)
        return args.output
    if suffix == PICTURE:
        write_png(args.output, next(pictures))
        return args.output
    args.output.mkdir(exist_ok=True)
    digits = len(str(count - 1))
    for number, picture in enumerate(pictures):
        write_png(args.output / f"{number:0{digits}d}{PICTURE}", picture)
    return args.output


def write_film(path: Path, pictures: "Iterator[np.ndarray]", fps: int) -> None:
    """MP4 (H.264, plays in browsers) or a GIF that repeats."""
    film = film_writer()
    options: dict[str, Any] = {"fps": fps, "codec": "libx264", "macro_block_size": 2, "quality": 8}
    if path.suffix == ".gif":
        options = {"duration": 1000 / fps, "loop": 0}
    with film.get_writer(path, **options) as writer:
        for picture in pictures:
            writer.append_data(picture)


def write_png(path: Path, picture: "np.ndarray") -> None:
    """One picture, whole or not at all."""
    from PIL import Image

    from isofield.data import atomic_write

    with atomic_write(path) as part:
        Image.fromarray(picture).save(part, format="PNG")
