"""The route table: every operation of the API, once, for daemon, client and OpenAPI.

Invariant: a route without a permission does not exist; `PUBLIC` marks the few that
any authenticated caller may use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from refundwatch.api import models as m
from refundwatch.api import models_customers as mc
from refundwatch.api import models_forecast as mf
from refundwatch.api import models_keys as mk
from refundwatch.api import models_operators as o
from refundwatch.api import models_orders as mo
from refundwatch.api import models_proof as mp
from refundwatch.api import models_tokens as mt
from refundwatch.api.models_config import ReloadBody, ReloadView
from refundwatch.domain.policy import Permission

if TYPE_CHECKING:
    from pydantic import BaseModel

PREFIX: Final = "/v1"

CHECKPOINT_PLACE: Final = "^(0|[1-9][0-9]{0,8})/(0|[1-9][0-9]{0,14})$"
"""Where a page of checkpoints ended: the log's generation and a tree's size."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter; `kind` is string, integer or boolean."""

    name: str
    kind: str
    description: str
    minimum: int | None = None
    maximum: int | None = None
    required: bool = False
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """One operation; `permission` None means: any authenticated caller.

    `signed` ones carry a person's signature, which proves who asks; `public` ones are
    for whoever is not logged in yet.
    """

    name: str
    method: str
    path: str
    summary: str
    permission: Permission | None
    answer: type[BaseModel] | None
    body: type[BaseModel] | None = None
    query: tuple[Parameter, ...] = ()
    status: int = 200
    bootstrap: bool = False
    signed: bool = False
    public: bool = False


_CURSOR: Final = Parameter("cursor", "string", "Where the last page ended.")
_LIMIT: Final = Parameter("limit", "integer", "Rows on a page.", 1, 500)
_WINDOW: Final = Parameter(
    "window", "integer", "Seconds back from now.", 60, 31 * 86_400
)

P = Permission

ROUTES: Final[tuple[Route, ...]] = (
    Route("status", "GET", "/status", "The daemon as it runs", None, m.StatusView),
    Route("me", "GET", "/me", "Who the caller is", None, m.MeView),
    Route(
        "login.challenge",
        "POST",
        "/login/challenge",
        "Ask for what is to be signed to log in",
        None,
        o.ChallengeView,
        o.ChallengeBody,
        public=True,
    ),
    Route(
        "login.answer",
        "POST",
        "/login/answer",
        "Log in by a signed answer",
        None,
        o.SessionView,
        o.AnswerBody,
        public=True,
    ),
    Route(
        "logout",
        "POST",
        "/logout",
        "End the session",
        None,
        o.LoggedOutView,
    ),
    Route(
        "operators.list",
        "GET",
        "/operators",
        "List operators with their keys and roles",
        P.AUDIT_READ,
        o.OperatorsView,
    ),
    Route(
        "operators.statements",
        "GET",
        "/operators/statements",
        "List what roots said about operators, newest first",
        P.AUDIT_READ,
        o.EnrolmentsView,
    ),
    Route(
        "operators.propose",
        "POST",
        "/operators/statements",
        "Propose a statement about an operator; a root operator's signature",
        P.OPERATOR_MANAGE,
        o.EnrolmentView,
        o.EnrolmentBody,
        status=201,
        signed=True,
    ),
    Route(
        "operators.sign",
        "POST",
        "/operators/statements/{statement}/sign",
        "Add another root operator's signature",
        P.OPERATOR_MANAGE,
        o.EnrolmentView,
        o.CosignBody,
        signed=True,
    ),
    Route(
        "payments.create",
        "POST",
        "/payments",
        "Store a payment",
        P.PAYMENT_CREATE,
        m.PaymentView,
        m.PaymentBody,
        status=201,
    ),
    Route(
        "payments.bulk",
        "POST",
        "/payments/bulk",
        "Store payments, all or nothing",
        P.PAYMENT_CREATE,
        m.BulkView,
        m.PaymentsBody,
    ),
    Route(
        "payments.list",
        "GET",
        "/payments",
        "List payments, newest first",
        P.PAYMENT_READ,
        m.PaymentPage,
        query=(
            _CURSOR,
            _LIMIT,
            Parameter("account", "string", "Only this account."),
            Parameter("frozen", "boolean", "Only frozen payments."),
            Parameter("customer_email", "string", "Exact, by blind index."),
        ),
    ),
    Route(
        "payments.show",
        "GET",
        "/payments/{payment}",
        "Show a payment",
        P.PAYMENT_READ,
        m.PaymentView,
        query=(Parameter("account", "string", "With a gateway's reference."),),
    ),
    Route(
        "payments.unfreeze",
        "POST",
        "/payments/{payment}/unfreeze",
        "Lift a payment's freeze",
        P.REFUND_RELEASE,
        m.PaymentView,
        mo.UnfreezeBody,
        signed=True,
    ),
    Route(
        "customers.unmask",
        "POST",
        "/payments/{payment}/unmask",
        "Show a payment's customer whole; audited each time",
        P.CUSTOMER_UNMASK,
        m.CustomerView,
        mc.UnmaskBody,
        query=(Parameter("account", "string", "With a gateway's reference."),),
    ),
    Route(
        "customers.erase",
        "POST",
        "/customers/erase",
        "Erase a customer's personal fields",
        P.CUSTOMER_ERASE,
        mc.ErasedView,
        mc.EraseBody,
    ),
    Route(
        "invoices.create",
        "POST",
        "/invoices",
        "Store an invoice",
        P.PAYMENT_CREATE,
        m.InvoiceView,
        m.InvoiceBody,
        status=201,
    ),
    Route(
        "invoices.bulk",
        "POST",
        "/invoices/bulk",
        "Store invoices, all or nothing",
        P.PAYMENT_CREATE,
        m.BulkView,
        m.InvoicesBody,
    ),
    Route(
        "invoices.show",
        "GET",
        "/invoices/{number}",
        "Show an invoice",
        P.PAYMENT_READ,
        m.InvoiceView,
    ),
    Route(
        "refunds.create",
        "POST",
        "/refunds",
        "Request a refund",
        P.REFUND_CREATE,
        m.CreatedRefundView,
        m.RefundBody,
        status=201,
    ),
    Route(
        "refunds.bulk",
        "POST",
        "/refunds/bulk",
        "Request refunds, all or nothing",
        P.REFUND_CREATE,
        m.BulkView,
        m.RefundsBody,
    ),
    Route(
        "refunds.list",
        "GET",
        "/refunds",
        "List refunds",
        P.REFUND_READ,
        m.RefundPage,
        query=(
            _CURSOR,
            _LIMIT,
            Parameter("filter", "string", "The filter language."),
            Parameter("offset", "integer", "Instead of a cursor.", 0, 2**53 - 1),
            Parameter("oldest_first", "boolean", "Turn the order around."),
        ),
    ),
    Route(
        "refunds.states",
        "GET",
        "/refunds/states",
        "Count refunds by state",
        P.REFUND_READ,
        m.StatesView,
    ),
    Route(
        "refunds.show",
        "GET",
        "/refunds/{refund}",
        "Show a refund, whole",
        P.REFUND_READ,
        m.RefundDetailView,
    ),
    Route(
        "refunds.approve",
        "POST",
        "/refunds/{refund}/approve",
        "Approve",
        P.REFUND_APPROVE,
        m.DecidedView,
        m.ApproveBody,
        signed=True,
    ),
    Route(
        "refunds.refuse",
        "POST",
        "/refunds/{refund}/refuse",
        "Refuse, with a reason",
        P.REFUND_REFUSE,
        m.DecidedView,
        m.DecisionBody,
        signed=True,
    ),
    Route(
        "refunds.edit",
        "POST",
        "/refunds/{refund}/edit",
        "Change what is asked for",
        P.REFUND_EDIT,
        m.DecidedView,
        m.EditBody,
        signed=True,
    ),
    Route(
        "refunds.cancel",
        "POST",
        "/refunds/{refund}/cancel",
        "Withdraw",
        P.REFUND_CANCEL,
        m.DecidedView,
        m.DecisionBody,
        signed=True,
    ),
    Route(
        "refunds.hold",
        "POST",
        "/refunds/{refund}/hold",
        "Hold before sending",
        P.REFUND_HOLD,
        m.DecidedView,
        m.DecisionBody,
        signed=True,
    ),
    Route(
        "refunds.release",
        "POST",
        "/refunds/{refund}/release",
        "Lift a hold",
        P.REFUND_RELEASE,
        m.DecidedView,
        m.DecisionBody,
        signed=True,
    ),
    Route(
        "refunds.resolve",
        "POST",
        "/refunds/{refund}/resolve",
        "Say what became of it; two people",
        P.REFUND_RESOLVE,
        m.DecidedView,
        m.ResolveBody,
        signed=True,
    ),
    Route(
        "refunds.lookup",
        "POST",
        "/refunds/{refund}/lookup",
        "Look up now",
        P.REFUND_LOOKUP,
        m.RefundView,
    ),
    Route(
        "accounts.list",
        "GET",
        "/accounts",
        "List accounts",
        P.ACCOUNT_READ,
        m.AccountsView,
    ),
    Route(
        "accounts.show",
        "GET",
        "/accounts/{account}",
        "Show an account",
        P.ACCOUNT_READ,
        m.AccountView,
    ),
    Route(
        "accounts.backfill",
        "POST",
        "/accounts/{account}/backfill",
        "Read its refunds at the gateway, from where the last call came to",
        P.REFUND_LOOKUP,
        m.BackfillView,
        m.BackfillBody,
    ),
    Route(
        "deliveries.list",
        "GET",
        "/deliveries",
        "List webhook items, newest first",
        P.ACCOUNT_READ,
        m.DeliveryPage,
        query=(
            _CURSOR,
            _LIMIT,
            Parameter("account", "string", "Only this account."),
            Parameter("state", "string", "waiting, applied, ignored or external."),
        ),
    ),
    Route(
        "deliveries.show",
        "GET",
        "/deliveries/{delivery}",
        "Show a webhook item",
        P.ACCOUNT_READ,
        m.DeliveryDetailView,
    ),
    Route(
        "deliveries.replay",
        "POST",
        "/deliveries/{delivery}/replay",
        "Put a webhook item through the inbox once more",
        P.DELIVERY_REPLAY,
        m.DeliveryDetailView,
    ),
    Route(
        "connections.list",
        "GET",
        "/connections",
        "List connections with health",
        P.ACCOUNT_READ,
        m.ConnectionsView,
    ),
    Route(
        "connections.show",
        "GET",
        "/connections/{account}/{connection}",
        "Show a connection",
        P.ACCOUNT_READ,
        m.ConnectionView,
    ),
    Route(
        "connections.circuit",
        "POST",
        "/connections/{account}/{connection}/circuit",
        "Open or close a circuit by hand",
        P.CONNECTION_CONTROL,
        m.ConnectionView,
        mo.CircuitBody,
        signed=True,
    ),
    Route(
        "outages.list",
        "GET",
        "/outages",
        "List outages, newest first",
        P.ACCOUNT_READ,
        m.OutagesView,
        query=(_WINDOW,),
    ),
    Route(
        "gateways.versions",
        "GET",
        "/gateways/versions",
        "List the versions that answer, and what a change did to timeouts",
        P.ACCOUNT_READ,
        m.VersionsView,
        query=(Parameter("past", "boolean", "Versions that answer no more too."),),
    ),
    Route(
        "alarms.list",
        "GET",
        "/alarms",
        "List alarms, newest first",
        P.ALARM_READ,
        m.AlarmsView,
        query=(Parameter("closed", "boolean", "Closed ones too."),),
    ),
    Route(
        "alarms.acknowledge",
        "POST",
        "/alarms/{alarm}/acknowledge",
        "Note that somebody has seen it",
        P.ALARM_ACKNOWLEDGE,
        m.AlarmView,
    ),
    Route(
        "metrics",
        "GET",
        "/metrics",
        "The three numbers",
        P.METRIC_READ,
        m.MetricsView,
        query=(
            _WINDOW,
            Parameter("by_currency", "boolean", "A row per currency."),
        ),
    ),
    Route(
        "forecast.history",
        "GET",
        "/forecast/history",
        "Requests and payments by day: what forecasts are made from",
        P.METRIC_READ,
        mf.HistoriesView,
        query=(
            Parameter("days", "integer", "Days back from today.", 1, 1100),
            Parameter("currency", "string", "Only this currency."),
        ),
    ),
    Route(
        "audit.head",
        "GET",
        "/audit/head",
        "How long the log is, and its root",
        P.EVENT_READ,
        o.HeadView,
    ),
    Route(
        "audit.read",
        "GET",
        "/audit",
        "Read the log from a sequence on",
        P.AUDIT_READ,
        m.AuditPage,
        query=(
            Parameter("start", "integer", "First sequence.", 0, 2**53 - 1),
            Parameter("limit", "integer", "Rows on a page.", 1, 1000),
        ),
    ),
    Route(
        "config.reload",
        "POST",
        "/config/reload",
        "Load the configuration anew, whole or not at all",
        P.CONFIG_RELOAD,
        ReloadView,
        ReloadBody,
    ),
    Route(
        "audit.checkpoint",
        "GET",
        "/audit/checkpoint",
        "The newest signed checkpoint and the keys of the log",
        P.AUDIT_READ,
        mp.LatestView,
    ),
    Route(
        "audit.checkpoints",
        "GET",
        "/audit/checkpoints",
        "List checkpoints, oldest first",
        P.AUDIT_READ,
        mp.CheckpointPage,
        query=(
            Parameter(
                "after",
                "string",
                "Where the last page ended.",
                pattern=CHECKPOINT_PLACE,
            ),
            _LIMIT,
        ),
    ),
    Route(
        "audit.inclusion",
        "GET",
        "/audit/proof/inclusion",
        "Prove that an entry is in the log of a size",
        P.AUDIT_READ,
        mp.InclusionView,
        query=(
            Parameter("seq", "integer", "The entry.", 0, 2**53 - 1, required=True),
            Parameter("size", "integer", "The size.", 1, 2**53 - 1, required=True),
        ),
    ),
    Route(
        "audit.consistency",
        "GET",
        "/audit/proof/consistency",
        "Prove that the log of one size begins that of another",
        P.EVENT_READ,
        mp.ConsistencyView,
        query=(
            Parameter("from", "integer", "The smaller.", 1, 2**53 - 1, required=True),
            Parameter("to", "integer", "The larger.", 1, 2**53 - 1, required=True),
        ),
    ),
    Route(
        "audit.recovery",
        "GET",
        "/audit/recovery",
        "Whether the log lost its end, and what would have to be accepted",
        P.AUDIT_READ,
        mp.RecoveryView,
    ),
    Route(
        "audit.recover",
        "POST",
        "/audit/recovery",
        "Accept that the log's end is lost; two people",
        P.LOG_RECOVER,
        mp.RecoveryView,
        mp.RecoverBody,
    ),
    Route(
        "tokens.list",
        "GET",
        "/tokens",
        "List tokens",
        P.TOKEN_MANAGE,
        mt.TokensView,
    ),
    Route(
        "tokens.create",
        "POST",
        "/tokens",
        "Make a token",
        P.TOKEN_MANAGE,
        mt.NewTokenView,
        mt.TokenBody,
        status=201,
        bootstrap=True,
    ),
    Route(
        "tokens.show",
        "GET",
        "/tokens/{token}",
        "Show a token, without its secret",
        P.TOKEN_MANAGE,
        mt.TokenView,
    ),
    Route(
        "tokens.rotate",
        "POST",
        "/tokens/{token}/rotate",
        "Make a token in another's place",
        P.TOKEN_MANAGE,
        mt.NewTokenView,
        mt.RotateBody,
        status=201,
    ),
    Route(
        "tokens.revoke",
        "DELETE",
        "/tokens/{token}",
        "End a token at once",
        P.TOKEN_MANAGE,
        mt.TokenView,
    ),
    Route(
        "keys.status",
        "GET",
        "/keys",
        "Show the vault's keys and the rotation under way",
        P.KEY_MANAGE,
        mk.KeysView,
        query=(Parameter("count", "boolean", "Count the values of each key."),),
    ),
    Route(
        "keys.rotate",
        "POST",
        "/keys/rotate",
        "Seal everything under a new key, or wrap the keys anew",
        P.KEY_MANAGE,
        mk.KeysView,
        mk.RotateKeysBody,
        status=202,
    ),
    Route(
        "events",
        "GET",
        "/events",
        "The live feed (WebSocket)",
        P.EVENT_READ,
        None,
        query=(Parameter("since", "integer", "Changes after this.", -1, 2**53 - 1),),
    ),
    Route("openapi", "GET", "/openapi.json", "This document", None, None),
)


def route(name: str) -> Route:
    """Return the route of this name; a name that does not exist is a bug."""
    return _BY_NAME[name]


def fill(name: str, **parts: str) -> str:
    """Return a route's path with its parts, percent-encoded."""
    path = PREFIX + route(name).path
    for key, value in parts.items():
        path = path.replace("{" + key + "}", quote(value, safe=""))
    return path


_BY_NAME: Final = {entry.name: entry for entry in ROUTES}
