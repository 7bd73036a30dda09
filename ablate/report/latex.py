"""Text as LaTeX that compiles wherever it stands, whatever people have written."""

import re
import unicodedata
from collections.abc import Sequence

from ablate.text import printable

_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''",
    "±": r"$\pm$", "–": "--", "—": "---", "×": r"$\times$", "·": r"$\cdot$", "−": "$-$",
    "≤": r"$\leq$", "≥": r"$\geq$", "≈": r"$\approx$", "≠": r"$\neq$", "∞": r"$\infty$",
    "→": r"$\rightarrow$", "←": r"$\leftarrow$", "…": r"\ldots{}", "°": r"$^{\circ}$",
    "‘": "`", "’": "'", "“": "``", "”": "''", "\xa0": "~", "ß": r"\ss{}", "ø": r"\o{}",
    "Ø": r"\O{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "ł": r"\l{}", "Ł": r"\L{}",
    "ı": r"\i{}", "²": "$^{2}$", "³": "$^{3}$", "µ": r"$\mu$",
}  # fmt: skip
_ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u",
    "\u0307": ".", "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0323": "d",
    "\u0327": "c", "\u0331": "b",
}  # fmt: skip
_GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "varepsilon", "ζ": "zeta",
    "η": "eta", "θ": "theta", "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu",
    "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau", "υ": "upsilon", "φ": "varphi",
    "χ": "chi", "ψ": "psi", "ω": "omega", "Γ": "Gamma", "Δ": "Delta", "Θ": "Theta",
    "Λ": "Lambda", "Ξ": "Xi", "Π": "Pi", "Σ": "Sigma", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega",
}  # fmt: skip
_BREAKABLE = re.compile(r"\w{16}|[^\w\s]|_")


def tex(text: str) -> str:
    """Text for a paragraph, a cell or a caption, in ASCII.

    Accents are LaTeX's commands, Greek and common signs are mathematics; what no LaTeX has without
    further packages is written out as `[U+4E2D]`.
    """
    return "".join(map(_character, unicodedata.normalize("NFC", printable(text))))


def breakable(text: str) -> str:
    """As `tex`, but lines may also end within words, after signs and in what is very long."""
    parts: list[str] = []
    start = 0
    for found in _BREAKABLE.finditer(text):
        parts.append(tex(text[start : found.end()]))
        start = found.end()
    return r"\allowbreak{}".join([*parts, tex(text[start:])])


def comments(lines: Sequence[str]) -> list[str]:
    """Lines that LaTeX skips: a message may have several, and none may leave the comment."""
    return [f"% {printable(' '.join(line.split()))}" for line in lines]


def row(cells: Sequence[str]) -> str:
    """A row of a table, of cells that are LaTeX."""
    # At the start of a row these would be read as an argument of the last row's end.
    guard = "{}" if cells[0][:1] in ("[", "*") else ""
    return f"{guard}{' & '.join(cells)} \\\\"


def _character(character: str) -> str:
    if character in _SPECIAL:
        return _SPECIAL[character]
    if character.isascii():
        return character
    if character in _GREEK:
        return rf"$\{_GREEK[character]}$"
    base, *marks = unicodedata.normalize("NFD", character)
    if base.isascii() and base.isalpha() and len(marks) == 1 and marks[0] in _ACCENTS:
        return rf"\{_ACCENTS[marks[0]]}{{{base}}}"
    return f"{{[}}U+{ord(character):04X}{{]}}"
