"""Keyed pseudonyms and date shifts: the same for a patient in every table and run, and nobody else can make them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cohort.errors import PrivacyError

MIN_KEY_BYTES = 32
DIGITS = 16
MAX_WEEKS = 26


def read_key(path: str | Path) -> bytes:
    """Read the secret key from a file outside the project.

    Parameters
    ----------
    path : str or Path
        A file of at least 32 bytes, which is neither below the working directory nor readable by others.

    Returns
    -------
    bytes
        The key. It is never written to an audit, a report or a message.

    Raises
    ------
    PrivacyError
        When the file is missing, too short, made of few different bytes, or lies in the project.

    Examples
    --------
    >>> read_key("../no_such.key")
    Traceback (most recent call last):
    ...
    cohort.errors.PrivacyError: The key file cannot be read...
    """
    place = Path(path)
    remedy = 'python -c "import secrets; print(secrets.token_hex(32))" > ../cohort.key, and keep it from everybody else'
    try:
        if Path.cwd().resolve() in place.resolve().parents:
            raise PrivacyError("The key file lies in the project.", evidence=place.name[:80], remedy=remedy)
        key = place.read_bytes().strip()
    except OSError:
        raise PrivacyError("The key file cannot be read.", evidence=place.name[:80], remedy=remedy) from None
    return check_key(key)


def check_key(key: bytes) -> bytes:
    """Return a key that is long and varied enough."""
    if len(key) < MIN_KEY_BYTES or len(set(key)) < 10:
        raise PrivacyError(
            "The key is too short or too plain to keep pseudonyms from being guessed.",
            evidence=f"{len(key)} bytes, {len(set(key))} different",
            remedy=f"use at least {MIN_KEY_BYTES} random bytes: secrets.token_hex(32)",
        )
    return key


def pseudonyms(identifiers: Iterable[str], key: bytes, purpose: str) -> dict[str, str]:
    """Return the pseudonym of every identifier.

    Parameters
    ----------
    identifiers : iterable of str
        Identifiers; each different one once is enough.
    key : bytes
        The secret key.
    purpose : str
        What is identified (patient, exam, center): the same text for another purpose has another pseudonym.

    Returns
    -------
    dict of str to str
        16 hexadecimal digits of HMAC-SHA256 [1]_ each.

    Raises
    ------
    PrivacyError
        When two identifiers would share a pseudonym.

    References
    ----------
    .. [1] Krawczyk H, Bellare M, Canetti R (1997). HMAC: keyed-hashing for message authentication. RFC 2104.
    """
    found = {one: _digest(key, purpose, one).hex()[:DIGITS] for one in dict.fromkeys(identifiers)}
    if len(set(found.values())) < len(found):
        raise PrivacyError(
            "Two identifiers have the same pseudonym.",
            evidence=f"{len(found) - len(set(found.values()))} of {len(found)} {purpose} identifiers",
            remedy="use another key",
        )
    return found


def shift_days(patients: Iterable[str], key: bytes) -> dict[str, int]:
    """Return the days by which every date of a patient is shifted.

    Parameters
    ----------
    patients : iterable of str
        Patient identifiers.
    key : bytes
        The secret key.

    Returns
    -------
    dict of str to int
        Whole weeks from -26 to 26, never 0, the same for a patient in every table and run: intervals and weekdays
        stay, the season roughly.
    """
    weeks = np.r_[-MAX_WEEKS:0, 1 : MAX_WEEKS + 1]
    return {
        one: int(7 * weeks[int.from_bytes(_digest(key, "date shift", one)[:8], "big") % len(weeks)])
        for one in dict.fromkeys(patients)
    }


def _digest(key: bytes, purpose: str, text: str) -> bytes:
    return hmac.new(key, f"{purpose}\x1f{text}".encode(), hashlib.sha256).digest()


def top_coded(ages: NDArray[np.float64], limit: float = 90) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return ages with those of 90 and over set to 90, and which these are."""
    old = ages >= limit
    return np.where(old, limit, ages), old
