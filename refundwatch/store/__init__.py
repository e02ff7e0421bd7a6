"""The store: the only SQL, behind `refundwatch.store.contract`."""
