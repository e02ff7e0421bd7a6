"""The look-alike of Braintree: GraphQL and signed XML webhooks."""
