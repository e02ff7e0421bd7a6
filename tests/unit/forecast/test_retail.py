"""One real house, in short form; `forecast liquidity --backtest` has the whole."""

from __future__ import annotations

from refundwatch.api.forecasting import play_again
from refundwatch.commands.forecast_file import series_by_currency
from tests.shared import SHARED

RETAIL = SHARED / "data" / "retail-refunds.csv"


def test_real_house_is_foretold_better_than_by_its_last_week() -> None:
    (series,) = series_by_currency(RETAIL, None).values()
    assert len(series) == 274
    view, _ = play_again(series, source="retail", currency="GBP", every=4)
    assert view.learned.month == []
    found = {(it.way, it.horizon, it.of): it for it in view.scores}
    for horizon in (7, 30):
        for of in ("days", "sum"):
            model = found["refundwatch", horizon, of].wape
            naive = found["seasonal-naive", horizon, of].wape
            assert model is not None
            assert naive is not None
            assert model < naive
        cover = found["refundwatch", horizon, "days"].cover
        assert cover is not None
        # Every fourth day only: the band of chance is wider than the whole form's.
        assert 0.72 <= cover <= 0.88
