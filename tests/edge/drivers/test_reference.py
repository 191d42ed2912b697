"""The reference of drivers is that of their settings, and every driver is one plain class behind the seam."""

from __future__ import annotations

import json

import pytest

from baro.edge.driver import DriverSettings, load_driver, settings_of
from baro.edge.errors import SettingsInvalidError
from tests.edge.drivers import reference

EXAMPLES = {
    "sparkplug": {"url": "mqtts://broker.example", "user": "baro", "password": "broker"},
    "modbus": {"url": "modbus://dryer.example", "source": "dryer-1", "registers": [{"tag": "t", "address": 0}]},
    "s7": {"url": "s7://plc.example", "source": "mixer-1", "variables": [{"tag": "t", "address": "DB1.DBW0"}]},
    "bacnet": {
        "url": "bacnet://192.0.2.7",
        "local": "192.0.2.5/24",
        "source": "room-1",
        "points": [{"tag": "t", "object": "analog-input,1"}],
    },
}


def test_the_page_is_that_of_the_settings() -> None:
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page(), "python -m tests.edge.drivers.reference"


@pytest.mark.parametrize("driver", reference.DRIVERS, ids=lambda driver: driver.name)
def test_settings_are_json_frozen_and_hold_nothing_unknown(driver: type) -> None:
    name = driver.name  # type: ignore[attr-defined]
    assert load_driver(name) is driver
    made = settings_of(name, EXAMPLES[name])
    assert isinstance(made, DriverSettings)
    assert settings_of(name, json.loads(made.model_dump_json())) == made
    driver(made)
    with pytest.raises(SettingsInvalidError):
        settings_of(name, EXAMPLES[name] | {"unheard": 1})
    with pytest.raises(SettingsInvalidError):
        settings_of(name, EXAMPLES[name] | {"url": "http://elsewhere/"})
