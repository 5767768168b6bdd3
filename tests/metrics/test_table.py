"""Means by class, over classes and over objects, with failures among the rows."""

import csv
import io
import json
import math

import pytest

from isofield.metrics.table import as_csv, as_json, failed, summary

ROWS = [
    {"class": "chair", "name": "a", "iou": 0.8, "accuracy": 0.01, "closed": True},
    {"class": "chair", "name": "b", "iou": 0.6, "accuracy": 0.03, "closed": False},
    {"class": "lamp", "name": "c", "iou": 0.2, "accuracy": math.nan, "closed": True},
    failed({"class": "lamp", "name": "d"}, "the mesh is empty"),
]


def test_classes_weigh_the_same_and_objects_weigh_the_same():
    rows = [*ROWS[:2], *ROWS[2:3]]
    found = summary(rows)
    assert found["per_class"]["chair"]["iou"] == pytest.approx(0.7)
    assert found["mean_over_classes"]["iou"] == pytest.approx(0.45)
    assert found["mean_over_objects"]["iou"] == pytest.approx(1.6 / 3)
    assert found["failed"] == 0


def test_failures_count_as_no_overlap_and_as_nothing_else():
    found = summary(ROWS)
    assert (found["objects"], found["failed"]) == (4, 1)
    assert found["per_class"]["lamp"]["iou"] == pytest.approx(0.1)
    assert found["mean_over_objects"]["accuracy"] == pytest.approx(0.02)
    assert found["mean_over_objects"]["closed"] == pytest.approx(2 / 3)
    assert math.isnan(found["per_class"]["lamp"]["accuracy"])
    assert found["mean_over_classes"]["accuracy"] == pytest.approx(0.02)


def test_csv_names_every_mean_and_keeps_reasons():
    lines = list(csv.DictReader(io.StringIO(as_csv(ROWS))))
    assert [line["name"] for line in lines[4:]] == [
        "mean_of_class", "mean_of_class", "mean_over_classes", "mean_over_objects",
    ]  # fmt: skip
    assert lines[3]["reason"] == "the mesh is empty"
    assert (lines[3]["iou"], lines[3]["accuracy"], lines[2]["accuracy"]) == ("0", "", "")
    assert float(lines[4]["iou"]) == pytest.approx(0.7)


def test_json_has_null_where_there_is_no_number():
    found = json.loads(as_json(ROWS, about={"seed": 0}))
    assert found["rows"][2]["accuracy"] is None
    assert found["summary"]["per_class"]["lamp"]["accuracy"] is None
    assert found["about"] == {"seed": 0}


def test_no_rows_give_no_means():
    assert summary([])["mean_over_objects"] == {}
