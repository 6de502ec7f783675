"""Figures of recognition: scores of comparisons, and the threshold that decides."""

import numpy as np
import pandas as pd

from course_utils.looks import DARK, looks_of
from course_utils.plots.style import (
    Plot,
    in_style,
    listing,
    make_figure,
    percent,
    percent_axis,
    plural,
)

_NUM_BINS = 50


@in_style()
def match_scores(comparisons: pd.DataFrame, *, threshold: float, title: str) -> Plot:
    """Scores of mated and non-mated comparisons, a panel for each group, and the threshold.

    Args:
        comparisons: one row for each pair: ``score``, ``mated`` (bool) and ``group``.
        threshold: scores from here on are taken for a match.
        title: what is compared.

    Raises:
        ValueError: if a column is missing, or a group lacks mated or non-mated comparisons.
    """
    needed = ["score", "mated", "group"]
    missing = [column for column in needed if column not in comparisons.columns]
    if missing or comparisons.empty:
        raise ValueError(f"the table needs rows and the columns {needed}; missing are {missing}")
    groups = sorted(comparisons.group.unique())
    figure = make_figure(1.2 + 1.6 * len(groups))
    panels = figure.subplots(len(groups), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    edges = np.linspace(min(comparisons.score.min(), threshold), 1, _NUM_BINS + 1)
    sentences = []
    for axes, group in zip(panels, groups, strict=True):
        part = comparisons[comparisons.group == group]
        scores = {mated: part.score[part.mated == mated].to_numpy() for mated in (False, True)}
        if not all(len(values) for values in scores.values()):
            raise ValueError(
                f"group {group} needs comparisons of both kinds, mated and non-mated, and has "
                f"{len(scores[True])} and {len(scores[False])}"
            )
        for (mated, values), look in zip(scores.items(), looks_of(2), strict=True):
            axes.hist(
                np.minimum(values, 1),
                edges,
                weights=np.full(len(values), 1 / len(values)),
                histtype="stepfilled",
                facecolor=(look.color, 0.35),
                edgecolor=look.color,
                linestyle=look.line,
                hatch=look.hatch,
                linewidth=1.5,
                label="mated: one creature" if mated else "non-mated: two creatures",
            )
        axes.axvline(threshold, color=DARK, linestyle=":", linewidth=1.8)
        axes.yaxis.set_major_formatter(percent_axis())
        axes.set_ylabel(f"{group}\nshare")
        false_match = float(np.mean(scores[False] >= threshold))
        false_non_match = float(np.mean(scores[True] < threshold))
        sentences.append(
            f"among {group} pairs {percent(false_match)} of "
            f"{plural(len(scores[False]), 'non-mated comparison')} match and "
            f"{percent(false_non_match)} of {plural(len(scores[True]), 'mated one')} don't"
        )
    panels[0].set_title(title)
    panels[-1].set_xlabel("score (cosine of two embeddings); dotted: the threshold")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower right", ncols=2)
    return Plot(
        figure,
        alt=f"Histograms of comparison scores, one panel each for {listing(groups)}: non-mated "
        "comparisons and mated ones, with a dotted line at the threshold.",
        summary=f"At a threshold of {threshold:.2f}, {'; '.join(sentences)}.",
    )
