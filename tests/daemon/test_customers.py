"""Customers are masked, shown whole on the record, and erased for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from refundwatch.domain.audit import Verified, verify_log
from tests.daemon.living import refund_body

if TYPE_CHECKING:
    from tests.daemon.living import Answered, Living

JANE = {
    "name": "Jane Doe",
    "email": "jane@example.com",
    "account": "C-77",
    "last_four": "4242",
}
MASKED = {
    "masked": True,
    "name": "J*** D***",
    "email": "j***@e***",
    "account": "***",
    "last_four": "***",
    "erased_at": None,
}


async def erased(daemon: Living, by: str = "admin", **whom: Any) -> Answered:
    return await daemon.call("POST", "/v1/customers/erase", whom, by=by)


async def finished(daemon: Living, refund: dict[str, Any]) -> None:
    answer = await daemon.decide(
        refund, "refuse", by="approver", reason_text="no, Jane"
    )
    assert answer.status == 200, answer


async def test_customer_is_masked_with_the_payment_and_absent_from_lists(
    daemon: Living,
) -> None:
    payment = await daemon.payment(customer=JANE)
    shown = await daemon.call("GET", f"/v1/payments/{payment}", by="viewer")
    assert shown.body["customer"] == MASKED
    refund = await daemon.refund(payment=payment)
    detail = await daemon.call("GET", f"/v1/refunds/{refund['id']}", by="viewer")
    assert detail.body["payment"]["customer"] == MASKED
    for path in ("/v1/payments", "/v1/payments?customer_email=jane@example.com"):
        listed = await daemon.call("GET", path)
        assert [it["customer"] for it in listed.body["items"]] == [None]


async def test_unmasking_needs_a_person_with_the_permission_and_is_audited_each_time(
    daemon: Living,
) -> None:
    payment = await daemon.payment(customer=JANE)
    path, body = f"/v1/payments/{payment}/unmask", {"reason_code": "customer_called"}
    for by in ("viewer", "requester", "admin", "machine"):
        assert (await daemon.call("POST", path, body, by=by)).status == 403, by
    assert "customer:unmasked" not in daemon.kinds()
    for by in ("operator", "approver", "operator"):
        shown = await daemon.call("POST", path, body, by=by)
        assert shown.body == {**JANE, "masked": False, "erased_at": None}
    rows = [it for it in await daemon.audit() if it["kind"] == "customer:unmasked"]
    assert [it["actor"] for it in rows] == ["person:ola", "person:ann", "person:ola"]
    assert rows[0]["data"] == {"payment_id": payment, "reason": "customer_called"}


async def test_unmasking_what_is_not_there_is_said(daemon: Living) -> None:
    body = {"reason_code": "customer_called"}
    answer = await daemon.call("POST", "/v1/payments/pay_x/unmask", body)
    assert (answer.status, answer.code) == (404, "payment.unknown")


async def test_erasing_empties_fields_texts_and_salts_and_the_log_stays_whole(
    daemon: Living,
) -> None:
    payment = await daemon.payment(customer=JANE)
    other = await daemon.payment(customer={**JANE, "email": "joe@example.com"})
    refund = await daemon.refund(payment=payment, reason_text="Jane sent it back")
    await finished(daemon, refund)
    counted = await erased(daemon, email="JANE@example.com ", dry_run=True)
    assert (counted.body["payments"], counted.body["fields"]) == (1, 4)
    assert daemon.query("SELECT count(*) FROM payment WHERE erased_at > 0") == [(0,)]
    done = await erased(daemon, email="JANE@example.com ")
    assert {k: done.body[k] for k in ("payments", "fields", "texts")} == {
        "payments": 1,
        "fields": 4,
        "texts": 2,
    }
    assert {it["what"] for it in done.body["kept"]} >= {"the audit log", "decisions"}
    left = daemon.query(
        "SELECT customer_name, customer_email, customer_account, customer_last_four,"
        " customer_name_index, customer_email_index, customer_account_index"
        " FROM payment WHERE id = ?",
        payment,
    )
    assert left == [(None,) * 7]
    assert daemon.query("SELECT reason_text FROM refund") == [(None,)]
    shown = await daemon.call("GET", f"/v1/payments/{payment}")
    assert shown.body["customer"]["name"] is None
    assert shown.body["customer"]["erased_at"] is not None
    stays = await daemon.call("GET", f"/v1/payments/{other}")
    assert stays.body["customer"] == {**MASKED, "email": "j***@e***"}
    rows = daemon.query("SELECT seq, entry, leaf_hash FROM audit_entry ORDER BY seq")
    assert isinstance(verify_log(iter(rows)), Verified)
    entry = [it for it in await daemon.audit() if it["kind"] == "customer:erased"]
    assert entry[0]["actor"] == "person:root"
    assert entry[0]["data"]["payment_ids"] == [payment]
    assert "jane" not in str(entry).lower()


async def test_erasing_twice_is_erasing_once(daemon: Living) -> None:
    await daemon.payment(customer=JANE)
    await erased(daemon, account="C-77")
    before = daemon.state()
    again = await erased(daemon, account="C-77")
    assert (again.status, again.body["payments"]) == (200, 0)
    assert again.body["kept"] == []
    assert daemon.state() == before


async def test_customer_with_a_refund_under_way_is_not_erased(daemon: Living) -> None:
    payment = await daemon.payment(customer=JANE)
    refund = await daemon.refund(payment=payment)
    before = daemon.state()
    for dry_run in (True, False):
        answer = await erased(daemon, name="jane doe", dry_run=dry_run)
        assert (answer.status, answer.code) == (409, "customer.refunds_under_way")
        assert refund["id"] in answer.body["detail"]
    assert daemon.state() == before
    await finished(daemon, refund)
    assert (await erased(daemon, name="jane doe")).body["payments"] == 1


async def test_all_values_that_are_given_must_fit(daemon: Living) -> None:
    await daemon.payment(customer=JANE)
    answer = await erased(daemon, name="Jane Doe", email="other@example.com")
    assert answer.body["payments"] == 0
    assert (await erased(daemon)).code == "value.text_invalid"
    assert (await erased(daemon, email="  ")).code == "value.text_invalid"


async def test_many_payments_are_erased_in_one_call(daemon: Living) -> None:
    rows = [
        {
            "account": "stripe-uk",
            "gateway_reference": f"pi_m{number}",
            "captured_minor": 100,
            "currency": "GBP",
            "customer": {"email": "many@example.com"},
        }
        for number in range(250)
    ]
    await daemon.call("POST", "/v1/payments/bulk", {"payments": rows})
    answer = await erased(daemon, email="many@example.com")
    assert (answer.body["payments"], answer.body["fields"]) == (250, 250)
    kinds = daemon.kinds()
    assert kinds.count("customer:erased") == 3


async def test_only_an_admin_erases(daemon: Living) -> None:
    await daemon.payment(customer=JANE)
    for by in ("viewer", "operator", "approver", "machine"):
        assert (await erased(daemon, by, account="C-77")).status == 403, by
    assert (await erased(daemon, account="C-77")).body["payments"] == 1


async def test_request_that_is_repeated_after_an_erasure_is_the_same_request(
    daemon: Living,
) -> None:
    payment = await daemon.payment(customer=JANE)
    refund = await daemon.refund(payment=payment, reason_text="Jane sent it back")
    await finished(daemon, refund)
    await erased(daemon, account="C-77")
    body = refund_body(payment, reason_text="Jane sent it back")
    again = await daemon.call("POST", "/v1/refunds", body, by="requester")
    assert (again.status, again.body["created"]) == (200, False)
    other = refund_body(payment, 5, reason_text="Jane sent it back")
    answer = await daemon.call("POST", "/v1/refunds", other, by="requester")
    assert answer.code == "refund.request_conflict"
