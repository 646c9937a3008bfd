"""Where the data dictionary stands: inside the installed package, or beside it in a checkout."""

from __future__ import annotations

from pathlib import Path

from cohort.errors import DictionaryError


def dictionary_folder() -> Path:
    """Return the folder of the packaged data dictionary.

    Returns
    -------
    Path
        ``cohort/_data_dictionary`` of an installed wheel, or ``data_dictionary`` of the checkout.

    Raises
    ------
    DictionaryError
        When neither exists.
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_data_dictionary", package.parent / "data_dictionary"):
        if (folder / "dictionary.yaml").is_file():
            return folder
    raise DictionaryError(
        "The packaged data dictionary is missing.",
        remedy="install the package again, or give a folder: read_dictionary('my_dictionary')",
    )
