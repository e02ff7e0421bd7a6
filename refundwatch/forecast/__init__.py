"""What cash leaves when, and whether it will fit: statistics, never bookings.

Invariant: exact integers come in; the floats made of them stay statistics, and nothing
that is computed here is ever booked, sent or compared with a gateway's word. This is
the only room with numerics (extra `forecast`); the daemon never loads it.
"""
