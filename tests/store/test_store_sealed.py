"""Every column that could hold something private is sealed, or somebody said why not.

A new column of text or bytes fails here until it stands in `sealed_columns.SEALED`, or
in the list below under the reason why it may stand open.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

from refundwatch.store.sqlite.migrations import migrate
from refundwatch.store.sqlite.sealed_columns import SEALED

OPEN = {
    "our own words: ids, names from the configuration, states, codes, digests": """
        account.name account.gateway account.timezone alarm.kind alarm.severity
        alarm.subject alarm.detail attempt.refund_id attempt.connection
        attempt.body_sha256 attempt.outcome attempt.reason attempt.response_sha256
        attempt.route audit_entry.kind audit_entry.refund_id calendar_job.name
        circuit.connection circuit.part circuit.reason connection.id
        connection.account connection.name connection.endpoint connection.paused
        connection.last_failure data_key.kek_id data_key.state day_count.account
        decision.refund_id decision.kind decision.resolution decision.reason_code
        decision.statement_sha256 decision.policy_version delivery.account
        delivery.kind delivery.state delivery.reason delivery.refund_id
        delivery_body.account delivery_body.body_sha256 external_refund.account
        external_refund.payment_id gateway_call.connection gateway_call.refund_id
        gateway_call.operation gateway_call.outcome gateway_call.error
        gateway_call.version_asked gateway_call.response_sha256 house.instance
        house.mode house.config_digest house.version ignored_count.kind
        ignored_count.reason invoice.currency key_check.kek_id key_rotation.cause
        key_rotation.behind key_rotation.destroyed machine_day.day
        machine_day.currency note.subject note.kind outage.connection outage.cause
        payment.id payment.account payment.currency payment.frozen payment.knowledge
        payment_invoice.payment_id refund.id refund.request_fingerprint
        refund.account refund.payment_id refund.currency refund.reason_code
        refund.merchant_reference refund.idempotency_key refund.policy_version
        refund.state refund.booking refund.hold_reason refund.connection
        refund.review_reason refund_generation.refund_id
        refund_generation.merchant_reference refund_generation.idempotency_key
        state_count.account state_count.connection state_count.state
        stored_request.refund_id stored_request.operation stored_request.method
        stored_request.body_sha256 tally.grain tally.subject tally.currency
        tally.measure tally.code token.token_id token.roles token.scopes_and_limits
        token.replaces token_use.token_id version_notice.connection
        version_notice.operation version_notice.effect version_run.connection
        version_run.operation version_run.asked webhook_rhythm.account
        webhook_rhythm.silent webhook_rhythm.learned
        audit_origin.origin audit_key.verifier audit_recovery.accepts
        audit_recovery.reason decision.nonce decision.signature_sha256
        enrolment.nonce enrolment.sha256 enrolment_head.sha256
        enrolment_signature.sha256 session.session_id signed_order.act
        signed_order.nonce signed_order.signature_sha256
        signed_order.statement_sha256 signed_order.subject
    """,
    "a person's or machine's principal: who acted has to stay readable": """
        alarm.acknowledged_by audit_entry.actor circuit.actor decision.actor
        key_rotation.started_by machine_day.principal note.actor payment.created_by
        refund.created_by token.principal token.created_by
        audit_recovery.principal enrolment_signature.person session.person
        signed_order.actor
    """,
    "references of callers and gateways: looked for, and no card number": """
        delivery.dedupe_id delivery.merchant_reference delivery.gateway_reference
        delivery.payment_reference external_refund.gateway_reference invoice.number
        payment.gateway_reference payment.order_reference payment_invoice.invoice
        refund.request_id refund.payment_reference refund.invoice
        refund.gateway_reference
    """,
    "a gateway's own words about a refund or itself, card numbers masked": """
        delivery.type delivery.item gateway_call.version_answered outage.sample
        refund.refused_code refund.last_status version_notice.version_before
        version_notice.version version_notice.unseen_status
        version_notice.first_sample version_notice.failing_sample
        version_run.version
    """,
    "a blind index: equality and nothing else": """
        payment.customer_name_index payment.customer_email_index
        payment.customer_account_index
    """,
    "a public key, a signature, or what was signed about access: proof": """
        decision.key enrolment.statement enrolment_signature.key
        enrolment_signature.signature session.key signed_order.key
        signed_order.statement signed_order.signature
    """,
    "a keyed hash that only the daemon can make": """
        payment.proof refund.proof refund.origin_proof
        enrolment_head.proof session.proof token.proof
    """,
    "the log: salted commitments stand for free text": """
        audit_entry.entry audit_entry.leaf_hash
        audit_node.digest audit_checkpoint.root audit_checkpoint.note
        audit_checkpoint.sshsig
    """,
    "wrapped or sealed under a key that the database does not hold, or a hash of 256"
    " random bits": """
        data_key.wrapped key_check.sealed token.secret_sha256
        session.secret_sha256
    """,
}


def columns() -> set[str]:
    found = set()
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as memory:
        migrate(memory)
        tables = memory.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' "
            "AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        for (table,) in tables:
            for row in memory.execute(f"PRAGMA table_info({table})"):
                if row[2] in {"TEXT", "BLOB"}:
                    found.add(f"{table}.{row[1]}")
    return found


def test_every_column_is_sealed_or_somebody_said_why_not() -> None:
    said = {name for names in OPEN.values() for name in names.split()}
    sealed = {f"{it.name}.{column}" for it in SEALED for column in it.columns}
    assert columns() - sealed - said == set(), "seal it, or say above why not"
    assert said - columns() == set(), "no longer there"
    assert not said & sealed


def test_what_the_facts_name_is_sealed() -> None:
    sealed = {f"{it.name}.{column}" for it in SEALED for column in it.columns}
    assert sealed >= {
        "payment.customer_email",
        "payment.customer_name",
        "payment.customer_account",
        "payment.customer_last_four",
        "refund.reason_text",
        "delivery_body.body",
        "stored_request.body",
        "stored_request.target",
        "stored_request.headers",
        "note.text",
        "decision.reason_text",
        "decision.statement",
    }
