"""The three ways to sign, by a real ssh-agent and the system's ssh-keygen."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from refundwatch.api.signing import (
    Agent,
    AgentKey,
    AgentSigner,
    KeygenSigner,
    PasteSigner,
    Wanted,
    agent_socket,
    choose_key,
    open_signer,
    paste_command,
    read_wanted,
)
from refundwatch.errors import (
    ConfigError,
    KeyNotHeld,
    SignerUnavailable,
    SigningRefused,
)
from refundwatch.security.sshsig import (
    Demands,
    parse_public_key,
    public_key_of,
    sign,
    verify,
)
from refundwatch.security.sshsig.wire import string, uint32
from tests.ssh_agents import KINDS, load_key, lying_agent, make_key, running_agent
from tests.unit.security.sshsig_making import DECISION, PRIVATE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from refundwatch.security.sshsig import PublicKey

MESSAGE = '{"decision":"approve","reason":"l\'été"}'.encode()
KEY = public_key_of(PRIVATE)
LOCKED = string(b"\x05")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("keys")
    return [make_key(folder, kind, bits) for kind, bits in KINDS]


@pytest.fixture(scope="module")
def socket(keys: list[Path]) -> Iterator[str]:
    with running_agent() as path:
        for key in keys:
            load_key(path, key)
        yield path


def public(path: Path) -> PublicKey:
    return parse_public_key(path.with_suffix(".pub").read_text("utf-8"))


def holds(armored: str, key: PublicKey) -> bool:
    signed = verify(
        MESSAGE, armored, namespace=DECISION, key=key, demands=Demands(rsa=True)
    )
    return signed.key == key


# --- the agent --------------------------------------------------------------------


async def test_agent_lists_what_it_holds(socket: str, keys: list[Path]) -> None:
    held = await Agent(socket).keys()
    assert [one.key for one in held] == [public(path) for path in keys]
    assert [one.comment for one in held] == [path.name for path in keys]


@pytest.mark.parametrize("place", range(len(KINDS)))
async def test_agent_signs_with_every_kind(
    socket: str, keys: list[Path], place: int, tmp_path: Path
) -> None:
    key = public(keys[place])
    armored = await AgentSigner(Agent(socket), key).sign(MESSAGE, DECISION)
    assert holds(armored, key)
    assert ssh_keygen_agrees(armored, tmp_path)


def ssh_keygen_agrees(armored: str, folder: Path) -> bool:
    (folder / "sig").write_text(armored)
    arguments = ("-Y", "check-novalidate", "-n", DECISION, "-s", folder / "sig")
    ended = subprocess.run(
        ["ssh-keygen", *arguments],
        input=MESSAGE,
        capture_output=True,
        check=False,
        timeout=20,
    )
    return ended.returncode == 0


async def test_key_that_left_the_agent_is_named(socket: str) -> None:
    with pytest.raises(KeyNotHeld, match="does not hold SHA256:4fvAt77aIg"):
        await AgentSigner(Agent(socket), KEY).sign(MESSAGE, DECISION)


async def test_no_agent_at_the_socket_is_said(tmp_path: Path) -> None:
    with pytest.raises(SignerUnavailable, match="No such file"):
        await Agent(str(tmp_path / "none")).keys()
    (tmp_path / "file").write_text("")
    with pytest.raises(SignerUnavailable, match="refused"):
        await Agent(str(tmp_path / "file")).keys()


async def test_silent_agent_is_given_up() -> None:
    async with lying_agent(lambda _: None) as path:
        with pytest.raises(SigningRefused, match=r"0\.05 seconds"):
            await Agent(path, timeout_seconds=0.05).keys()


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (LOCKED, "refused"),
        (b"", "hung up"),
        (b"\0\0\0\x09\x0e", "hung up"),
        (b"\0\0\0\0", "language"),
        (b"\0\4\0\1\x0e", "language"),
        (b"SSH-2.0-OpenSSH\r\n", "language"),
        (string(b"\x0e"), "language"),
        (string(b"\x0e\0\0\0\x09x"), "language"),
        (string(b"\x0e" + string(b"not a signature")), "no SSH signature"),
    ],
)
async def test_answer_that_is_no_signature_is_refused(
    answer: bytes, sentence: str
) -> None:
    keys = string(b"\x0c" + uint32(1) + string(KEY.blob) + string(b"mine"))

    def told(question: bytes) -> bytes:
        return keys if question == b"\x0b" else answer

    async with lying_agent(told) as path:
        with pytest.raises(SigningRefused, match=sentence):
            await AgentSigner(Agent(path), KEY).sign(MESSAGE, DECISION)


async def test_agent_that_signs_something_else_is_caught() -> None:
    made = PRIVATE.sign(b"something else")
    field = string(b"ssh-ed25519") + string(made)
    async with lying_agent(lambda _: string(b"\x0e" + string(field))) as path:
        with pytest.raises(SigningRefused, match="another message"):
            await AgentSigner(Agent(path), KEY).sign(MESSAGE, DECISION)


async def test_certificates_and_strange_keys_are_left_out_of_the_list() -> None:
    strange = string(b"ssh-ed25519-cert-v01@openssh.com") + bytes(60)
    blobs = (strange, b"", KEY.blob)
    listed = b"".join(string(blob) + string(b"\xff") for blob in blobs)
    async with lying_agent(lambda _: string(b"\x0c" + uint32(3) + listed)) as path:
        assert await Agent(path).keys() == (AgentKey(KEY, "\ufffd"),)


async def test_list_that_ends_too_early_is_refused() -> None:
    async with lying_agent(lambda _: string(b"\x0c" + uint32(2**32 - 1))) as path:
        with pytest.raises(SigningRefused, match="language"):
            await Agent(path).keys()


def test_environment_says_where_the_agent_is() -> None:
    assert agent_socket({"SSH_AUTH_SOCK": "/run/agent"}) == "/run/agent"
    with pytest.raises(SignerUnavailable, match="SSH_AUTH_SOCK is not set"):
        agent_socket({})


# --- which key --------------------------------------------------------------------


async def test_named_key_is_chosen(socket: str, keys: list[Path]) -> None:
    held = await Agent(socket).keys()
    for path in keys:
        for name in (str(path), f"{path}.pub", public(path).fingerprint):
            assert choose_key(held, read_wanted(name)).key == public(path)


async def test_nobody_guesses_among_several(socket: str) -> None:
    held = await Agent(socket).keys()
    with pytest.raises(KeyNotHeld, match="holds 4 keys: name the one") as caught:
        choose_key(held, None)
    assert f"{held[1].key.fingerprint} ecdsa256" in caught.value.message
    assert choose_key(held[:1], None) == held[0]
    with pytest.raises(KeyNotHeld, match="holds no key"):
        choose_key((), None)
    with pytest.raises(KeyNotHeld, match="It holds none"):
        choose_key((), Wanted(KEY.fingerprint))


def test_name_that_is_no_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_wanted(str(tmp_path / "id_ed25519"))
    (tmp_path / "id.pub").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    with pytest.raises(ConfigError, match="not one line"):
        read_wanted(str(tmp_path / "id.pub"))


def test_private_half_is_never_opened(tmp_path: Path) -> None:
    path = make_key(tmp_path)
    path.unlink()
    assert read_wanted(str(path)).key == public(path)


def test_key_of_the_home_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = make_key(tmp_path)
    assert read_wanted(f"~/{path.name}.pub").fingerprint == public(path).fingerprint


# --- ssh-keygen -------------------------------------------------------------------


@pytest.mark.parametrize("place", [0, 1, 3])
async def test_ssh_keygen_signs(keys: list[Path], place: int) -> None:
    signer = KeygenSigner(read_wanted(str(keys[place])))
    assert holds(await signer.sign(MESSAGE, DECISION), public(keys[place]))


async def test_ssh_keygen_asks_the_agent_for_a_key_of_which_only_the_pub_is_here(
    socket: str, keys: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", socket)
    path = tmp_path / "id.pub"
    path.write_text(public(keys[0]).line + "\n")
    signer = KeygenSigner(read_wanted(str(path)))
    assert holds(await signer.sign(MESSAGE, DECISION), public(keys[0]))


async def test_ssh_keygen_that_fails_or_is_missing_is_said(
    keys: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    path = tmp_path / "id.pub"
    path.write_text(KEY.line)
    with pytest.raises(SigningRefused, match="it ended with 255"):
        await KeygenSigner(read_wanted(str(path))).sign(MESSAGE, DECISION)
    with pytest.raises(KeyNotHeld, match="needs the path"):
        KeygenSigner(Wanted(KEY.fingerprint))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SignerUnavailable, match="cannot be started"):
        await KeygenSigner(read_wanted(str(keys[0]))).sign(MESSAGE, DECISION)


async def test_ssh_keygen_that_never_ends_is_killed(
    keys: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "ssh-keygen"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    signer = KeygenSigner(read_wanted(str(keys[0])), timeout_seconds=0.1)
    with pytest.raises(SigningRefused, match="within"):
        await signer.sign(MESSAGE, DECISION)


# --- paste ------------------------------------------------------------------------


def in_a_shell(command: str) -> str:
    ended = subprocess.run(
        ["sh", "-c", command], capture_output=True, check=True, timeout=20
    )
    return ended.stdout.decode("ascii")


@pytest.mark.parametrize(
    "message", [MESSAGE, b'{"a":"it\'s $HOME \\"%s\\""}', b"\x1b[2J", b"plain\n"]
)
async def test_command_that_is_shown_signs_exactly_the_message(
    keys: list[Path], message: bytes
) -> None:
    asked = []

    async def ask(shown: bytes, command: str) -> str:
        asked.append(shown)
        assert command.isprintable()
        return in_a_shell(command)

    key = public(keys[0])
    signer = PasteSigner(key.fingerprint, ask, str(keys[0]))
    armored = await signer.sign(message, DECISION)
    assert asked == [message]
    assert verify(message, armored, namespace=DECISION, key=key)


def mangled(armored: str) -> list[str]:
    lines = armored.splitlines()
    return [
        armored,
        armored.replace("\n", "\r\n"),
        "  " + "\n  ".join(lines),
        "$ ssh-keygen …\n\n" + "\n\n".join(lines) + "\n\n$ ",
        armored.rstrip(),
    ]


async def test_what_terminals_do_to_a_paste_is_undone() -> None:
    good = sign(PRIVATE, MESSAGE, DECISION)
    for text in mangled(good):
        assert await pasted(text) == good


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no whole signature"),
        (sign(PRIVATE, MESSAGE, DECISION)[:-5], "no whole signature"),
        (sign(PRIVATE, MESSAGE + b"\n", DECISION), "another message"),
        (sign(PRIVATE, MESSAGE, DECISION + "x"), "another namespace"),
        (sign(PRIVATE, MESSAGE, DECISION).replace("U1NI", "U1NJ"), "no SSH signature"),
    ],
    ids=["nothing", "cut", "newline", "namespace", "damaged"],
)
async def test_paste_of_something_else_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(SigningRefused, match=sentence):
        await pasted(text)


async def test_paste_by_another_key_is_refused() -> None:
    text = sign(PRIVATE, MESSAGE, DECISION)
    with pytest.raises(SigningRefused, match="another key: SHA256:4fvAt77aIg"):
        await pasted(text, "SHA256:other")


async def pasted(text: str, fingerprint: str = KEY.fingerprint) -> str:
    async def ask(_: bytes, __: str) -> str:
        return text

    return await PasteSigner(fingerprint, ask).sign(MESSAGE, DECISION)


def test_command_names_the_usual_key_for_the_shell_to_find() -> None:
    command = paste_command(b"{}", DECISION)
    assert command == (
        f"printf %s '{{}}' | ssh-keygen -Y sign -f ~/.ssh/id_ed25519 -n {DECISION}"
    )


# --- the way that was chosen ------------------------------------------------------


async def never(_: bytes, __: str) -> str:
    raise AssertionError("nothing is pasted here")


async def test_settings_choose_the_way_and_the_key(
    socket: str, keys: list[Path]
) -> None:
    env = {"SSH_AUTH_SOCK": socket}
    for way in ("agent", "keygen", "paste"):
        signer = await open_signer(way, f"{keys[1]}.pub", env, never)
        assert signer.fingerprint == public(keys[1]).fingerprint
    signer = await open_signer("agent", public(keys[2]).fingerprint, env, never)
    assert holds(await signer.sign(MESSAGE, DECISION), public(keys[2]))


async def test_settings_without_a_key_are_enough_for_an_agent_with_one(
    keys: list[Path],
) -> None:
    with running_agent() as path:
        load_key(path, keys[0])
        signer = await open_signer("agent", None, {"SSH_AUTH_SOCK": path}, never)
        assert signer.fingerprint == public(keys[0]).fingerprint
    for way in ("keygen", "paste"):
        with pytest.raises(ConfigError, match="Name the key"):
            await open_signer(way, None, {}, never)
    with pytest.raises(ConfigError, match="no way to sign"):
        await open_signer("fax", None, {}, never)


async def test_paste_shows_the_command_with_the_path_of_the_key(
    keys: list[Path],
) -> None:
    async def ask(_: bytes, command: str) -> str:
        assert str(keys[0]) in command
        return in_a_shell(command)

    signer = await open_signer("paste", f"{keys[0]}.pub", {}, ask)
    assert holds(await signer.sign(MESSAGE, DECISION), public(keys[0]))
