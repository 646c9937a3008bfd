"""How the event times of a log-rank test count: early, late, or all alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cohort.errors import EstimationError

FloatArray = NDArray[np.float64]
WeightKind = Literal["logrank", "gehan", "tarone-ware", "peto", "fleming-harrington"]


@dataclass(frozen=True, slots=True)
class TimeWeights:
    r"""Weights of the event times of a log-rank test.

    Attributes
    ----------
    kind : {'logrank', 'gehan', 'tarone-ware', 'peto', 'fleming-harrington'}
        1, n, the square root of n, S(t-), or S(t-)^rho (1 - S(t-))^gamma, where n is the number at risk and S
        the Kaplan-Meier estimate of all groups together just before the time.
    rho, gamma : float
        Powers of ``fleming-harrington``: rho looks at early, gamma at late differences.

    Raises
    ------
    EstimationError
        For an unknown kind, powers without ``fleming-harrington``, or negative powers.

    Notes
    -----
    ``peto`` is Peto and Peto's modification of Gehan's test, R ``survdiff(rho=1)`` [1]_ [2]_.

    References
    ----------
    .. [1] Harrington DP, Fleming TR (1982). Biometrika 69:553-566. doi:10.1093/biomet/69.3.553
    .. [2] Tarone RE, Ware J (1977). Biometrika 64:156-160. doi:10.1093/biomet/64.1.156

    Examples
    --------
    >>> TimeWeights("fleming-harrington", gamma=1).at(np.array([4.0, 2.0]), np.array([1.0, 1.0]))
    array([0.  , 0.25])
    """

    kind: WeightKind = "logrank"
    rho: float = 0.0
    gamma: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(WeightKind):
            raise EstimationError(
                f"weights={self.kind!r} are unknown", remedy=f"write one of {', '.join(get_args(WeightKind))}"
            )
        if self.kind != "fleming-harrington" and (self.rho or self.gamma):
            raise EstimationError(
                f"rho and gamma do not belong to weights={self.kind!r}",
                evidence=f"rho={self.rho:g}, gamma={self.gamma:g}",
                remedy='write weights="fleming-harrington"',
            )
        if not (0 <= self.rho < np.inf and 0 <= self.gamma < np.inf):
            raise EstimationError(
                "rho and gamma must be 0 or more",
                evidence=f"rho={self.rho:g}, gamma={self.gamma:g}",
                remedy="rho=1 looks at early, gamma=1 at late differences",
            )

    @property
    def label(self) -> str:
        """Name to print.

        Returns
        -------
        str
            The kind, with its powers.
        """
        if self.kind == "fleming-harrington":
            return f"Fleming-Harrington({self.rho:g}, {self.gamma:g})"
        names = {"logrank": "log-rank", "gehan": "Gehan", "tarone-ware": "Tarone-Ware", "peto": "Peto-Peto"}
        return names[self.kind]

    def at(self, n: FloatArray, d: FloatArray) -> FloatArray:
        """Return the weight of each event time of one stratum.

        Parameters
        ----------
        n, d : array of shape (n_times,)
            At risk and events, all groups together, at ascending event times.

        Returns
        -------
        array of shape (n_times,)
            Weights.
        """
        if self.kind == "logrank":
            return np.ones_like(n)
        if self.kind == "gehan":
            return n
        if self.kind == "tarone-ware":
            return np.sqrt(n)
        S = np.cumprod(1 - d / n)
        before = np.concatenate(([1.0], S[:-1]))[: len(n)]
        rho = 1.0 if self.kind == "peto" else self.rho
        return np.asarray(before**rho * (1 - before) ** self.gamma)


UNWEIGHTED = TimeWeights()
