"""A bundle keeps how its data were to be read, and nothing else under that name."""

from dataclasses import replace
from pathlib import Path

import pytest

from deepwell.bundle.contents import Contents
from deepwell.bundle.read import read
from deepwell.bundle.reading import said
from deepwell.bundle.write import seal
from deepwell.core.errors import BundleError

SAID = {"form": "text_lines", "delimiter": ";", "encoding": "latin-1", "missing": ["-9", "nichts"]}


def test_what_was_said_comes_back_and_nothing_is_kept_of_nothing(contents: Contents, tmp_path: Path) -> None:
    assert said("text_lines", ";", "latin-1", ("-9", "nichts")) == SAID
    assert said(None, None, None, ()) == {}
    seal(tmp_path / "said.well", replace(contents, reading=SAID))
    assert read(tmp_path / "said.well").reading == SAID
    seal(tmp_path / "plain.well", contents)
    assert read(tmp_path / "plain.well").reading == {}
    assert b"reading" not in (tmp_path / "plain.well").read_bytes()


@pytest.mark.parametrize(
    "reading",
    [
        b'{"names":"/etc/passwd"}', b'{"delimiter":""}', b'{"delimiter":1}', b'{"form":"../csv"}', b'{"encoding":"../../x"}',
        b'{"encoding":"os system"}', b'{"encoding":"undefined"}', b'{"encoding":"unicode_escape"}', b'{"encoding":"idna"}',
        b'{"encoding":"punycode"}', b'{"encoding":"rot13"}', b'{"encoding":"zlib"}', b'{"encoding":""}',
        b'{"missing":"NA"}', b'{"missing":[]}', b'{"missing":[1]}',
        b'{"missing":["' + b"x" * 201 + b'"]}', b"[]", b"null",
    ],
)  # fmt: skip
def test_anything_else_is_refused(reading: bytes, forge, tmp_path: Path) -> None:
    (tmp_path / "forged.well").write_bytes(
        forge({"config.json": b'{"config":{},"sizes":{},"reading":' + reading + b"}"})
    )
    with pytest.raises(BundleError, match=r"config\.json"):
        read(tmp_path / "forged.well")
