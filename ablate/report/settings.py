"""The settings of a study as a table: those that vary first, those left at their default last."""

from ablate.analysis.records import StudyRecord
from ablate.analysis.settings import Setting, Settings, SettingValue, Source
from ablate.report.text_table import Listing
from ablate.text import some

COLUMNS = ("setting", "value", "from")
VALUES_SHOWN = 12
"""Values of one setting; a factor may have hundreds."""
LEVELS_SHOWN = 4
"""Levels at which a setting has one value."""
BETWEEN = " | "


def settings_listing(record: StudyRecord) -> Listing | None:
    """A row a setting, whatever the number of cells; None where nobody has told them."""
    rows = [[one.key, _values(one), _source(one)] for one in record.settings.each]
    return Listing(columns=COLUMNS, rows=rows) if rows else None


def settings_text(settings: Settings) -> str:
    """How the table is to be read."""
    if settings.without_model:
        return (
            f"{settings.without_model} declares no Config: this is all that the study gives it. "
            "What it takes by default, and which of these it reads, nobody knows."
        )
    if settings.asked:
        return "Every setting of every cell, but the seed, as config_command says of the script."
    return "Every setting of every cell, but the seed: where the study sets none, the default."


def _values(setting: Setting) -> str:
    return some([_value(value) for value in setting.values], VALUES_SHOWN, BETWEEN)


def _value(value: SettingValue) -> str:
    """`0.1 (target; vp)`; without the level where that is the value."""
    if list(value.levels) in ([], [value.text]):
        return value.text
    return f"{value.text} ({some(value.levels, LEVELS_SHOWN, '; ')})"


def _source(setting: Setting) -> str:
    """`varied by flow; default 0`."""
    told = f"varied by {setting.by}" if setting.source is Source.VARIED else str(setting.source)
    if setting.default is None or setting.source is Source.DEFAULT:
        return told
    is_default = [value.text for value in setting.values] == [setting.default]
    return f"{told}, as by default" if is_default else f"{told}; default {setting.default}"
