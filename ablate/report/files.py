"""The ablation table as files for a text: Markdown and LaTeX."""

from ablate.paths import StudyPaths, write_atomically
from ablate.report.records import MissingRun, StudyRecord
from ablate.report.table import NUMBERS, footnotes, headline, table_rows

LATEX = str.maketrans({
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "±": r"$\pm$",
})  # fmt: skip
MARKDOWN = str.maketrans({
    "\\": "\\\\", "|": "\\|", "<": "&lt;", ">": "&gt;", "*": "\\*", "_": "\\_", "`": "\\`",
    "[": "\\[", "]": "\\]", "\n": " ",
})  # fmt: skip


def write_report(record: StudyRecord, paths: StudyPaths) -> None:
    """Writes `table.md` and `table.tex` into the study's `report` folder."""
    write_atomically(paths.report / "table.md", markdown(record))
    write_atomically(paths.report / "table.tex", latex(record))


def markdown(record: StudyRecord) -> str:
    """The table in Markdown; what users wrote is shown as it stands, never as markup."""
    columns = [*record.factors, *NUMBERS, "verdict"]
    rules = [*["---"] * len(record.factors), *["---:"] * len(NUMBERS), "---"]
    lines = [f"# {_md(record.question or record.name)}", "", _md(headline(record)), ""]
    lines += [_md_row(columns), f"| {' | '.join(rules)} |"]
    lines += [_md_row([*row.labels, *row.numbers, row.verdict]) for row in table_rows(record)]
    lines += ["", *(f"- {_md(note)}" for note in footnotes(record))]
    return "\n".join([*lines, *(f"- {_md(_missing(run))}" for run in record.missing), ""])


def latex(record: StudyRecord) -> str:
    """The table as a LaTeX `table` with booktabs."""
    columns = [*record.factors, *NUMBERS, "verdict"]
    lines = [
        "% needs \\usepackage{booktabs}",
        "\\begin{table}",
        "  \\centering",
        f"  \\caption{{{_tex(record.question or record.name)} {_tex(headline(record))}.}}",
        f"  \\begin{{tabular}}{{{'l' * len(record.factors)}{'r' * len(NUMBERS)}l}}",
        "    \\toprule",
        f"    {_tex_row(columns)}",
        "    \\midrule",
        *(f"    {_tex_row([*r.labels, *r.numbers, r.verdict])}" for r in table_rows(record)),
        "    \\bottomrule",
        "  \\end{tabular}",
        "\\end{table}",
    ]
    notes = [*footnotes(record), *(_missing(run) for run in record.missing)]
    # A message may have several lines: none of them may leave the comment.
    return "\n".join([*lines, *(f"% {' '.join(note.split())}" for note in notes), ""])


def _missing(run: MissingRun) -> str:
    return f"missing: {run.run_name}, {run.status}" + (f": {run.cause}" if run.cause else "")


def _md(text: str) -> str:
    return text.translate(MARKDOWN)


def _md_row(cells: list[str]) -> str:
    return f"| {' | '.join(_md(cell) for cell in cells)} |"


def _tex(text: str) -> str:
    return text.translate(LATEX)


def _tex_row(cells: list[str]) -> str:
    return f"{' & '.join(_tex(cell) for cell in cells)} \\\\"
