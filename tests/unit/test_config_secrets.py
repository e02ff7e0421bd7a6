from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest

from refundwatch.config import SecretReference, resolve_secret, secrets
from refundwatch.config.secrets import LIMIT_BYTES
from refundwatch.errors import SecretUnavailable

CANARY = "canary-4242"


def reference(scheme: str, rest: str, base: Path = Path("/")) -> SecretReference:
    return SecretReference(scheme, rest, base)


def kept(folder: Path, content: bytes = CANARY.encode(), mode: int = 0o400) -> Path:
    path = folder / "secret"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def refusal(where: SecretReference, **environment: str) -> SecretUnavailable:
    with pytest.raises(SecretUnavailable) as caught:
        resolve_secret(where, environment)
    error = caught.value
    assert error.exit_code == 78
    told = [str(error), repr(error), repr(error.__cause__), repr(error.__context__)]
    assert CANARY not in "".join(told)
    return error


def test_file_is_read_from_the_folder_of_the_configuration(tmp_path: Path) -> None:
    kept(tmp_path, b"canary-4242\n")
    secret = resolve_secret(reference("file", "secret", tmp_path), {})
    assert secret.reveal() == CANARY
    assert secret.reveal_bytes() == b"canary-4242\n"


def test_secret_shows_nothing(tmp_path: Path) -> None:
    secret = resolve_secret(reference("env", "X"), {"X": CANARY})
    assert CANARY not in f"{secret} {secret!r} {[secret]}"


@pytest.mark.parametrize("mode", [0o440, 0o404, 0o420, 0o410, 0o666])
def test_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    error = refusal(reference("file", str(kept(tmp_path, mode=mode))))
    assert "0400" in error.message


def test_file_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = kept(tmp_path)
    if os.geteuid() == 0:
        os.chown(path, 12_345, -1)
    else:
        monkeypatch.setattr("os.geteuid", lambda: 12_345)
    assert "another user" in refusal(reference("file", str(path))).message


def test_pipe_in_the_place_of_a_file_does_not_hold_the_start(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o400)
    error = refusal(reference("file", "pipe", tmp_path))
    assert "not a regular file" in error.message


def test_absent_file_is_named(tmp_path: Path) -> None:
    error = refusal(reference("file", "nothing", tmp_path))
    assert "file:nothing" in error.message
    assert "No such file" in error.message


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"\xff\xfe", "UTF-8"),
        (CANARY.encode() + b"\xff", "UTF-8"),
        (b"x" * (LIMIT_BYTES + 1), "larger"),
    ],
    ids=["empty", "blank", "not text", "half text", "too large"],
)
def test_file_without_a_usable_text_is_refused(
    tmp_path: Path, content: bytes, word: str
) -> None:
    assert word in refusal(reference("file", str(kept(tmp_path, content)))).message


def test_credential_comes_from_the_service_managers_folder(tmp_path: Path) -> None:
    kept(tmp_path, mode=0o440)
    where = reference("credential", "secret")
    found = resolve_secret(where, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert found.reveal() == CANARY


def test_credential_without_a_service_manager_is_refused() -> None:
    error = refusal(reference("credential", "secret"))
    assert "$CREDENTIALS_DIRECTORY" in error.message


@pytest.mark.parametrize("name", ["../secret", "a/b", ".hidden", "", "a\0b"])
def test_credential_never_leaves_its_folder(tmp_path: Path, name: str) -> None:
    inner = tmp_path / "credentials"
    inner.mkdir()
    kept(tmp_path)
    where = reference("credential", name)
    error = refusal(where, CREDENTIALS_DIRECTORY=str(inner))
    assert "plain name" in error.message


def python(program: str) -> str:
    return shlex.join([sys.executable, "-c", program])


def test_commands_words_are_its_own_and_no_shell_reads_them() -> None:
    program = "import sys; print(sys.argv[1:])"
    where = reference("command", python(program) + " 'a b' '$HOME' ';' '*'")
    assert resolve_secret(where).reveal() == "['a b', '$HOME', ';', '*']"


def test_command_with_a_path_starts_from_the_configuration(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "fetch"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho {CANARY}\n")
    program.chmod(0o755)
    where = reference("command", "bin/fetch", tmp_path)
    assert resolve_secret(where).reveal() == CANARY


def test_failing_command_is_refused_without_its_words() -> None:
    say = f"import sys; print('{CANARY}'); print('{CANARY}', file=sys.stderr)"
    where = reference("command", python(f"{say}; sys.exit(3)"))
    assert "ended with 3" in refusal(where).message


def test_endless_command_is_ended_without_its_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(secrets, "COMMAND_SECONDS", 0.5)
    say = f"import time; print('{CANARY}', flush=True); time.sleep(60)"
    assert "no end within" in refusal(reference("command", python(say))).message


@pytest.mark.parametrize("words", ["", "   ", "'open", "/nothing/here", "\0"])
def test_command_that_cannot_start_is_refused(words: str) -> None:
    refusal(reference("command", words))


def test_variable_that_is_not_set_is_refused() -> None:
    assert "not set" in refusal(reference("env", "NOTHING_HERE")).message


def test_arguments_of_a_command_are_never_shown() -> None:
    where = reference("command", f"vault read --token {CANARY}")
    assert str(where) == "command:vault …"
    assert CANARY not in repr(where)


def test_file_reference_is_shown_whole() -> None:
    assert str(reference("file", "my keys/stripe")) == "file:my keys/stripe"
