"""The names that someone who misspelled one may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def closest_names(name: str, known: Iterable[str], n: int = 2) -> list[str]:
    """Return the known names nearest to a name: those that it begins first, then those spelled alike.

    Parameters
    ----------
    name : str
        What was written.
    known : iterable of str
        What exists.
    n : int, default=2
        At most so many.

    Returns
    -------
    list of str
        Nearest first; empty when nothing is near.

    Examples
    --------
    >>> closest_names("age", ["antigen", "age_years", "sex"])
    ['age_years', 'antigen']
    """
    lower = {str(one).lower(): str(one) for one in sorted(map(str, known))}
    written = name.lower()
    begun = sorted((one for one in lower if len(written) > 1 and one.startswith(f"{written}_")), key=len)
    alike = get_close_matches(written, lower, n=n, cutoff=0.6)
    return [lower[one] for one in dict.fromkeys((*begun, *alike))][:n]
