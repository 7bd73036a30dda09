"""The charts of a report, as Vega-Lite by Altair. Nothing here draws: browsers and `figures` do."""
