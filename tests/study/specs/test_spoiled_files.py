"""Files as they come out of a hurried edit: pieces cut out, doubled, or put elsewhere."""

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.errors import BadSpec
from immunomon.study.specs.catalog import shipped_panels, shipped_strategies
from immunomon.study.specs.panel import load_panel
from immunomon.study.specs.study import load_study

STARTER = Path(__file__).resolve().parents[3] / "src" / "immunomon" / "study" / "starter" / "study.yaml"
KINDS = {
    "panel": (shipped_panels()["treg"], load_panel),
    "strategy": (shipped_strategies()["treg"], lambda path: load_strategy(path, methods=GATE_METHODS)),
    "study": (STARTER, load_study),
}


@pytest.mark.parametrize("kind", sorted(KINDS))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_spoiled_file_is_read_or_refused_as_a_bad_spec(write, kind, data):
    source, load = KINDS[kind]
    text = source.read_text(encoding="utf-8")
    for _ in range(data.draw(st.integers(1, 3))):
        start, end, to = (data.draw(st.integers(0, len(text))) for _ in range(3))
        piece = text[min(start, end) : max(start, end)][:200]
        cut = data.draw(st.booleans())
        text = (
            text.replace(piece, data.draw(st.sampled_from(["", "~", "[]", "{}", "5", "x", ": ", "-"])), 1)
            if cut
            else text
        )
        text = text[:to] + (piece if not cut else "") + text[to:]
    try:
        load(write(text))
    except BadSpec as error:
        told = error.problems
    else:
        told = ()
    assert all(problem.what and str(problem) for problem in told)


@pytest.mark.parametrize(
    "lines",
    [
        [f"  - {{id: p{n}, parent: q{n}, gate: g{n}}}" for n in range(2000)],
        [f"  - {{id: p{n}, parent: p{n - 1}, gate: {{method: valley, axis: CD3}}, keep: low}}" for n in range(1, 400)],
        [f"  - {{id: p{n}, parent: root, {'k' * 300}{n}: 1}}" for n in range(2000)],
        [f"  - {{id: p, parent: root, gate: {{method: {'v' * 15000}}}}}" for _ in range(50)],
    ],
)
def test_a_file_full_of_mistakes_is_refused_in_seconds(write, lines):
    head = "schema: immunomon.strategy/1\nname: x\nlabel: x\nversion: 1\npopulations:\n"
    start = time.process_time()
    with pytest.raises(BadSpec) as caught:
        load_strategy(write(head + "\n".join(lines)), methods=GATE_METHODS)
    assert time.process_time() - start < 20
    assert len(caught.value.problems) <= 260
    assert all(len(str(problem)) < 2500 for problem in caught.value.problems)
