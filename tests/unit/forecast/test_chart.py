from __future__ import annotations

from xml.etree import ElementTree as ET

from refundwatch.forecast.chart import Picture, Point, bars, short_number, svg

POINTS = [
    Point("01-01", 100, 200, 400, actual=300, naive=100),
    Point("01-02", 0, 0, 0),
    Point("01-03", 50, 100, 9000, actual=9000),
]


def test_drawing_is_xml_and_escapes_what_it_is_told() -> None:
    text = svg(Picture('<b>&"', POINTS, ceiling=1000))
    root = ET.fromstring(text)
    assert root.tag.endswith("svg")
    assert any(it.text == '<b>&"' for it in root)
    assert len(text) < 3000


def test_lines_show_band_middle_and_what_came() -> None:
    lines = bars(Picture("", POINTS, ceiling=400), 57)
    assert lines[0].startswith("01-01     200 ")
    assert lines[0].count("|") == 1
    assert lines[0].count("o") == 1
    assert lines[1].split() == ["01-02", "0"]
    assert lines[2].endswith(">")
    assert max(map(len, lines)) <= 57


def test_numbers_are_short() -> None:
    found = [short_number(it) for it in (0, 950, 12_300, 3_400_000, 2e9)]
    assert found == ["0", "950", "12.3k", "3.4M", "2G"]
