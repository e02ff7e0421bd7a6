"""The look-alike of Worldpay's XML gateway and its order notifications."""
