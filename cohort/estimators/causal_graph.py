"""Causal diagrams: which covariates remove confounding of one exposure, by the adjustment criterion."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cohort.errors import EstimationError

MAX_CANDIDATES = 16
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_STEP = re.compile(rf"\s*({_NAME})\s*((?:(?:->|<-|<->)\s*{_NAME}\s*)+)\s*")
_ALONE = re.compile(rf"\s*({_NAME})\s*")


@dataclass(frozen=True, slots=True)
class CausalGraph:
    """A directed acyclic graph.

    Attributes
    ----------
    nodes : tuple of str
        Variables, in order of appearance.
    edges : tuple of (str, str)
        Cause and effect. ``a <-> b`` is an unmeasured common cause, an unobserved node of its own.
    unobserved : tuple of str
        Variables that cannot be adjusted for.
    """

    nodes: tuple[str, ...]
    edges: tuple[tuple[str, str], ...]
    unobserved: tuple[str, ...]


def parse_graph(text: str, unobserved: Iterable[str] = ()) -> CausalGraph:
    """Read a graph from text: statements ``a -> b -> c``, ``a <- b``, ``a <-> b``, one per line or semicolon.

    Parameters
    ----------
    text : str
        The diagram; ``#`` begins a comment.
    unobserved : iterable of str
        Variables that nobody measured.

    Returns
    -------
    CausalGraph
        The graph.

    Raises
    ------
    EstimationError
        When a statement cannot be read, arrows make a cycle, or an unobserved variable is not in the diagram.

    Examples
    --------
    >>> parse_graph("age -> severe; age -> edema -> severe").edges
    (('age', 'severe'), ('age', 'edema'), ('edema', 'severe'))
    """
    nodes: dict[str, None] = {}
    edges: dict[tuple[str, str], None] = {}
    hidden = list(unobserved)
    lines = [line.split("#")[0] for line in text.splitlines()]
    for number, statement in enumerate(part for line in lines for part in line.split(";") if part.strip()):
        for name, arrow, other in _steps(statement, number + 1):
            nodes.setdefault(name)
            if not other:
                continue
            nodes.setdefault(other)
            if arrow == "<->":
                common = f"U_{name}_{other}"
                hidden.append(common)
                nodes.setdefault(common)
                edges |= {(common, name): None, (common, other): None}
            else:
                edges.setdefault((name, other) if arrow == "->" else (other, name))
    graph = CausalGraph(tuple(nodes), tuple(edges), tuple(dict.fromkeys(hidden)))
    _check(graph)
    return graph


def _steps(statement: str, number: int) -> list[tuple[str, str, str]]:
    """Return (name, arrow, next name) along a statement."""
    if alone := _ALONE.fullmatch(statement):
        return [(alone.group(1), "", "")]
    found = _STEP.fullmatch(statement)
    if not found:
        raise EstimationError(
            "a statement of the diagram cannot be read",
            evidence=f"statement {number}",
            remedy='write "age_years -> severe_icans; age_years -> edema -> severe_icans"',
        )
    parts = re.findall(rf"(->|<->|<-)\s*({_NAME})", found.group(2))
    names = [found.group(1), *(name for _, name in parts)]
    return [(names[i], arrow, names[i + 1]) for i, (arrow, _) in enumerate(parts)]


def _check(graph: CausalGraph) -> None:
    import networkx as nx

    absent = [name for name in graph.unobserved if name not in graph.nodes]
    if absent:
        raise EstimationError(
            "an unobserved variable is not in the diagram",
            evidence=", ".join(absent),
            remedy=f"name one of {', '.join(graph.nodes)}",
        )
    if not graph.nodes:
        raise EstimationError("the diagram is empty", remedy='write "age_years -> severe_icans"')
    found = directed(graph)
    if not nx.is_directed_acyclic_graph(found):
        cycle = [a for a, _ in nx.find_cycle(found)]
        raise EstimationError(
            "arrows of the diagram make a cycle",
            evidence=" -> ".join([*cycle, cycle[0]]),
            remedy="a variable cannot cause itself: split it by time, as icans_day_3 and icans_day_7",
        )


def directed(graph: CausalGraph) -> Any:
    """Return the graph as a networkx ``DiGraph``."""
    import networkx as nx

    found = nx.DiGraph()
    found.add_nodes_from(graph.nodes)
    found.add_edges_from(graph.edges)
    return found


def is_separated(graph: CausalGraph, first: str, second: str, given: Iterable[str]) -> bool:
    """Tell whether two variables are independent given others, by d-separation."""
    import networkx as nx

    return bool(nx.is_d_separator(directed(graph), {first}, {second}, set(given)))


def on_causal_paths(graph: CausalGraph, exposure: str, outcome: str) -> tuple[str, ...]:
    """Return the variables on directed paths from exposure to outcome, the outcome included."""
    import networkx as nx

    found = directed(graph)
    return tuple(
        node
        for node in graph.nodes
        if node in nx.descendants(found, exposure)
        and (node == outcome or outcome in nx.descendants(found, node))
    )


def forbidden(graph: CausalGraph, exposure: str, outcome: str) -> tuple[str, ...]:
    """Return what must not be adjusted for: variables on causal paths, and whatever these cause."""
    import networkx as nx

    found = directed(graph)
    path = on_causal_paths(graph, exposure, outcome)
    bad = set(path).union(*(nx.descendants(found, node) for node in path))
    return tuple(node for node in graph.nodes if node in bad)


def is_valid_adjustment(graph: CausalGraph, exposure: str, outcome: str, given: Iterable[str]) -> bool:
    """Tell whether adjusting for these variables removes confounding, and nothing else.

    Parameters
    ----------
    graph : CausalGraph
        The diagram.
    exposure, outcome : str
        Variables whose total effect is wanted.
    given : iterable of str
        Covariates.

    Returns
    -------
    bool
        The adjustment criterion [1]_: no covariate is forbidden, and in the graph without the first arrows of
        causal paths the exposure is separated from the outcome by the covariates.

    References
    ----------
    .. [1] Shpitser I, VanderWeele T, Robins JM (2010). On the validity of covariate adjustment for estimating causal
       effects. Proc 26th Conf Uncertainty in Artificial Intelligence, 527-536.
    """
    covariates = set(given)
    if covariates & set(forbidden(graph, exposure, outcome)) or exposure in covariates:
        return False
    path = set(on_causal_paths(graph, exposure, outcome))
    edges = tuple(edge for edge in graph.edges if edge[0] != exposure or edge[1] not in path)
    return is_separated(CausalGraph(graph.nodes, edges, graph.unobserved), exposure, outcome, covariates)


def adjustment_sets(graph: CausalGraph, exposure: str, outcome: str) -> tuple[tuple[str, ...], ...]:
    """Return every minimal set of observed covariates that removes confounding, the smallest first.

    Parameters
    ----------
    graph : CausalGraph
        The diagram.
    exposure, outcome : str
        Variables whose total effect is wanted.

    Returns
    -------
    tuple of tuple of str
        Sets of which no part suffices; one empty set when nothing need be adjusted for; none when no set of observed
        covariates suffices.

    Raises
    ------
    EstimationError
        When more than 16 covariates would have to be tried.
    """
    candidates = _candidates(graph, exposure, outcome)
    if len(candidates) > MAX_CANDIDATES:
        raise EstimationError(
            "the diagram has too many possible covariates to try all sets",
            evidence=f"{len(candidates)} covariates, at most {MAX_CANDIDATES}",
            remedy="leave out variables that are causes of one other variable only",
        )
    found: list[tuple[str, ...]] = []
    for size in range(len(candidates) + 1):
        for subset in itertools.combinations(candidates, size):
            smaller = any(set(known) <= set(subset) for known in found)
            if not smaller and is_valid_adjustment(graph, exposure, outcome, subset):
                found.append(subset)
    return tuple(found)


def _candidates(graph: CausalGraph, exposure: str, outcome: str) -> Sequence[str]:
    """Return observed ancestors of exposure or outcome that may be adjusted for: minimal sets hold nothing else."""
    import networkx as nx

    found = directed(graph)
    ancestors = nx.ancestors(found, exposure) | nx.ancestors(found, outcome)
    bad = {*forbidden(graph, exposure, outcome), *graph.unobserved, exposure, outcome}
    return [node for node in graph.nodes if node in ancestors and node not in bad]
