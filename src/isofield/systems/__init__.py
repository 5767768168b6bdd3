"""The catalogue: every system by name. Imported lazily, so that help stays fast."""

from importlib import import_module

SYSTEMS: dict[str, tuple[str, str]] = {
    "gauss": ("isofield.systems.gauss", "Gauss"),
    "indicator": ("isofield.systems.indicator", "IndicatorNet"),
    "onet": ("isofield.systems.onet", "ONet"),
    "convonet": ("isofield.systems.convonet", "ConvONet"),
    "grid": ("isofield.systems.grid", "Grid"),
    "imnet": ("isofield.systems.imnet", "IMNet"),
    "atlasnet": ("isofield.systems.atlasnet", "AtlasNet"),
    "psgn": ("isofield.systems.psgn", "PSGN"),
    "voxel_decoder": ("isofield.systems.voxel_decoder", "VoxelDecoder"),
    "ldif": ("isofield.systems.ldif", "LDIF"),
    "dvr": ("isofield.systems.dvr", "DVR"),
    "idr": ("isofield.systems.idr", "IDR"),
    "deepsdf": ("isofield.systems.deepsdf", "DeepSDF"),
    "radiance": ("isofield.systems.radiance", "Radiance"),
    "nerf": ("isofield.systems.nerf", "NeRF"),
}
"""name -> (module, class). The config of class X is the dataclass XConfig beside it."""


def system_class(name: str) -> type:
    """Class of a system.

    Raises:
        ValueError: There is no such system.
    """
    if name not in SYSTEMS:
        raise ValueError(f"there is no system {name!r}; choose one of {', '.join(SYSTEMS)}")
    module, attribute = SYSTEMS[name]
    return getattr(import_module(module), attribute)


def config_class(name: str) -> type:
    """Frozen dataclass that configures a system; raises ValueError as `system_class` does."""
    cls = system_class(name)
    return getattr(import_module(cls.__module__), cls.__name__ + "Config")
