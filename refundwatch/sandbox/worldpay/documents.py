"""The documents that merchants send, read and held to the DTD's rules for them.

Invariant: what comes out has the elements and attributes that the DTD demands; a
document that declares anything of its own is refused.
Source: paymentService DTD 1.4.2; gateways/worldpay.md section 1 (read 2026-11).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from refundwatch.sandbox.worldpay.refusals import Refusal

INQUIRIES = frozenset({"orderInquiry", "refundableAmountInquiry"})
_VERSIONS = frozenset({"1.4", "1.3", "1.2", "1.1", "1.0"})
_MODIFICATIONS = frozenset({"refund", "cancel", "cancelOrRefund"})
_REFUND_ATTRIBUTES = frozenset(
    {
        "reference",
        "paymentId",
        "immediate",
        "shopperWebformRefund",
        "fastRefund",
        "allowAutoFastSlowRouting",
        "routeFailedFastToSlow",
        "merchantCode",
    }
)
_AMOUNT_ATTRIBUTES = frozenset(
    {"value", "currencyCode", "exponent", "debitCreditIndicator"}
)
_EXPONENTS = frozenset({"0", "2", "3"})
_VALUE = re.compile(r"[0-9]{1,12}")
_CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(slots=True)
class Node:
    """Hold one element."""

    tag: str
    attributes: Mapping[str, str]
    children: list["Node"] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Hold what a document asks for; ``value`` counts units of ``exponent``."""

    merchant: str
    what: str
    order_code: str
    reference: str = ""
    value: int = 0
    currency: str = ""
    exponent: int = 2


class _Tree:
    def __init__(self) -> None:
        self.root: Node | None = None
        self._open: list[Node] = []

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        node = Node(tag, dict(attributes))
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node
        self._open.append(node)

    def end(self, _tag: str) -> None:
        self._open.pop()


def read_document(body: bytes) -> Node:
    """Read a document.

    Raises: Refusal 2.
    """
    tree = _Tree()
    named: list[str] = []

    def doctype(
        _name: str, _system: str | None, _public: str | None, has_subset: object
    ) -> None:
        named.append("subset" if has_subset else "plain")

    parser = expat.ParserCreate()
    parser.StartElementHandler = tree.start
    parser.EndElementHandler = tree.end
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(body, True)  # noqa: FBT003 - expat's own signature
    except expat.ExpatError as broken:
        raise invalid("The document is not well formed") from broken
    if named != ["plain"] or tree.root is None:
        raise invalid("The document must name the DTD and declare nothing")
    return tree.root


def read_order(body: bytes) -> Order:
    """Read what a document asks for.

    Raises: Refusal 2, as a document that the DTD does not allow.
    """
    root = read_document(body)
    merchant = root.attributes.get("merchantCode", "")
    if root.tag != "paymentService" or root.attributes.get("version") not in _VERSIONS:
        raise invalid("The root must be paymentService with its version")
    way = _only(root)
    if way.tag == "inquiry":
        asked = _only(way)
        if asked.tag not in INQUIRIES:
            raise invalid(f"{asked.tag} is no inquiry")
        return Order(merchant=merchant, what=asked.tag, order_code=_order_code(asked))
    if way.tag != "modify":
        raise invalid(f"{way.tag} is neither modify nor inquiry")
    modification = _only(way)
    wanted = _only(modification)
    if modification.tag != "orderModification" or wanted.tag not in _MODIFICATIONS:
        raise invalid(f"{wanted.tag} is no modification that is known here")
    order = Order(
        merchant=merchant,
        what=wanted.tag,
        order_code=_order_code(modification),
        reference=wanted.attributes.get("reference", ""),
    )
    return order if wanted.tag != "refund" else _refund(order, wanted)


def _refund(order: Order, refund: Node) -> Order:
    unknown = sorted(set(refund.attributes) - _REFUND_ATTRIBUTES)
    if unknown:
        raise invalid(f"Attribute {unknown[0]} must be declared for refund")
    if not refund.children or refund.children[0].tag != "amount":
        raise invalid("The content of refund must begin with amount")
    stated = refund.children[0].attributes
    value = stated.get("value", "")
    currency = stated.get("currencyCode", "")
    if set(stated) - _AMOUNT_ATTRIBUTES or stated.get("exponent") not in _EXPONENTS:
        raise invalid("amount needs value, currencyCode and exponent")
    if stated.get("debitCreditIndicator", "credit") != "credit":
        raise Refusal("3", "Invalid amount", order.order_code)
    if not _VALUE.fullmatch(value) or not int(value):
        raise Refusal("3", "Invalid amount", order.order_code)
    if not _CURRENCY.fullmatch(currency):
        raise Refusal("3", "Invalid currency", order.order_code)
    return Order(
        merchant=order.merchant,
        what=order.what,
        order_code=order.order_code,
        reference=order.reference,
        value=int(value),
        currency=currency,
        exponent=int(stated["exponent"]),
    )


def _only(node: Node) -> Node:
    if len(node.children) != 1:
        raise invalid(f"The content of {node.tag} must be one element")
    return node.children[0]


def _order_code(node: Node) -> str:
    code = node.attributes.get("orderCode", "")
    if not code:
        raise invalid(f"{node.tag} needs an orderCode")
    return code


def invalid(text: str) -> Refusal:
    """Say that a document is not what the DTD allows."""
    return Refusal("2", text)
