from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from refundwatch.config import load_client_config
from refundwatch.config.client import DEFAULT_SERVER, SigningConfig
from refundwatch.errors import ConfigError, RefundwatchError, SecretUnavailable

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "refundwatch").mkdir()
    return tmp_path


def environment(home: Path, **more: str) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(home)} | more


def write(home: Path, text: str) -> None:
    (home / "refundwatch" / "client.toml").write_text(text)


def token_file(home: Path, name: str, text: str) -> Path:
    path = home / name
    path.write_text(text + "\n")
    path.chmod(0o600)
    return path


def test_without_anything_it_is_the_owners_local_daemon(home: Path) -> None:
    found = load_client_config(environment=environment(home))
    assert found.server == DEFAULT_SERVER
    assert found.token is None


def test_without_a_home_it_is_the_owners_local_daemon() -> None:
    found = load_client_config(environment={"HOME": "/nonexistent"})
    assert found.server == DEFAULT_SERVER


def test_flag_wins_over_environment_over_file(home: Path) -> None:
    write(home, 'server = "https://file.example"')
    env = environment(home)
    assert load_client_config(environment=env).server == "https://file.example"
    env["REFUNDWATCH_URL"] = "https://environment.example"
    assert load_client_config(environment=env).server == "https://environment.example"
    found = load_client_config("unix:/run/flag.sock", environment=env)
    assert found.server == "unix:/run/flag.sock"


def test_token_of_a_flag_wins_over_environment_over_file(home: Path) -> None:
    token_file(home / "refundwatch", "token", "from-file")
    write(home, 'token = "file:token"')

    def revealed(flag: Path | None = None, **more: str) -> str | None:
        found = load_client_config(
            token_file=flag, environment=environment(home, **more)
        )
        return found.token.reveal() if found.token else None

    named = token_file(home, "named", "from-named-file")
    flag = token_file(home, "flag", "from-flag")
    assert revealed() == "from-file"
    assert revealed(REFUNDWATCH_TOKEN="from-environment") == "from-environment"
    assert revealed(REFUNDWATCH_TOKEN_FILE=str(named)) == "from-named-file"
    assert revealed(flag, REFUNDWATCH_TOKEN="from-environment") == "from-flag"


def test_files_token_is_not_fetched_when_another_wins(home: Path) -> None:
    write(home, 'token = "file:nothing"')
    env = environment(home)
    with pytest.raises(SecretUnavailable):
        load_client_config(environment=env)
    env["REFUNDWATCH_TOKEN"] = "given"
    found = load_client_config(environment=env)
    assert found.token is not None
    assert found.token.reveal() == "given"


def test_two_tokens_in_the_environment_are_refused(home: Path) -> None:
    env = environment(home, REFUNDWATCH_TOKEN="a", REFUNDWATCH_TOKEN_FILE="b")
    with pytest.raises(ConfigError, match="keep one"):
        load_client_config(environment=env)


def test_token_file_that_others_may_read_is_refused(home: Path) -> None:
    path = token_file(home, "token", "secret-4242")
    path.chmod(0o644)
    with pytest.raises(SecretUnavailable) as caught:
        load_client_config(token_file=path, environment=environment(home))
    assert "4242" not in caught.value.message


@pytest.mark.parametrize(
    ("server", "word"),
    [
        ("http://hub.example", "in the clear"),
        ("http://10.0.0.1:8443", "in the clear"),
        ("https://user:pw@hub.example", "credentials"),
        ("unix:relative.sock", "absolute"),
        ("hub.example:8443", "unix:/path or https"),
        ("ftp://hub.example", "unix:/path or https"),
        ("https://[::1", "no address"),
        ("https://", "unix:/path or https"),
    ],
)
def test_server_that_cannot_be_or_is_not_safe_is_refused(
    home: Path, server: str, word: str
) -> None:
    with pytest.raises(ConfigError, match=word) as caught:
        load_client_config(server, environment=environment(home))
    assert caught.value.field == "server"


@pytest.mark.parametrize("server", ["http://127.0.0.1:1", "http://[::1]:1"])
def test_plain_http_is_for_loopback(home: Path, server: str) -> None:
    found = load_client_config(server, environment=environment(home))
    assert found.server == server


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("sever = 'x'", "did you mean server?"),
        ("server = 1", "text"),
        ("token = 'rwk_secret4242'", "where the secret is kept"),
        ("token = ", "Invalid value"),
    ],
)
def test_broken_file_is_refused_by_name_and_key(
    home: Path, text: str, word: str
) -> None:
    write(home, text)
    with pytest.raises(RefundwatchError) as caught:
        load_client_config(environment=environment(home))
    assert "client.toml" in caught.value.message
    assert word in caught.value.message
    assert "4242" not in caught.value.message


def test_token_has_no_repr(home: Path) -> None:
    env = environment(home, REFUNDWATCH_TOKEN="secret-4242")
    assert "4242" not in repr(load_client_config(environment=env))


def test_way_to_sign_and_key_come_from_the_file(home: Path) -> None:
    assert load_client_config(environment=environment(home)).signing == SigningConfig()
    write(home, '[signing]\nway = "keygen"\nkey = "~/.ssh/id_ed25519.pub"\n')
    found = load_client_config(environment=environment(home)).signing
    assert found == SigningConfig("keygen", "~/.ssh/id_ed25519.pub")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[signing]\nway = "email"\n', "way"),
        ("[signing]\nkey = 5\n", "key"),
        ('[signing]\nkeys = "x"\n', "keys"),
    ],
)
def test_way_to_sign_that_cannot_be_meant_is_named(
    home: Path, text: str, named: str
) -> None:
    write(home, text)
    with pytest.raises(ConfigError, match=rf"client\.toml.*{named}"):
        load_client_config(environment=environment(home))
