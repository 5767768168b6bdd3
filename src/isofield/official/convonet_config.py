"""Official ConvONet configurations -> ours, and the lineage of ConvONet."""

from collections.abc import Mapping
from typing import Any

from isofield.errors import InputError
from isofield.official.convonet import convonet_from_official, crop_cells, infer_config
from isofield.official.lineages import Checkpoint, Choices
from isofield.ops.coordinates import AXES
from isofield.systems.convonet import ConvONet, ConvONetConfig

ENCODERS = {
    "pointnet_local_pool": "points",
    "pointnet_crop_local_pool": "points",
    "voxel_simple_local": "voxels",
    "pointnet_plus_plus": "pointnet2",
}
DECODERS = ("simple_local", "simple_local_crop", "simple_local_point")


def recognises(file: Checkpoint) -> bool:
    """Whether there are an encoder and a decoder; what else they might be was asked before."""
    return any(key.startswith(("decoder.", "encoder.")) for key in file.state)


def system_of(file: Checkpoint, choices: Choices) -> ConvONet:
    """The network with the official weights; raises InputError if file, config and choices disagree."""
    if choices.config:
        choices.refuse_planes("--config says everything")
    given = choices.content
    if given is None:
        config = infer_config(file.state, choices.planes, choices.crops)
    else:
        config = config_from_official(given)
    return convonet_from_official(file.state, config)


def describe(config: ConvONetConfig) -> str:
    """Encoder and feature maps, in a few words."""
    if config.encoder == "pointnet2":
        return "PointNet++ features on points"
    planes = (
        f"plane{'s' * (len(config.planes) > 1)} {', '.join(config.planes)} of {config.plane_resolution}^2"
    )
    maps = [planes] if config.planes else []
    maps += [f"grid of {config.grid_resolution}^3"] if config.grid_resolution else []
    kind = f"{config.encoder} in crops" if config.unit_size else config.encoder
    return f"{kind} -> {' and '.join(maps)}"


def assumed(config: ConvONetConfig) -> str:
    """The same, with what stands in no tensor."""
    return f"{describe(config)}, {config.cloud_size:,} points, padding {config.padding}"


def config_from_official(content: Mapping[str, Any]) -> ConvONetConfig:
    """Our config for an official one.

    Takes the whole file (`model`, `data`, `test`, ...) or its `model` part alone, where
    `padding` may stand beside the rest.

    Raises:
        InputError: Names the entry that isn't known, missing, or can't be.
    """
    model = _Entries(dict(content.get("model", content)), "model")
    data, test = dict(content.get("data", {})), dict(content.get("test", {}))
    encoder = model.take("encoder")
    if encoder not in ENCODERS:
        raise InputError(f"encoder {encoder!r} is none of ConvONet's: {', '.join(ENCODERS)}")
    decoder = model.take("decoder")
    if decoder not in DECODERS:
        raise InputError(f"decoder {decoder!r} is none of ConvONet's: {', '.join(DECODERS)}")
    encoding = _Entries(model.take("encoder_kwargs", {}), "encoder_kwargs")
    decoding = _Entries(model.take("decoder_kwargs", {}), "decoder_kwargs")
    channels = model.take("c_dim", 512)
    local = {key: model.take(key, None) for key in ("local_coord", "pos_encoding")} | {"unit_size": None}
    local = {key: encoding.take(key, value) for key, value in local.items()}
    for key in local:
        decoding.take(key, None)
    crops = encoder == "pointnet_crop_local_pool"
    settings = {
        "encoder": ENCODERS[encoder],
        "channels": channels,
        "padding": model.take("padding", data.get("padding", 0.1)),
        "threshold": test.get("threshold", 0.2),
        "cloud_size": data.get("pointcloud_n", 3000),
        **_decoder(decoding),
        **(_crops(local, data) if crops else {}),
    }
    if encoder == "pointnet_plus_plus":
        settings["planes"] = ()
    else:
        settings |= _maps(encoding, channels, settings.get("query_voxels", 0) if crops else 0)
        settings |= (
            _points(encoding)
            if encoder != "voxel_simple_local"
            else {"kernel": encoding.take("kernel_size", 3)}
        )
        if encoder == "voxel_simple_local" and "grid_resolution" in settings:  # it then ignores planes
            settings = {key: value for key, value in settings.items() if not key.startswith("plane")}
            settings["planes"] = ()
    for entries in (encoding, decoding):
        entries.finish()
    return ConvONetConfig(**settings)


def _points(encoding: "_Entries") -> dict[str, Any]:
    return {
        "encoder_width": encoding.take("hidden_dim", 128),
        "encoder_blocks": encoding.take("n_blocks", 5),
        "pooling": encoding.take("scatter_type", "max"),
    }


def _decoder(decoding: "_Entries") -> dict[str, Any]:
    mode = decoding.take("sample_mode", "bilinear")
    settings = {
        "field_width": decoding.take("hidden_size", 256),
        "field_blocks": decoding.take("n_blocks", 5),
        "leaky": decoding.take("leaky", False),
        "point_radius": decoding.take("gaussian_val", 0.2),
    }
    if mode in ("bilinear", "nearest"):
        return settings | {"sampling": mode}
    return settings if mode == "gaussian" else settings | {"point_radius": None}


def _crops(local: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """Crop settings; scenes in metres are told by their voxels, larger than those of unit rooms."""
    unit = local["unit_size"] or data.get("unit_size", 0.1)
    encoding = local["pos_encoding"] or "linear"
    return {
        "unit_size": unit,
        "local_coordinates": encoding if local["local_coord"] else "none",
        "query_voxels": data.get("query_vol_size", 25),
        "metric_unit": unit if unit >= 0.01 else 0.0,
    }


def _maps(encoding: "_Entries", channels: int, query: int) -> dict[str, Any]:
    kind = encoding.take("plane_type", "xz")
    names = [kind] if isinstance(kind, str) else list(kind)
    for name in names:
        if name not in AXES:
            raise InputError(f"plane_type {name!r} is none of {', '.join(AXES)}")
    flat = _Entries(encoding.take("unet_kwargs", None) or {}, "unet_kwargs")
    solid = _Entries(encoding.take("unet3d_kwargs", None) or {}, "unet3d_kwargs")
    levels = solid.take("num_levels", 4) if encoding.take("unet3d", False) else 0
    depth = flat.take("depth", 5) if encoding.take("unet", False) else 0
    size = crop_cells(query, levels or depth) if query else None
    plane, grid = encoding.take("plane_resolution", size), encoding.take("grid_resolution", size)
    for key in ("in_channels", "out_channels"):
        if solid.take(key, channels) != channels:
            raise InputError(f"unet3d_kwargs {key} must equal c_dim, {channels}")
    unet = {
        "plane_width": flat.take("start_filts", 64),
        "plane_merge": flat.take("merge_mode", "concat"),
        "plane_upsampling": flat.take("up_mode", "transpose"),
    }
    unet3d = {"grid_width": solid.take("f_maps", 64)}
    flat.finish()
    solid.finish()
    planes = tuple(name for name in names if name != "grid")
    settings: dict[str, Any] = {"planes": planes}
    if planes:
        size = _given(plane, "plane_resolution")
        settings |= {"plane_resolution": size, "plane_depth": depth, **(unet if depth else {})}
    if "grid" in names:
        size = _given(grid, "grid_resolution")
        settings |= {"grid_resolution": size, "grid_levels": levels, **(unet3d if levels else {})}
    return settings


def _given(value: Any, name: str) -> Any:
    if value is None:
        raise InputError(f"encoder_kwargs has no {name}")
    return value


class _Entries:
    """Entries of a mapping that are taken one by one, so that none is overlooked."""

    def __init__(self, values: Mapping[str, Any], name: str) -> None:
        self.values, self.name = dict(values), name

    def take(self, key: str, *default: Any) -> Any:
        """The value, once."""
        if key not in self.values and not default:
            raise InputError(f"the config's {self.name} has no {key!r}")
        return self.values.pop(key, *default)

    def finish(self) -> None:
        """Raise InputError over what was never asked for."""
        if self.values:
            raise InputError(f"{self.name} has the entry {next(iter(self.values))!r}, which isn't known here")
