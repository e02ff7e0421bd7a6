"""Every error refundwatch raises on purpose, one class per condition.

Invariant: `code` is stable for ever; `http_status` and `exit_code` are the answers
that the API and the command line give. A decline is a value, not an error.
"""

from __future__ import annotations


class RefundwatchError(Exception):
    """Base of all; `field` names what was wrong where one thing was."""

    code = "internal"
    http_status = 500
    exit_code = 1

    def __init__(self, message: str, field: str | None = None) -> None:
        """Keep the sentence for people and the field for machines."""
        super().__init__(message)
        self.message = message
        self.field = field


class InvariantBroken(RefundwatchError):
    """Something that can never be was; a bug, never input."""

    code = "internal.invariant_broken"


# --- refunds and payments ---------------------------------------------------------


class StateConflict(RefundwatchError):
    """A decision does not fit the state the refund is in."""

    code = "refund.state_conflict"
    http_status = 409
    exit_code = 4

    def __init__(self, refund_id: str, state: str, action: str) -> None:
        """Name the refund, its state, and what was asked."""
        super().__init__(f"Refund {refund_id} is {state}: cannot {action}.")


class NotCancelled(RefundwatchError):
    """The gateway was asked to cancel, and did not say that it did."""

    code = "refund.not_cancelled"
    http_status = 409
    exit_code = 4

    def __init__(self, refund_id: str, why: str) -> None:
        """Name the refund, and say why it is not cancelled."""
        super().__init__(f"Refund {refund_id} is not cancelled: {why}.")


class RequestConflict(RefundwatchError):
    """A request id came again with another body."""

    code = "refund.request_conflict"
    http_status = 409
    exit_code = 4


class StaleRevision(RefundwatchError):
    """The client showed another revision or content than the row now has."""

    code = "refund.stale_revision"
    http_status = 409
    exit_code = 4


class DecisionDenied(RefundwatchError):
    """Policy forbids this person this decision."""

    code = "policy.denied"
    http_status = 403
    exit_code = 4


class RefundUnknown(RefundwatchError):
    """No refund has this id."""

    code = "refund.unknown"
    http_status = 404


class PaymentUnknown(RefundwatchError):
    """No payment has this id or reference."""

    code = "payment.unknown"
    http_status = 404


class CustomerBusy(RefundwatchError):
    """A customer cannot be erased while refunds are under way."""

    code = "customer.refunds_under_way"
    http_status = 409
    exit_code = 4


class PaymentConflict(RefundwatchError):
    """A payment is known with other content."""

    code = "payment.conflict"
    http_status = 409


class PaymentFrozen(RefundwatchError):
    """The payment is frozen; people must look at it first."""

    code = "payment.frozen"
    http_status = 409
    exit_code = 4


class PaymentUnproven(RefundwatchError):
    """The payment's row was changed by somebody else than the daemon."""

    code = "payment.unproven"
    http_status = 409
    exit_code = 4


class AmountExceedsRefundable(RefundwatchError):
    """More is asked for than the payment still holds."""

    code = "refund.amount_exceeds_refundable"
    http_status = 422
    exit_code = 4


class AmountInvalid(RefundwatchError):
    """An amount is not a positive whole number of minor units."""

    code = "refund.amount_invalid"
    http_status = 422


class CurrencyMismatch(RefundwatchError):
    """The refund's currency is not the payment's."""

    code = "refund.currency_mismatch"
    http_status = 422


class ExpectedRemainingMismatch(RefundwatchError):
    """The caller's idea of what is refundable is not ours."""

    code = "refund.expected_remaining_mismatch"
    http_status = 409
    exit_code = 4


class DeliveryUnknown(RefundwatchError):
    """There is no delivery of this number."""

    code = "delivery.unknown"
    http_status = 404


class DeliveryNotReplayed(RefundwatchError):
    """What the delivery did was lifted, or can be, by people alone."""

    code = "delivery.not_replayed"
    http_status = 409


class AlarmUnknown(RefundwatchError):
    """No alarm has this id."""

    code = "alarm.unknown"
    http_status = 404


class TokenUnknown(RefundwatchError):
    """No token has this id."""

    code = "token.unknown"
    http_status = 404


class EnrolmentUnknown(RefundwatchError):
    """No statement about operators has this name."""

    code = "enrolment.unknown"
    http_status = 404


class EnrolmentRefused(RefundwatchError):
    """A statement about an operator does not fit what holds, or is signed wrongly."""

    code = "enrolment.refused"
    http_status = 422
    exit_code = 4


class StoreMismatch(RefundwatchError):
    """The store belongs to another instance, mode or gateway."""

    code = "store.mismatch"
    exit_code = 78


# --- values from outside ----------------------------------------------------------


class CurrencyUnknown(RefundwatchError):
    """The code is not one of ISO 4217 in which amounts can be stated."""

    code = "value.currency_unknown"
    http_status = 422


class TextInvalid(RefundwatchError):
    """A text has a form that its field does not allow."""

    code = "value.text_invalid"
    http_status = 422


class CardNumberRefused(RefundwatchError):
    """A card number was sent; it was neither stored nor logged, and is not echoed."""

    code = "value.card_number"
    http_status = 422
    exit_code = 2

    def __init__(self, where: str) -> None:
        """Name the field, and say how another number of that form is written."""
        super().__init__(
            f"{where} holds what is a card number by its length, first digits and "
            "check digit. Card numbers are never taken; nothing was stored. An order "
            "number of this form is written with letters directly before it: ORD1234.",
            field=where,
        )


class FilterInvalid(RefundwatchError):
    """A word of a filter means nothing; the message names it and its position."""

    code = "value.filter_invalid"
    http_status = 422
    exit_code = 2


class CursorInvalid(RefundwatchError):
    """A cursor was not given out by the list it is used for."""

    code = "value.cursor_invalid"
    http_status = 422
    exit_code = 2


class NotCanonical(RefundwatchError):
    """A value has no canonical JSON form, or bytes are not in it."""

    code = "value.not_canonical"
    http_status = 422


class StatementInvalid(RefundwatchError):
    """A decision's statement is not one, or not in its canonical form."""

    code = "decision.statement_invalid"
    http_status = 422


# --- secrets ----------------------------------------------------------------------


class TokenInvalid(RefundwatchError):
    """What was presented is not a token; it says nothing about which part."""

    code = "token.invalid"
    http_status = 401
    exit_code = 77


class KeyFileInvalid(RefundwatchError):
    """The key file cannot be used: its form, its owner or its mode."""

    code = "vault.key_file_invalid"
    exit_code = 78


class KeyMissing(RefundwatchError):
    """The store needs a key that the key file does not hold."""

    code = "vault.key_missing"
    exit_code = 78


class KeyMismatch(RefundwatchError):
    """A key of the right name has the wrong bytes."""

    code = "vault.key_mismatch"
    exit_code = 78


class KeyFileRefused(RefundwatchError):
    """The key file as it is now does not open what is sealed; the old one stays."""

    code = "vault.key_file_refused"
    http_status = 409
    exit_code = 78


class KeyRotationRunning(RefundwatchError):
    """Values are being sealed under a new key already."""

    code = "vault.rotation_running"
    http_status = 409


class SealBroken(RefundwatchError):
    """Sealed bytes were changed, moved to another place, or never sealed here."""

    code = "vault.seal_broken"


# --- keys of people ---------------------------------------------------------------


class PublicKeyInvalid(RefundwatchError):
    """A text is no SSH public key of a kind that signs here."""

    code = "key.invalid"
    http_status = 422
    exit_code = 2


class SignatureRefused(RefundwatchError):
    """A signature does not hold; `reason_code` says why, and is for the log alone."""

    code = "signature.refused"
    http_status = 403
    exit_code = 4

    def __init__(self, reason_code: str) -> None:
        """Say the same to everybody, whatever the reason."""
        super().__init__("The signature is not accepted.")
        self.reason_code = reason_code


# --- the log and its proof --------------------------------------------------------


class CheckpointInvalid(RefundwatchError):
    """A checkpoint, or a key that should have signed one, is not what it should be."""

    code = "audit.checkpoint_invalid"
    http_status = 422


class NoteKeyInvalid(RefundwatchError):
    """The file of the log's signing keys cannot be used."""

    code = "audit.key_invalid"
    exit_code = 78


class LogBroken(RefundwatchError):
    """The log contradicts what was signed of it: nothing more may be signed."""

    code = "audit.broken"
    exit_code = 74


class LogUnsigned(RefundwatchError):
    """No checkpoint of the log was signed that could be handed out or proven from."""

    code = "audit.unsigned"
    http_status = 404


class LogRange(RefundwatchError):
    """A proof was asked for that the log, as far as it is signed, does not have."""

    code = "audit.range"
    http_status = 422


# --- gateways ---------------------------------------------------------------------


class NotExpressible(RefundwatchError):
    """The gateway has no way to state this amount or reference; nothing was sent."""

    code = "gateway.not_expressible"
    http_status = 422


class MalformedResponse(RefundwatchError):
    """Bytes from a gateway are not what it documents; `message` is a short code."""

    code = "gateway.malformed_response"
    http_status = 502


class SettlementUnreadable(RefundwatchError):
    """A settlement report is none that its gateway documents; `field` names it."""

    code = "settlement.unreadable"
    http_status = 422
    exit_code = 3


class SkeletonRefused(RefundwatchError):
    """No skeleton of an adapter can be written there, or under that name."""

    code = "gateway.skeleton_refused"
    exit_code = 2


class GatewayUnknown(RefundwatchError):
    """No adapter has this name."""

    code = "gateway.unknown"
    http_status = 422
    exit_code = 78


# --- clients of the API -----------------------------------------------------------


class ApiUnreachable(RefundwatchError):
    """No daemon answered; nobody can say what became of the request."""

    code = "api.unreachable"
    http_status = 503
    exit_code = 3


class ApiProblem(RefundwatchError):
    """The daemon refused; `code` and `http_status` are the daemon's own words."""

    def __init__(
        self, message: str, code: str, http_status: int, field: str | None = None
    ) -> None:
        """Keep what the daemon said, and the exit code that fits it."""
        super().__init__(message, field)
        self.code = code
        self.http_status = http_status
        # Policy's no to one decision is another thing than a missing role.
        denied = code == DecisionDenied.code
        self.exit_code = 4 if denied else _EXIT_CODES.get(http_status, 1)


class SignerUnavailable(RefundwatchError):
    """What should sign is not there: no agent, or no program of that name."""

    code = "signing.unavailable"
    exit_code = 78


class KeyNotHeld(RefundwatchError):
    """The key that should sign is not held there, or it is not clear which it is."""

    code = "signing.key_not_held"
    exit_code = 78


class SigningRefused(RefundwatchError):
    """Who should sign did not, or gave something else than a signature."""

    code = "signing.refused"
    exit_code = 4


class ContentDiffers(RefundwatchError):
    """What the daemon would have signed is not what it showed; nothing was signed."""

    code = "signing.content_differs"
    exit_code = 4


class ClockDiffers(RefundwatchError):
    """This machine's clock and the daemon's are too far apart to sign anything."""

    code = "signing.clock_differs"
    exit_code = 3


class LogRewritten(RefundwatchError):
    """The audit log does not continue the one that this client saw before."""

    code = "audit.log_rewritten"
    exit_code = 4


_EXIT_CODES = {401: 77, 403: 77, 409: 4, 422: 4, 429: 3, 503: 3}


# --- configuration ----------------------------------------------------------------


class ConfigError(RefundwatchError):
    """The configuration cannot be used; the message names file, line and key."""

    code = "config.invalid"
    exit_code = 78


class ConfigNotLoaded(RefundwatchError):
    """A running daemon keeps the configuration it has; the message says why."""

    code = "config.not_loaded"
    http_status = 422
    exit_code = 4


class SecretUnavailable(RefundwatchError):
    """A secret could not be had from where the configuration says it is."""

    code = "config.secret_unavailable"
    exit_code = 78


# --- the store --------------------------------------------------------------------


class StoreFailed(RefundwatchError):
    """The database could not be made durable; the process ends and recovers anew."""

    code = "store.failed"
    http_status = 503
    exit_code = 74


class StoreFull(RefundwatchError):
    """There is no room for this unit of work; nothing of it was stored."""

    code = "store.full"
    http_status = 507


class StoreBusy(RefundwatchError):
    """A stranger holds the database; nothing was stored, and it may be tried again."""

    code = "store.busy"
    http_status = 503
    exit_code = 3


class StoreClosed(RefundwatchError):
    """The store takes no more work; nothing of it was stored."""

    code = "store.closed"
    http_status = 503
    exit_code = 3


class StoreLocked(RefundwatchError):
    """Another process works with this database."""

    code = "store.locked"
    exit_code = 75


class StoreUnusable(RefundwatchError):
    """The database is damaged, of a newer version, or not one of ours."""

    code = "store.unusable"
    exit_code = 78


class InvoiceUnknown(RefundwatchError):
    """The payment has no invoice of this number."""

    code = "invoice.unknown"
    http_status = 404


class InvoiceConflict(RefundwatchError):
    """An invoice is known with other content."""

    code = "invoice.conflict"
    http_status = 409


class AccountUnknown(RefundwatchError):
    """The configuration has no account of this name."""

    code = "account.unknown"
    http_status = 422


class ConnectionUnknown(RefundwatchError):
    """No connection has this id."""

    code = "connection.unknown"
    http_status = 404


class TokenConflict(RefundwatchError):
    """A token may not be made: its id is taken, or an admin exists already."""

    code = "token.conflict"
    http_status = 409
    exit_code = 4


class TokenOutOfReach(RefundwatchError):
    """A machine's token does not reach this gateway or currency."""

    code = "token.out_of_reach"
    http_status = 403
    exit_code = 4


class CeilingReached(RefundwatchError):
    """A machine's token has initiated what it may today."""

    code = "token.ceiling_reached"
    http_status = 403
    exit_code = 4


# --- the demo ---------------------------------------------------------------------


class DemoFailed(RefundwatchError):
    """A part of the demo could not start."""

    code = "demo.failed"
