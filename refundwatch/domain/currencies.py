"""The currencies of ISO 4217 and how many decimals each has.

Invariant: `EXPONENTS` is the whole list in which an amount can be stated; a code that
is not in it has no amount here, whatever a library or a gateway believes.

Source: ISO 4217 list one, https://www.six-group.com/en/products-services/
financial-information/data-standards.html (publication of 2026-01-01, read 2026-11).
Display habits (CLDR) differ from it for 13 currencies and are never used.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_BY_EXPONENT: Final = {
    0: """
        BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF
    """,
    2: """
        AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN
        BWP BYN BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP
        ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR
        IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT
        MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP
        PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC
        SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD
        XCD XCG YER ZAR ZMW ZWG
    """,
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}

# A payment taken shortly before a currency was withdrawn is still refunded in it, so
# the codes withdrawn since 2023 stay usable.
_WITHDRAWN: Final = {2: "ANG BGN HRK SLL ZWL"}

_NO_MONEY: Final = "XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX"
WITHOUT_MINOR_UNIT: Final = frozenset(_NO_MONEY.split())
"""Codes that name no money (metals, units of account, tests): no amount in them."""

WITHDRAWN: Final = frozenset(
    code for codes in _WITHDRAWN.values() for code in codes.split()
)
"""Codes no longer current that payments of the recent past still carry."""

EXPONENTS: Final[Mapping[str, int]] = MappingProxyType(
    {
        code: digits
        for table in (_BY_EXPONENT, _WITHDRAWN)
        for digits, codes in table.items()
        for code in codes.split()
    }
)
"""Currency code to the number of decimals of its minor unit."""
