"""Dubai beside synthetic scenes of other seeds than the shipped ones: what the shipped models are trained on.

`python -m tools.mixture` makes it. Only the training parts get synthetic scenes, so that it is validated and tested on
the Dubai pictures alone, and a score on it is a score on part 008.
"""

from core.data.dataset import Dataset
from core.data.datasets.dubai import DUBAI

MIXTURE = Dataset(
    name="mixture",
    title="Dubai with synthetic scenes",
    short_title="Dubai, synthetic",
    classes=DUBAI.classes,
    split=DUBAI.split,
    licence="CC0 1.0, Apache-2.0",
    attribution=f"{DUBAI.attribution}; Terrastill",
    layout="Synthetic */images",
    remedy="make it with `python -m tools.mixture`",
)
