"""One function per figure; each returns a :class:`Plot`, which shows itself in a notebook.

A figure comes with alternative text and with one sentence that says what it shows. The sentence is
made from the data, so it is right whichever way the data come out. Series differ in colour
(the palette of Okabe and Ito, safe for colour-blind readers) and also in marker, line or hatching,
so the figures work in shades of grey.
"""

from course_utils.looks import DPI, LOOKS, STYLE, WIDTH
from course_utils.plots.data import (
    class_counts,
    group_counts,
    mean_images,
    pixel_histogram,
    rows,
    samples,
)
from course_utils.plots.evaluation import (
    calibration,
    class_accuracy,
    confusion,
    group_accuracy,
    mistakes,
)
from course_utils.plots.experiments import ablation, doses, intervals, seeds
from course_utils.plots.maps import occlusion_maps
from course_utils.plots.networks import (
    activations,
    cross_entropy_curve,
    filters,
    network_diagram,
    poolings,
)
from course_utils.plots.recognition import match_scores
from course_utils.plots.style import Plot
from course_utils.plots.training import (
    descent,
    learning_curves,
    learning_rate_schedule,
    training_race,
)

__all__ = [
    "DPI",
    "LOOKS",
    "STYLE",
    "WIDTH",
    "Plot",
    "ablation",
    "activations",
    "calibration",
    "class_accuracy",
    "class_counts",
    "confusion",
    "cross_entropy_curve",
    "descent",
    "doses",
    "filters",
    "group_accuracy",
    "group_counts",
    "intervals",
    "learning_curves",
    "learning_rate_schedule",
    "match_scores",
    "mean_images",
    "mistakes",
    "network_diagram",
    "occlusion_maps",
    "pixel_histogram",
    "poolings",
    "rows",
    "samples",
    "seeds",
    "training_race",
]
