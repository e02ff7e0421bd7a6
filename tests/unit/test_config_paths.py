from __future__ import annotations

from pathlib import Path

import pytest

from refundwatch.config import default_path, user_folder
from refundwatch.errors import ConfigError

SYSTEM = Path("/etc/refundwatch/config.toml")


def test_nothing_said_means_the_systems_file() -> None:
    assert default_path({"HOME": "/nonexistent"}) == SYSTEM


def test_users_file_wins_over_the_systems_where_it_exists(tmp_path: Path) -> None:
    env = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert default_path(env) == SYSTEM
    own = tmp_path / "refundwatch" / "config.toml"
    own.parent.mkdir()
    own.touch()
    assert default_path(env) == own


def test_service_managers_folder_wins_over_the_users(tmp_path: Path) -> None:
    own = tmp_path / "refundwatch" / "config.toml"
    own.parent.mkdir()
    own.touch()
    env = {"XDG_CONFIG_HOME": str(tmp_path), "CONFIGURATION_DIRECTORY": "/etc/a:/etc/b"}
    assert default_path(env) == Path("/etc/a/config.toml")


def test_variable_wins_over_every_folder() -> None:
    env = {"REFUNDWATCH_CONFIG": "/srv/c.toml", "CONFIGURATION_DIRECTORY": "/etc/a"}
    assert default_path(env) == Path("/srv/c.toml")


def test_relative_base_folder_is_ignored_as_the_standard_asks() -> None:
    env = {"XDG_CONFIG_HOME": "somewhere", "HOME": "/home/ann"}
    assert user_folder(env) == Path("/home/ann/.config/refundwatch")


@pytest.mark.parametrize(
    ("name", "hint"),
    [("REFUNDWATCH_CONFG", "REFUNDWATCH_CONFIG?"), ("REFUNDWATCH_PORT", "not known")],
)
def test_misspelt_variable_is_refused(name: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        default_path({name: "x", "HOME": "/nonexistent"})
    assert caught.value.field == name
    assert hint in caught.value.message


def test_variables_of_others_are_none_of_our_business() -> None:
    assert default_path({"PATH": "x", "REFUND": "y", "HOME": "/nonexistent"}) == SYSTEM
