"""The checker behind jaxtyping's import hook in tests."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
"""beartype, which takes an int where a float is asked for, as mypy does."""
