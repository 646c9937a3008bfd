"""causal_diagram: classic diagrams by hand, the criterion against path coefficients of linear models, errors."""

from __future__ import annotations

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cohort as co
from cohort import style
from cohort.errors import EstimationError
from cohort.estimators.causal_graph import (
    CausalGraph,
    adjustment_sets,
    forbidden,
    is_valid_adjustment,
    parse_graph,
)
from cohort.plots.causal_diagram import places

# Names of the diagrams and their minimal sets for x on y.
CLASSICS = {
    "confounder": ("c -> x; c -> y; x -> y", [("c",)]),
    "mediator": ("x -> m -> y", [()]),
    "collider": ("x -> s; y -> s; x -> y", [()]),
    # M-bias: a collider s of two unmeasured causes must be left alone
    "m_bias": ("u -> x; u -> s; v -> s; v -> y; x -> y", [()]),
    # two ways to close one path
    "chain": ("a -> b -> x; a -> y; x -> y", [("a",), ("b",)]),
    # butterfly: s confounds and is a collider, so it needs one of its parents beside it
    "butterfly": ("a -> x; a -> s; b -> s; b -> y; s -> x; s -> y; x -> y", [("a", "s"), ("s", "b")]),
    # front door: unmeasured confounding leaves no adjustment
    "front_door": ("x <-> y; x -> m -> y", []),
    # a cause of a mediator that also causes the exposure
    "mediator_outcome": ("c -> m; c -> x; x -> m -> y; c -> y", [("c",)]),
}


@pytest.mark.parametrize("name", CLASSICS)
def test_classics(name):
    text, expected = CLASSICS[name]
    found = co.causal_diagram(text, "x", "y")
    assert {frozenset(one) for one in found.sets} == {frozenset(one) for one in expected}
    assert len(found.sets) == len(expected)


def test_unobserved_variables_are_in_no_set():
    assert co.causal_diagram("c -> x; c -> y; x -> y", "x", "y", unobserved="c").sets == ()
    assert co.causal_diagram("c -> d -> x; c -> y; x -> y", "x", "y", unobserved=["c"]).sets == (("d",),)


def random_graph(seed, n=6):
    """Draw an acyclic graph with x before y, and coefficients of its linear model."""
    rng = np.random.default_rng(seed)
    names = [f"v{i}" for i in range(n)]
    first, last = sorted(rng.choice(n, 2, replace=False))
    names[first], names[last] = "x", "y"
    edges = [(a, b) for a, b in itertools.combinations(range(n), 2) if rng.random() < 0.45]
    weights = np.zeros((n, n))
    for a, b in edges:
        weights[a, b] = rng.uniform(0.5, 1.5) * rng.choice([-1, 1])
    graph = CausalGraph(tuple(names), tuple((names[a], names[b]) for a, b in edges), ())
    return graph, weights


def population_effects(graph, weights, given):
    """Return the coefficient of x in the regression of y on x and the covariates, and the total effect of x on y.

    With independent unit errors e, v = (I - W')^-1 e; total effects are entries of that inverse.
    """
    n = len(graph.nodes)
    total = np.linalg.inv(np.eye(n) - weights.T)
    covariance = total @ total.T
    x, y = graph.nodes.index("x"), graph.nodes.index("y")
    columns = [x, *(graph.nodes.index(name) for name in given)]
    slope = np.linalg.solve(covariance[np.ix_(columns, columns)], covariance[columns, y])
    return slope[0], total[y, x]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_valid_sets_are_those_that_recover_the_total_effect_of_a_linear_model(seed):
    """With coefficients in general position, adjustment is unbiased exactly when the criterion holds."""
    graph, weights = random_graph(seed)
    others = [name for name in graph.nodes if name not in ("x", "y")]
    for size in range(len(others) + 1):
        for given_set in itertools.combinations(others, size):
            slope, total = population_effects(graph, weights, given_set)
            valid = is_valid_adjustment(graph, "x", "y", given_set)
            bad = set(given_set) & set(forbidden(graph, "x", "y"))
            if valid or not bad:  # a forbidden covariate may be harmless in a linear model by accident
                assert valid == bool(abs(slope - total) < 1e-9), (graph.edges, given_set)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_sets_are_valid_minimal_and_complete(seed):
    graph, _ = random_graph(seed)
    found = adjustment_sets(graph, "x", "y")
    others = [name for name in graph.nodes if name not in ("x", "y")]
    valid = [
        set(one)
        for size in range(len(others) + 1)
        for one in itertools.combinations(others, size)
        if is_valid_adjustment(graph, "x", "y", one)
    ]
    minimal = [one for one in valid if not any(other < one for other in valid)]
    assert {frozenset(one) for one in found} == {frozenset(one) for one in minimal}


def test_roles_check_and_text():
    diagram = co.causal_diagram("c -> x -> m -> y; c -> y; y -> late; z -> y", "x", "y")
    roles = diagram.roles().set_index("variable")["role"]
    assert roles.to_dict() == {
        "c": "covariate",
        "x": "exposure",
        "m": "mediator",
        "y": "outcome",
        "late": "consequence of the effect",
        "z": "covariate",
    }
    assert diagram.check(["c"]) == ()
    assert diagram.check(["c", "z"]) == ()
    assert "confounding" in diagram.check(["z"])[0]
    said = diagram.check(["c", "m", "late", "w"])
    assert [one.split(" ")[0] for one in said] == ["w", "m", "late"]
    assert diagram.text() == "adjusted for c, a minimal set by the causal diagram"
    assert diagram.tidy()["formula"].tolist() == ["y ~ x + c"]
    assert co.causal_diagram("x -> y", "x", "y").text().startswith("adjusted for nothing")
    assert co.causal_diagram("x <-> y", "x", "y").text().startswith("no set")
    assert "never adjust for: m, late" in repr(diagram)
    assert "<table" in diagram._repr_html_()


def test_independencies_by_hand():
    """Each pair without an arrow, given the direct causes of both, in the order of the diagram."""
    found = co.causal_diagram("c -> x -> m -> y", "x", "y").independencies()
    assert found.to_numpy().tolist() == [["c", "m", "x"], ["c", "y", "m"], ["x", "y", "c, m"]]


def test_the_figure_has_every_variable_and_arrow_and_nothing_overlaps():
    diagram = co.causal_diagram("a -> x; a -> b -> y; x -> y; x -> m -> y; u <-> y; u -> x", "x", "y")
    ax = diagram.plot()
    assert [t.get_text() for t in ax.texts if t.get_gid() == "node"][:2] == ["a", "x"]
    assert sum(t.get_gid() == "node" for t in ax.texts) == len(diagram.graph.nodes)
    assert sum(p.get_gid() == "arrow" for p in ax.patches) == len(diagram.graph.edges)
    assert style.check_layout(ax.figure) == []
    plt.close(ax.figure)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_effects_stand_right_of_their_causes_and_no_place_is_taken_twice(seed):
    graph, _ = random_graph(seed, 8)
    at = places(graph.nodes, graph.edges)
    assert all(at[a][0] < at[b][0] for a, b in graph.edges)
    assert len(set(at.values())) == len(at)


@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        (lambda: co.causal_diagram("a -> ", "a", "b"), "statement 1"),
        (lambda: co.causal_diagram("a -> b -> a", "a", "b"), "a -> b -> a"),
        (lambda: co.causal_diagram("", "a", "b"), "empty"),
        (lambda: co.causal_diagram("a -> b", "a", "c"), "name two of a, b"),
        (lambda: co.causal_diagram("a -> b", "a", "a"), "two observed"),
        (lambda: co.causal_diagram("a -> b", "a", "b", unobserved="a"), "two observed"),
        (lambda: co.causal_diagram("a -> b", "a", "b", unobserved="z"), "z"),
        (lambda: co.causal_diagram("__import__('os') -> b", "a", "b"), "cannot be read"),
        (
            lambda: co.causal_diagram(
                ";".join(f"c{i} -> x; c{i} -> y" for i in range(17)) + "; x -> y", "x", "y"
            ),
            "17 covariates",
        ),
    ],
)
def test_errors(call, pattern):
    with pytest.raises(EstimationError, match=pattern):
        call()


def test_text_with_comments_and_lines():
    graph = parse_graph("a -> b  # a comment\nlonely\nc <- a")
    assert graph.nodes == ("a", "b", "lonely", "c")
    assert graph.edges == (("a", "b"), ("a", "c"))
