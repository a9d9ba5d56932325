"""Colours and axes that the charts of a report share with those of the documentation."""

from typing import Any

import altair as alt

BLUE, ORANGE, GREY = "#2f86cc", "#d95f02", "#9a9a9a"
PERCENT = alt.Axis(format=".0%")


def varying(channel: Any, field: str, title: str, scale: str = "linear") -> Any:
    """Encode a number on an axis that need not begin at zero.

    Parameters
    ----------
    channel : type
        ``altair.X`` or ``altair.Y``.
    field : str
        Field of the data, with its type.
    title : str
        Title of the axis.
    scale : {"linear", "log"}, default="linear"
        Scale of the axis.

    Returns
    -------
    altair.X or altair.Y
    """
    if scale == "log":
        return channel(field, title=title, scale=alt.Scale(type="log", nice=False))
    return channel(field, title=title, scale=alt.Scale(zero=False))
