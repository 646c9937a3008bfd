"""A causal diagram given as text: what to adjust for, what never to, and what the data could contradict."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from cohort.errors import EstimationError
from cohort.estimators.causal_graph import (
    CausalGraph,
    adjustment_sets,
    forbidden,
    is_separated,
    is_valid_adjustment,
    on_causal_paths,
    parse_graph,
)
from cohort.models.summary import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NOTHING = "nothing"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CausalDiagram:
    """A causal diagram, and the sets of covariates that identify one effect.

    Attributes
    ----------
    graph : CausalGraph
        Variables and arrows.
    exposure, outcome : str
        Variables whose total effect is wanted.
    sets : tuple of tuple of str
        Minimal adjustment sets, the smallest first; empty when there is none.
    """

    graph: CausalGraph
    exposure: str
    outcome: str
    sets: tuple[tuple[str, ...], ...]

    def tidy(self) -> pd.DataFrame:
        """Return one row per minimal adjustment set.

        Returns
        -------
        DataFrame
            ``covariates`` (joined by ``" + "``, empty when nothing need be adjusted for), ``n_covariate``, ``formula``
            (outcome, exposure and covariates, for a model).
        """
        rows = [
            (" + ".join(one), len(one), f"{self.outcome} ~ {' + '.join((self.exposure, *one))}")
            for one in self.sets
        ]
        return pd.DataFrame(rows, columns=["covariates", "n_covariate", "formula"])

    def roles(self) -> pd.DataFrame:
        """Return what each variable is to the effect.

        Returns
        -------
        DataFrame
            ``variable``, ``role`` (exposure, outcome, mediator, consequence of the effect, unobserved, covariate) and
            ``adjust``: whether it may be adjusted for.
        """
        path = on_causal_paths(self.graph, self.exposure, self.outcome)
        never = forbidden(self.graph, self.exposure, self.outcome)
        rows = [(name, self._role(name, path, never)) for name in self.graph.nodes]
        return pd.DataFrame(
            [(name, role, role == "covariate") for name, role in rows], columns=["variable", "role", "adjust"]
        )

    def _role(self, name: str, path: tuple[str, ...], never: tuple[str, ...]) -> str:
        if name in (self.exposure, self.outcome):
            return "exposure" if name == self.exposure else "outcome"
        if name in self.graph.unobserved:
            return "unobserved"
        return "mediator" if name in path else "consequence of the effect" if name in never else "covariate"

    def check(self, covariates: Iterable[str]) -> tuple[str, ...]:
        """Say what is wrong with adjusting for these covariates.

        Parameters
        ----------
        covariates : iterable of str
            Columns of a model beside the exposure; those the diagram does not know are named.

        Returns
        -------
        tuple of str
            Sentences; empty when the set is valid.
        """
        given = list(dict.fromkeys(covariates))
        known = [name for name in given if name in self.graph.nodes]
        never = forbidden(self.graph, self.exposure, self.outcome)
        path = on_causal_paths(self.graph, self.exposure, self.outcome)
        said = [f"{name} is not in the diagram" for name in given if name not in known]
        for name in known:
            if name in never:
                why = "lies on the causal path" if name in path else "is a consequence of the effect"
                said.append(f"{name} {why}: adjusting for it removes part of the effect or opens a path")
        usable = [name for name in known if name not in never]
        if not is_valid_adjustment(self.graph, self.exposure, self.outcome, usable):
            said.append("a path of confounding, or one opened by a covariate, remains")
        return tuple(said)

    def independencies(self) -> pd.DataFrame:
        """Return independencies that the diagram implies among observed variables, to be tested in the data.

        Returns
        -------
        DataFrame
            ``first, second, given``: pairs without an arrow, separated by the observed direct causes of both.
        """
        observed = [name for name in self.graph.nodes if name not in self.graph.unobserved]
        parents = {n: {a for a, b in self.graph.edges if b == n} for n in observed}
        rows = []
        for a, b in itertools.combinations(observed, 2):
            if (a, b) in self.graph.edges or (b, a) in self.graph.edges:
                continue
            given = sorted((parents[a] | parents[b]) & set(observed) - {a, b}, key=observed.index)
            if is_separated(self.graph, a, b, given):
                rows.append((a, b, ", ".join(given)))
        return pd.DataFrame(rows, columns=["first", "second", "given"])

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the diagram, causes left of their effects.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes.
        """
        from cohort.plots.causal_diagram import plot_causal_diagram

        edges = pd.DataFrame(self.graph.edges, columns=["cause", "effect"])
        adjusted = self.sets[0] if self.sets else ()
        nodes = self.roles().assign(adjusted=lambda f: f["variable"].isin(adjusted))
        return plot_causal_diagram(nodes, edges, ax=ax)

    def text(self) -> str:
        """Return the sentence fragment for a methods section.

        Returns
        -------
        str
            For example ``adjusted for age_years and tumor_burden, a minimal set by the causal diagram``.
        """
        if not self.sets:
            return "no set of observed covariates removes the confounding of the causal diagram"
        if not self.sets[0]:
            return "adjusted for nothing: the causal diagram has no confounding"
        return f"adjusted for {_listed(self.sets[0])}, a minimal set by the causal diagram"

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        roles = self.roles()
        by_role = {role: list(rows["variable"]) for role, rows in roles.groupby("role", sort=False)}
        never = [name for role in ("mediator", "consequence of the effect") for name in by_role.get(role, [])]
        facts = (
            ("never adjust for", ", ".join(never)),
            ("unobserved", ", ".join(by_role.get("unobserved", []))),
            ("adjustment", "" if self.sets else "no set of observed covariates suffices"),
        )
        table = pd.DataFrame({"adjust for": [" + ".join(one) or _NOTHING for one in self.sets]})
        n, arrows = len(self.graph.nodes), len(self.graph.edges)
        effect = f"total effect of {self.exposure} on {self.outcome}"
        sentence = f"Causal diagram of {n} variables and {arrows} arrows: {effect}"
        return Summary(sentence, facts, table)


def causal_diagram(
    text: str, exposure: str, outcome: str, *, unobserved: str | Iterable[str] = ()
) -> CausalDiagram:
    """Read a causal diagram and find what must be adjusted for to estimate a total effect.

    The diagram is your knowledge, drawn before the data are looked at; nothing here learns it. Sets are minimal:
    no variable of a set can be left out. Where several sets suffice, take the one measured best; differing
    estimates under them speak against the diagram.

    Parameters
    ----------
    text : str
        Arrows: ``"age_years -> severe_icans; tumor_burden -> flair_deep -> severe_icans"``, one statement per line or
        semicolon; ``a <-> b`` says that both have an unmeasured common cause.
    exposure, outcome : str
        Variables of the diagram.
    unobserved : str or iterable of str
        Variables that were not measured.

    Returns
    -------
    CausalDiagram
        ``tidy()`` (minimal sets and formulas), ``roles()``, ``check(covariates)``, ``independencies()``, ``plot()``,
        ``text()``.

    Raises
    ------
    EstimationError
        When the text cannot be read, arrows make a cycle, or a variable is not in the diagram.

    See Also
    --------
    cohort.models.inverse_probability_weights.inverse_probability_weights : Weights from such covariates.

    Notes
    -----
    Sets satisfy the adjustment criterion [1]_, which is complete: when it finds none, no adjustment does, though
    other designs may. Being imaged is a variable like any other: draw it, with arrows from what made the patient be
    scanned, and a square around it in mind, since only the imaged are analysed.

    References
    ----------
    .. [1] Shpitser I, VanderWeele T, Robins JM (2010). Proc 26th Conf Uncertainty in Artificial Intelligence, 527-536.
    .. [2] van der Zander B, Liskiewicz M, Textor J (2019). Artif Intell 270:1-40. doi:10.1016/j.artint.2018.12.006

    Examples
    --------
    >>> arrows = "tumor -> crp -> edema; tumor -> severe; edema -> severe; severe -> steroid"
    >>> diagram = causal_diagram(arrows, "edema", "severe")
    >>> diagram.tidy()["covariates"].tolist()
    ['tumor', 'crp']
    >>> diagram.check(["tumor", "steroid"])
    ('steroid is a consequence of the effect: adjusting for it removes part of the effect or opens a path',)
    """
    hidden = (unobserved,) if isinstance(unobserved, str) else tuple(unobserved)
    graph = parse_graph(text, hidden)
    absent = [name for name in (exposure, outcome) if name not in graph.nodes]
    if absent or exposure == outcome or {exposure, outcome} & set(graph.unobserved):
        raise EstimationError(
            "exposure and outcome must be two observed variables of the diagram",
            evidence=", ".join(absent) or f"{exposure}, {outcome}",
            remedy=f"name two of {', '.join(graph.nodes)}",
        )
    return CausalDiagram(graph, exposure, outcome, adjustment_sets(graph, exposure, outcome))


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
