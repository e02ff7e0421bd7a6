"""The GraphQL documents that Braintree is sent.

Invariant: every document is valid against the published schema; a mutation takes its
whole input as one variable, so that the text of a document never changes.
"""

from __future__ import annotations

from typing import Final

_REFUND: Final = """
fragment refundFields on Refund {
  id legacyId status orderId createdAt
  amount { value currencyCode }
  refundedTransaction { id legacyId orderId }
  statusHistory {
    status
    ... on ProcessorDeclinedEvent { processorResponse { legacyCode } }
    ... on SettlementDeclinedEvent { processorResponse { legacyCode } }
  }
}"""

_TRANSACTION: Final = """
fragment saleFields on Transaction {
  id legacyId status orderId amount { value currencyCode }
}"""

REFUND: Final = (
    """mutation Refund($input: RefundTransactionInput!) {
  refundTransaction(input: $input) {
    clientMutationId refund { ...refundFields }
  }
}"""
    + _REFUND
)

REVERSE: Final = (
    """mutation Reverse($input: ReverseTransactionInput!) {
  reverseTransaction(input: $input) {
    clientMutationId reversal {
      __typename ...saleFields ...refundFields
    }
  }
}"""
    + _TRANSACTION
    + _REFUND
)

CANCEL: Final = (
    """mutation Cancel($input: ReverseRefundInput!) {
  reverseRefund(input: $input) {
    clientMutationId refund { ...refundFields }
  }
}"""
    + _REFUND
)

SALE: Final = (
    """query Sale($id: ID!) {
  node(id: $id) {
    __typename ...saleFields
    ... on Transaction { refunds { ...refundFields } }
  }
}"""
    + _TRANSACTION
    + _REFUND
)

READ_REFUND: Final = (
    """query ReadRefund($id: ID!) {
  node(id: $id) { __typename ...refundFields }
}"""
    + _REFUND
)

IDENTITY: Final = """query Identity($legacyId: ID!, $type: LegacyIdType!) {
  idFromLegacyId(legacyId: $legacyId, type: $type)
}"""

PING: Final = "query Ping { ping }"
