"""Times keep their zone, and the demo city's file holds together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy.dialects import postgresql, sqlite

from db.models import Base, UtcDateTime
from db.seed import OUTCOMES, city

CHINA = timezone(timedelta(hours=8))


@pytest.mark.parametrize("dialect", [sqlite.dialect(), postgresql.dialect()])
def test_a_time_is_kept_in_utc(dialect: object) -> None:
    bound = UtcDateTime().process_bind_param(datetime(2026, 7, 23, 8, tzinfo=CHINA), dialect)  # type: ignore[arg-type]
    assert bound == datetime(2026, 7, 23, 0, tzinfo=UTC)
    assert UtcDateTime().process_result_value(bound.replace(tzinfo=None), dialect) == bound  # type: ignore[arg-type]


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        UtcDateTime().process_bind_param(datetime(2026, 7, 23), sqlite.dialect())


def test_every_constraint_has_a_name() -> None:
    for table in Base.metadata.tables.values():
        assert all(constraint.name for constraint in table.constraints)
        assert all(index.name for index in table.indexes)


def test_stories_and_categories_of_the_demo_city_agree() -> None:
    categories = city()["categories"]
    subjects = [subject for subjects in categories.values() for subject in subjects.values()]
    leaves = [leaf for subject in subjects for leaf in subject["leaves"]]
    units = {unit["code"] for unit in city()["units"]}
    assert len(leaves) == len(set(leaves))
    assert {subject["unit"] for subject in subjects} <= units
    assert {story["category"] for story in city()["stories"]} <= set(leaves)


def test_the_demo_city_uses_invented_numbers_only() -> None:
    phones = [phone for person in city()["citizens"] for phone in person["phones"]]
    assert all(phone.startswith(("861990000", "8657188000")) for phone in phones)
    assert sum(OUTCOMES.values()) == 60
