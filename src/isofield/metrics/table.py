"""Rows of measures and their means: per class, over classes, over objects."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
TEXT = ("class", "name", "reason")


def failed(row: Row, reason: str) -> dict[str, Any]:
    """The row of a model without a usable mesh: nothing overlaps, the rest is unknown."""
    return {**row, "iou": 0.0, "reason": reason}


def measures(rows: Sequence[Row]) -> list[str]:
    """Names of the numeric columns, in order of appearance."""
    names: dict[str, None] = {}
    for row in rows:
        names |= {key: None for key, value in row.items() if key not in TEXT and _is_number(value)}
    return list(names)


def mean(rows: Sequence[Row], names: Sequence[str]) -> dict[str, float]:
    """Mean of each column over the rows that have it; NaN if none has."""
    result = {}
    for name in names:
        values = [float(row[name]) for row in rows if _is_number(row.get(name))]
        result[name] = sum(values) / len(values) if values else math.nan
    return result


def _is_number(value: object) -> bool:
    return isinstance(value, bool | int | float) and not math.isnan(value)


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """Means per class, their mean over the classes, and the mean over all objects.

    Papers on ShapeNet print the mean over classes. Failed rows count with IoU 0; other columns are
    means over the rows that have a value, and `failed` says how many have not.
    """
    names = measures(rows)
    classes: dict[str, list[Row]] = {}
    for row in rows:
        classes.setdefault(str(row.get("class", "")), []).append(row)
    per_class = {name: mean(part, names) for name, part in sorted(classes.items())}
    return {
        "objects": len(rows),
        "failed": sum(bool(row.get("reason")) for row in rows),
        "mean_over_objects": mean(rows, names),
        "mean_over_classes": mean(list(per_class.values()), names),
        "per_class": {name: {"objects": len(classes[name]), **values} for name, values in per_class.items()},
    }


def as_csv(rows: Sequence[Row]) -> str:
    """One line per object, then lines named after the means; empty where there is no value."""
    names = measures(rows)
    totals = summary(rows)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*TEXT[:2], *names, TEXT[2]])
    for row in rows:
        writer.writerow([row.get("class", ""), row.get("name", ""), *(_cell(row.get(n)) for n in names),
                         row.get("reason", "")])  # fmt: skip
    for name, values in totals["per_class"].items():
        writer.writerow([name, "mean_of_class", *(_cell(values.get(n)) for n in names), ""])
    for label in ("mean_over_classes", "mean_over_objects"):
        writer.writerow(["", label, *(_cell(totals[label].get(n)) for n in names), ""])
    return stream.getvalue()


def _cell(value: object) -> str:
    if not _is_number(value):
        return ""
    return str(value) if isinstance(value, bool | int) else f"{value:.9g}"


def as_json(rows: Sequence[Row], **extra: Any) -> str:
    """Rows and summary; values that are not there are null."""
    return json.dumps(without_nan({**extra, "rows": list(rows), "summary": summary(rows)}), indent=1) + "\n"


def without_nan(value: Any) -> Any:
    """The same with None for every NaN: JSON has none."""
    if isinstance(value, Mapping):
        return {key: without_nan(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
