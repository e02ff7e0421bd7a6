from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from refundwatch.config import config_digest, load_config
from refundwatch.errors import ConfigError
from refundwatch.gateways import registry
from refundwatch.gateways.registry import gateway
from tests.unit.config_text import TEXT, changed, line_of, load

ROOT = Path(__file__).resolve().parents[2]
SERVICE_VARIABLES = ("STATE_DIRECTORY", "RUNTIME_DIRECTORY", "CONFIGURATION_DIRECTORY")


@pytest.fixture(autouse=True)
def _no_service_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SERVICE_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def refusal(folder: Path, text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    assert caught.value.exit_code == 78
    return caught.value


def test_example_is_complete_and_loads() -> None:
    config = load_config(ROOT / "config.example.toml")
    assert config.mode == "live"
    shown = [account.gateway for account in config.accounts]
    assert len(set(shown)) == len(shown)
    assert {"stripe", "adyen", "paypal"} <= set(shown) <= set(registry.NAMES)


def test_example_names_every_key_that_there_is() -> None:
    text = (ROOT / "config.example.toml").read_text("utf-8")
    for key in TABLE_KEYS:
        assert f"\n{key} = " in text or f"\n# {key} = " in text, key


def test_example_gives_each_adapter_what_it_asks_for() -> None:
    for account in load_config(ROOT / "config.example.toml").accounts:
        needs = gateway(account.gateway).capabilities
        optional = set(needs.settings) | set(needs.optional_settings)
        assert set(needs.settings) <= set(account.settings) <= optional, account.name
        for connection in account.connections:
            assert set(connection.credentials) == set(needs.credentials), account.name


TABLE_KEYS = (
    *("instance", "mode", "path", "key", "socket", "tcp", "tls_certificate", "tls_key"),
    *("listen", "body_limit_bytes", "header_deadline_seconds"),
    *("body_deadline_seconds", "connections", "connections_per_peer"),
    *("level", "format", "concurrency", "lease_seconds", "shutdown_seconds"),
    *("backoff_seconds", "settle_delay_seconds", "in_flight_seconds"),
    *("poll_first_seconds", "poll_repeat_seconds", "alarm_seconds"),
    *("unmatched_keep_seconds", "expiry_seconds", "interval_seconds"),
    *("timeout_seconds", "command", "url", "currency", "auto_below"),
    *("one_approval_below", "gateway", "timezone", "webhook_secrets", "settings"),
    *("declared_payments", "endpoint", "credentials", "connect_timeout_seconds"),
    *("api_version", "rate_per_second", "burst", "fee_basis_points"),
    *("delay_scale", "longest_delay_seconds"),
)


def test_relative_paths_start_from_the_file(tmp_path: Path) -> None:
    config = load(tmp_path)
    assert config.store.path == tmp_path / "state/refundwatch.db"
    assert config.api.socket == tmp_path / "run/api.sock"
    assert config.vault.key.base == tmp_path
    assert config.path == tmp_path / "config.toml"


def test_digest_is_of_the_bytes_as_they_stand(tmp_path: Path) -> None:
    expected = hashlib.sha256(TEXT.encode()).hexdigest()
    assert load(tmp_path).digest == expected == config_digest(TEXT.encode())
    assert load(tmp_path, TEXT + "# a comment\n").digest != expected


def test_endpoint_loses_its_last_slash(tmp_path: Path) -> None:
    (account,) = load(tmp_path).accounts
    assert account.connections[0].endpoint == "http://127.0.0.1:9000"


def test_bands_keep_the_text_of_their_amounts(tmp_path: Path) -> None:
    first, second = load(tmp_path).bands
    assert (first.auto_below, second.one_approval_below) == ("50.00", "50000")


def test_service_managers_folders_stand_in_for_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/one:/var/lib/two")
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/one")
    text = changed('[store]\npath = "state/refundwatch.db"\n', "")
    text = text.replace('socket = "run/api.sock"', "")
    config = load(tmp_path, text)
    assert config.store.path == Path("/var/lib/one/refundwatch.db")
    assert config.api.socket == Path("/run/one/refundwatch.sock")


def test_paths_have_no_default_without_a_service_manager(tmp_path: Path) -> None:
    error = refusal(tmp_path, changed('path = "state/refundwatch.db"', ""))
    assert error.field == "store.path"
    assert "is missing" in error.message


# What is wrong: the old text, the new text, the key, a word of the message.
WRONG = [
    ('mode = "sandbox"', 'mode = "test"', "mode", "live, sandbox"),
    ('mode = "sandbox"', "", "mode", "is missing"),
    ('instance = "shop.example"', 'instance = "Shop"', "instance", "lower case"),
    ('instance = "shop.example"', "instance = 7", "instance", "text"),
    ("[api]", "[api]\nsokcet = 'x'", "api.sokcet", "did you mean socket?"),
    ("[webhooks]", "[webhook]", "webhooks", "webhook a slip"),
    ("[webhooks]", "surprise = 1\n[webhooks]", "api.surprise", "not known"),
    ('"file:keys/vault"', '"file:"', "vault.key", "credential:NAME"),
    ('"file:keys/vault"', '"command:x \'y"', "vault.key", "quotes"),
    ('"file:keys/vault"', '"credential:../x"', "vault.key", "plain name"),
    ('"env:STRIPE_WEBHOOK"', '"env:A B"', "accounts.stripe-uk.webhook_secrets", "name"),
    (
        '"env:STRIPE_WEBHOOK"',
        '"env:REFUNDWATCH_X"',
        "accounts.stripe-uk.webhook_secrets",
        "settings",
    ),
    ('"127.0.0.1:0"', '"127.0.0.1"', "webhooks.listen", "host:port"),
    ('"127.0.0.1:0"', '"127.0.0.1:65536"', "webhooks.listen", "host:port"),
    ('"127.0.0.1:0"', '"::1:80"', "webhooks.listen", "host:port"),
    ('"127.0.0.1:0"', f'"h:{"9" * 5000}"', "webhooks.listen", "host:port"),
    ('"127.0.0.1:0"', '"127.0.0.1:٣"', "webhooks.listen", "host:port"),
    ("[api]", "[health]\nlisten = '0.0.0.0:1'\n[api]", "health.listen", "loopback"),
    ("[api]", "[api]\ntcp = '0.0.0.0:1'", "api.tcp", "tls"),
    ("[api]", "[api]\ntls_key = 'k'", "api.tls_key", "tls_certificate"),
    ("[api]", "[log]\nlevel = 'loud'\n[api]", "log.level", "debug"),
    ("[api]", "[dispatch]\nconcurrency = 0\n[api]", "dispatch.concurrency", "from 1"),
    ("[api]", "[dispatch]\nconcurrency = true\n[api]", "dispatch.concurrency", "whole"),
    ("[api]", "[dispatch]\nconcurrency = 2.0\n[api]", "dispatch.concurrency", "whole"),
    ("[api]", "[probe]\ntimeout_seconds = nan\n[api]", "probe.timeout_seconds", "from"),
    ("[api]", "[probe]\ntimeout_seconds = inf\n[api]", "probe.timeout_seconds", "from"),
    (
        "[api]",
        "[resolve]\nbackoff_seconds = [5, 3]\n[api]",
        "resolve.backoff_seconds",
        "rise",
    ),
    (
        "[api]",
        "[resolve]\nbackoff_seconds = []\n[api]",
        "resolve.backoff_seconds",
        "list",
    ),
    ("[api]", "[alarms]\ncommand = ['']\n[api]", "alarms.command", "empty"),
    ("[api]", "[alarms]\nurl = 'http://x.example'\n[api]", "alarms.url", "https"),
    (
        "[api]",
        "[alarms]\ncommand = ['x']\nurl = 'https://x.example'\n[api]",
        "alarms.url",
        "one outlet",
    ),
    ('"Europe/London"', '"Europe/Londinium"', "accounts.stripe-uk.timezone", "zone"),
    ('"Europe/London"', '"../../etc/passwd"', "accounts.stripe-uk.timezone", "zone"),
    ('timezone = "Europe/London"', "", "accounts.stripe-uk.timezone", "missing"),
    ("[accounts.stripe-uk]", "[accounts.S]", "accounts.S", "lower case"),
    ("[accounts.stripe-uk]", "[accounts.a]", "accounts.a", "lower case"),
    (
        'gateway = "stripe"',
        'gateway = "stripe"\nsettings = { api_key = "sk_live_1" }',
        "accounts.stripe-uk.settings.api_key",
        "secret",
    ),
    (
        'gateway = "stripe"',
        'gateway = "stripe"\nsettings = { currencies = ["GBP"] }',
        "accounts.stripe-uk.settings.currencies",
        "text",
    ),
    (
        "http://127.0.0.1:9000/",
        "http://gateway.example/",
        "accounts.stripe-uk.connections.main.endpoint",
        "https",
    ),
    (
        "http://127.0.0.1:9000/",
        "https://user:pw@gateway.example/",
        "accounts.stripe-uk.connections.main.endpoint",
        "credentials",
    ),
    (
        "http://127.0.0.1:9000/",
        "https://gateway.example:99999/",
        "accounts.stripe-uk.connections.main.endpoint",
        "https",
    ),
    (
        "http://127.0.0.1:9000/",
        "https://[::1/",
        "accounts.stripe-uk.connections.main.endpoint",
        "https",
    ),
    (
        'endpoint = "http',
        'timeout_seconds = 61\nendpoint = "http',
        "accounts.stripe-uk.connections.main.timeout_seconds",
        "half of the lease (120 s)",
    ),
    (
        'endpoint = "http',
        'connect_timeout_seconds = 70\nendpoint = "http',
        "accounts.stripe-uk.connections.main.connect_timeout_seconds",
        "at most",
    ),
    ('"JPY"', '"GBP"', "bands[1].currency", "already"),
    ('"JPY"', '"jpy"', "bands[1].currency", "capital"),
    ('"5000"', "5000", "bands[1].auto_below", "text"),
    ('"5000"', '"5e3"', "bands[1].auto_below", "decimal"),
    ('"5000"', '"5,000"', "bands[1].auto_below", "decimal"),
    ('"5000"', '"-1"', "bands[1].auto_below", "decimal"),
    ('"5000"', '"50000.0001"', "bands[1].auto_below", "one_approval_below"),
]


@pytest.mark.parametrize(("old", "new", "key", "word"), WRONG)
def test_wrong_value_is_refused_by_file_and_key(
    tmp_path: Path, old: str, new: str, key: str, word: str
) -> None:
    error = refusal(tmp_path, changed(old, new))
    assert error.field == key
    assert str(tmp_path / "config.toml") in error.message
    assert key in error.message
    assert word in error.message


@pytest.mark.parametrize(
    ("old", "new", "piece"),
    [
        ('mode = "sandbox"', 'mode = "test"', "mode ="),
        ("[api]", "[api]\nsokcet = 'x'", "sokcet"),
        ('"Europe/London"', '"Nowhere"', "timezone"),
        ('"5000"', '"x"', 'auto_below = "x"'),
        ('"JPY"', '"GBP"', 'currency = "GBP"\nauto_below = "5000"'),
        # Within an inline table the line of the table is the nearest.
        ('"file:keys/stripe"', '"sk_live_1"', "credentials ="),
        # What is missing is missing from its table.
        ('gateway = "stripe"', "", "[accounts.stripe-uk]"),
    ],
)
def test_refusal_names_the_line(tmp_path: Path, old: str, new: str, piece: str) -> None:
    text = changed(old, new)
    where = f"{tmp_path / 'config.toml'}:{line_of(text, piece)}: "
    assert refusal(tmp_path, text).message.startswith(where)


def test_secret_in_place_of_its_reference_is_not_echoed(tmp_path: Path) -> None:
    error = refusal(tmp_path, changed('"file:keys/stripe"', '"sk_live_4242"'))
    assert "4242" not in f"{error.message}{error!r}"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"env:STRIPE_WEBHOOK"', '"env:STRIPE_WEBHOOK"'),
        ("http://127.0.0.1:9000/", "http://127.0.0.1:9001/"),
    ],
)
def test_what_a_sandbox_may_a_live_daemon_may_not(
    tmp_path: Path, old: str, new: str
) -> None:
    live = TEXT.replace('mode = "sandbox"', 'mode = "live"')
    safe = live.replace("env:STRIPE_WEBHOOK", "file:keys/webhook")
    safe = safe.replace("http://127.0.0.1:9000/", "https://api.stripe.com")
    assert load(tmp_path, safe).mode == "live"
    fixed = {"env:STRIPE_WEBHOOK": "file:k", "http://127.0.0.1:9000/": "https://x.test"}
    text = live.replace(old, new)
    for piece, good in fixed.items():
        if piece not in old:
            text = text.replace(piece, good)
    refusal(tmp_path, text)


def test_short_flight_time_is_for_a_sandbox_only(tmp_path: Path) -> None:
    short = changed("[api]", "[resolve]\nin_flight_seconds = 5\n[api]")
    assert load(tmp_path, short).resolve.in_flight_seconds == 5
    live = short.replace('"sandbox"', '"live"').replace("env:STRIPE_WEBHOOK", "file:k")
    live = live.replace("http://127.0.0.1:9000/", "https://x.test")
    error = refusal(tmp_path, live)
    assert error.field == "resolve.in_flight_seconds"
    assert "from 120" in error.message


def test_tcp_beyond_loopback_is_allowed_with_tls(tmp_path: Path) -> None:
    tls = "tls_certificate = 'cert.pem'\ntls_key = 'key.pem'"
    config = load(
        tmp_path, changed("[api]", f"[api]\ntcp = '[2001:db8::1]:8443'\n{tls}")
    )
    assert str(config.api.tcp) == "[2001:db8::1]:8443"
    assert config.api.tls_key == tmp_path / "key.pem"


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]"])
def test_tcp_on_loopback_needs_no_tls(tmp_path: Path, name: str) -> None:
    config = load(tmp_path, changed("[api]", f"[api]\ntcp = '{name}:8443'"))
    assert config.api.tcp is not None
    assert config.api.tcp.is_loopback


@pytest.mark.parametrize(
    "content",
    [b"instance = ", b"\xff\xfe", b"a = 1\na = 2\n", b""],
    ids=["cut", "not text", "twice", "empty"],
)
def test_broken_file_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"config\.toml"):
        load_config(path)


def test_absent_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.toml: No such file"):
        load_config(tmp_path / "nothing.toml")
    with pytest.raises(ConfigError, match="Is a directory"):
        load_config(tmp_path)


def test_socket_whose_path_is_too_long_is_refused(tmp_path: Path) -> None:
    text = changed("run/api.sock", "/" + "x" * 107)

    with pytest.raises(ConfigError, match=r"api\.socket: .* at most 107 bytes"):
        load(tmp_path, text)
    load(tmp_path, changed("run/api.sock", "/" + "x" * 106))


VALUES = st.one_of(
    st.just("1"),
    st.just("''"),
    st.just("[]"),
    st.just("{}"),
    st.just("[[1]]"),
    st.just("2026-01-01"),
    st.just("nan"),
    st.just("-1"),
    st.just("[{}]"),
    st.just('"command:"'),
    st.just("true"),
    st.just("'file:\\u0000'"),
)


@given(st.integers(0, len(TEXT.splitlines()) - 1), VALUES)
@example(3, "1")
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_anywhere_loads_or_is_refused(
    tmp_path: Path, row: int, value: str
) -> None:
    lines = TEXT.splitlines()
    key, equals, _ = lines[row].partition("=")
    lines[row] = f"{key}= {value}" if equals else lines[row]
    message = refusal_or_none(tmp_path, "\n".join(lines))
    assert message is None or "config.toml" in message


def refusal_or_none(folder: Path, text: str) -> str | None:
    try:
        load(folder, text)
    except ConfigError as error:
        return error.message
    return None


@pytest.mark.parametrize("key", ["delay_scale = 0.1", "longest_delay_seconds = 30"])
def test_declared_delays_are_shortened_in_a_sandbox_only(
    tmp_path: Path, key: str
) -> None:
    short = changed("[api]", f"[resolve]\n{key}\n[api]")
    assert load(tmp_path, short).resolve != load(tmp_path, TEXT).resolve
    live = short.replace('"sandbox"', '"live"').replace("env:STRIPE_WEBHOOK", "file:k")
    live = live.replace("http://127.0.0.1:9000/", "https://x.test")
    assert refusal(tmp_path, live).field == f"resolve.{key.partition(' ')[0]}"


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("burst = 5", "burst"),
        ("rate_per_second = 0", "rate_per_second"),
        ('rate_per_second = "5"', "rate_per_second"),
        ("fee_basis_points = -1", "fee_basis_points"),
    ],
)
def test_rates_and_fees_are_numbers_that_make_sense(
    tmp_path: Path, line: str, field: str
) -> None:
    text = changed('endpoint = "', f'{line}\nendpoint = "')
    assert refusal(tmp_path, text).field.endswith(field)
