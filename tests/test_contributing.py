"""CONTRIBUTING.md shows a whole task: it works as it stands there."""

import re
from pathlib import Path

from deepwell.conformance import examine

PAGE = Path(__file__).parents[1] / "CONTRIBUTING.md"


def test_the_task_of_the_page_conforms(tmp_path: Path) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "frost.py").write_text(block)
    found = examine(str(tmp_path / "frost.py"), seconds=(4.0,))
    assert [f.seen for f in found if f.holds is False] == []
    assert {"trains", "learns", "learns by heart"} <= {f.name for f in found if f.holds}
