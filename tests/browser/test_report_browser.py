"""The report in a real browser with the network blocked: nothing is asked for, nothing goes wrong, nothing sticks out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.reports.fake_records import ALL, classification

from deepwell.reports import render
from deepwell.tracking.record import plain

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync"
).split()

pytestmark = pytest.mark.skipif(
    not Path(CHROMIUM).is_file(), reason="no Chromium: `apt-get install chromium` puts it at /usr/bin/chromium"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


def opened(browser: Any, path: Path, width: int, scheme: str = "light") -> tuple[Any, list[str]]:
    """The page, and everything it complained about or asked for."""
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True)
    page = context.new_page()
    heard: list[str] = []
    page.on("console", lambda message: heard.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: heard.append(f"error: {error}"))
    address = path.as_uri()
    page.on(
        "request", lambda r: None if r.url == address or r.url.startswith("data:") else heard.append(f"asked: {r.url}")
    )
    page.goto(address)
    return page, heard


@pytest.mark.parametrize("name", list(ALL))
def test_nothing_is_asked_for_and_nothing_sticks_out(browser: Any, tmp_path: Path, name: str) -> None:
    path = tmp_path / "report.html"
    path.write_text(render(plain(ALL[name]())))
    for width in (360, 1200):
        page, heard = opened(browser, path, width)
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("h1").is_visible()
        figures = page.locator("svg.figure")
        boxes = [figures.nth(i).bounding_box() for i in range(figures.count())]
        assert boxes
        assert all(box["width"] > 250 and box["height"] > 60 for box in boxes)
        pictures = page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
        assert pictures
        assert heard == []
        page.context.close()


def test_long_and_hostile_names_do_not_widen_the_page(browser: Any, tmp_path: Path) -> None:
    text = "<script>document.title='taken'</script>" + "x" * 3000 + "שלום"
    events = plain(classification())
    for event in events:
        for key in ("text", "reason", "why", "what", "title", "id", "path", "command", "name"):
            if isinstance(event.get(key), str):
                event[key] = text
        event.update(
            {"fields": [{**f, "name": f["name"] + text} for f in event["fields"]]} if "fields" in event else {}
        )
    path = tmp_path / "report.html"
    path.write_text(render(events))
    page, heard = opened(browser, path, 360)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.title() != "taken"
    assert heard == []
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(browser: Any, tmp_path: Path, scheme: str) -> None:
    """WCAG 2.2: contrast of at least 4.5 for text, by the formula of its relative luminance."""
    path = tmp_path / "report.html"
    path.write_text(render(plain(classification())))
    page, _ = opened(browser, path, 1200, scheme)
    colours = page.evaluate(
        """() => { const s = getComputedStyle(document.documentElement);
        return Object.fromEntries(['ground','panel','ink','muted','accent','second','good','good-ink','bad','bad-ink']
            .map(n => [n, s.getPropertyValue('--' + n).trim()])) }"""
    )

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    def contrast(a: str, b: str) -> float:
        high, low = sorted((luminance(colours[a]), luminance(colours[b])), reverse=True)
        return (high + 0.05) / (low + 0.05)

    pairs = [(text, ground) for text in ("ink", "muted", "accent", "second") for ground in ("ground", "panel")]
    for text, ground in [*pairs, ("good-ink", "good"), ("bad-ink", "bad")]:
        assert contrast(text, ground) >= 4.5, (text, ground)
    page.context.close()
