"""Width of printed text, from the metrics of Helvetica (Arial's), so that no font file is needed."""

from __future__ import annotations

# advance widths in thousandths of the font size
_REGULAR = {
    191: "'", 222: "ijl", 260: "|", 278: " !,./:;I[\\]ft\xa0", 333: "()-`r·²³", 334: "{}", 350: "•",
    355: '"', 389: "*", 400: "°", 469: "^", 500: "Jcksvxyz", 549: "≥≤±",
    556: "#$0123456789?L_abdeghnopqu–µβα",
    584: "+<=>~−×", 611: "FTZ", 667: "&ABEKPSVXY", 713: "∞", 722: "CDHNRUw", 778: "GOQ", 833: "Mm",
    889: "%", 944: "W", 1000: "—", 1015: "@",
}  # fmt: skip
_BOLD = {
    238: "'", 278: " ,./I\\ijl\xa0", 280: "|", 333: "!()-:;[]`ft·²³", 350: "•", 389: "*r{}", 400: "°",
    474: '"', 500: "z", 549: "≥≤±", 556: "#$0123456789J_aceksvxy–", 584: "+<=>^~−×",
    611: "?FLTZbdghnopquβαµ", 667: "EPSVXY", 713: "∞", 722: "&ABCDHKNRU", 778: "GOQw", 833: "M",
    889: "%m", 944: "W", 975: "@", 1000: "—",
}  # fmt: skip
_WIDTHS = {
    False: {letter: width for width, letters in _REGULAR.items() for letter in letters},
    True: {letter: width for width, letters in _BOLD.items() for letter in letters},
}
_INVISIBLE = frozenset("\u2060\u200b")
_OTHER = 667


def text_width(text: str, size_pt: float, *, bold: bool = False) -> float:
    """Width of the widest line of a text.

    Parameters
    ----------
    text : str
        Text; line breaks count.
    size_pt : float
        Font size in points.
    bold : bool, default=False
        Whether the text is bold.

    Returns
    -------
    float
        Width in points.

    Examples
    --------
    >>> text_width("100", 10.0)
    16.68
    """
    widths = _WIDTHS[bold]
    lines = [
        sum(0 if letter in _INVISIBLE else widths.get(letter, _OTHER) for letter in line)
        for line in text.split("\n")
    ]
    return round(max(lines) * size_pt / 1000, 6)


def longest_word_width(text: str, size_pt: float, *, bold: bool = False) -> float:
    """Width of the longest piece of a text that may not be broken, in points."""
    return max((text_width(word, size_pt, bold=bold) for word in text.split(" ")), default=0.0)
