"""The demo's people: enrolled by two roots, logged in by key, and signing."""

from __future__ import annotations

import asyncio
import subprocess
from typing import TYPE_CHECKING

from refundwatch.api.signing import Agent
from refundwatch.demo.agent import running_agent
from refundwatch.demo.folder import ROOT_FILE, Folder, Ports
from refundwatch.demo.keys import cut_keys, root_file
from refundwatch.demo.people import enrol
from refundwatch.demo.traffic import Approvers, Tally
from refundwatch.security.sshsig import (
    armor,
    parse_public_key,
    signed_bytes,
    verify,
)
from tests.daemon.furnishing import config_text
from tests.daemon.living import living, refund_body

if TYPE_CHECKING:
    from pathlib import Path


async def test_approvers_of_the_demo_sign_what_they_read(tmp_path: Path) -> None:
    keys = cut_keys()
    roots = tmp_path / ROOT_FILE
    roots.touch(mode=0o644)
    roots.write_text(root_file(keys))
    text = config_text() + f'\n[operators]\nroots = "{ROOT_FILE}"\n'
    async with living(tmp_path, text=text, people=False) as daemon:
        (tmp_path / "demo").mkdir()
        folder = Folder(tmp_path / "demo", Ports(0, 0, 0, {}, {}))
        (folder.path / "daemon.sock").symlink_to(daemon.config.api.socket)
        crew = await enrol(folder, keys)
        assert folder.token_file.read_text() == crew.you
        me = await daemon.call("GET", "/v1/me", token=crew.you)
        assert (me.body["principal"], me.body["signs"]) == ("person:you", True)

        daemon.secrets["operator"] = daemon.secrets["requester"] = crew.returns
        payment = await daemon.payment()
        body = refund_body(payment, 60_000)
        made = await daemon.call("POST", "/v1/refunds", body, token=crew.returns)
        assert made.body["refund"]["required_approvals"] == 2
        tally, stop = Tally(), asyncio.Event()
        stop.set()
        approvers = Approvers(folder.server, crew, 1, tally, refusing=0.0)
        await approvers.run(stop, 0.1, 0, to_end=True)
        assert (tally.approved, tally.wrong_answers) == (1, [])
        path = f"/v1/refunds/{made.body['refund']['id']}"
        shown = await daemon.call("GET", path, token=crew.you)
        decided = {it["actor"]: it for it in shown.body["decisions"]}
        assert decided.keys() == {"person:ann", "person:ben"}
        for actor, it in decided.items():
            key = parse_public_key(keys[actor.removeprefix("person:")].line)
            space = "refundwatch-decision@hub.test"
            verify(it["statement"].encode(), it["signature"], namespace=space, key=key)


async def test_agent_of_the_demo_is_one_to_clients_and_to_openssh(
    tmp_path: Path,
) -> None:
    signer = cut_keys()["you"]
    key = parse_public_key(signer.line)
    path = tmp_path / "agent.sock"
    async with running_agent(path, signer):
        agent = Agent(str(path))
        assert [it.key.blob for it in await agent.keys()] == [key.blob]
        data = signed_bytes(b"message", "file@example", "sha512")
        field = await agent.sign(key, data)
        made = armor(key, "file@example", "sha512", field)
        verify(b"message", made, namespace="file@example", key=key)
        listed = await asyncio.to_thread(
            subprocess.run,
            ["ssh-add", "-l"],
            env={"SSH_AUTH_SOCK": str(path), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
        assert key.fingerprint in listed.stdout
