"""Worldpay's payment gateway (WPG): XML orders, one inquiry, unsigned notifications."""
