"""Which moment orders a dataset."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from scopeline.domain.files import Acquired, Dataset, DatasetType, File
from scopeline.records.times import Bounds, is_outside, ordering_time

START = datetime(2026, 2, 6, 9, 0, tzinfo=UTC)
INSIDE = START + timedelta(hours=1)
YEARS_AGO = START - timedelta(days=3000)
BOUNDS = Bounds(START, START + timedelta(hours=4))


def file_of(mtime: datetime) -> File:
    return File(
        bucket="raw", object="a", instrument="titan", client="pc", root="data", path="a",
        mtime=mtime, first_seen=INSIDE, updated_at=INSIDE,
    )  # fmt: skip


def dataset_of(acquired: datetime) -> Dataset:
    return Dataset(index=0, type=DatasetType.IMAGE, acquired=Acquired(value=acquired, source="utc"))


def test_a_dataset_is_ordered_by_when_it_was_acquired() -> None:
    assert ordering_time(file_of(START), dataset_of(INSIDE), BOUNDS) == INSIDE


def test_a_time_outside_the_session_gives_way_to_the_files_time() -> None:
    mtime = INSIDE + timedelta(minutes=3)
    assert ordering_time(file_of(mtime), dataset_of(YEARS_AGO), BOUNDS) == mtime


def test_a_single_file_of_old_times_is_ordered_by_when_it_was_seen() -> None:
    assert ordering_time(file_of(YEARS_AGO), dataset_of(YEARS_AGO), BOUNDS) == INSIDE


def test_files_of_an_earlier_day_keep_their_own_order() -> None:
    missed = replace(BOUNDS, missed=True)
    assert ordering_time(file_of(YEARS_AGO), dataset_of(YEARS_AGO - timedelta(days=1)), missed) == YEARS_AGO


def test_nothing_is_too_late_for_an_end_that_nobody_said() -> None:
    late, guessed = START + timedelta(hours=9), replace(BOUNDS, guessed=True)
    assert is_outside(dataset_of(late), BOUNDS)
    assert not is_outside(dataset_of(late), guessed)
    assert is_outside(dataset_of(YEARS_AGO), guessed)
