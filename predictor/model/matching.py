"""Match ratings of another catalogue to a model's signals."""

from __future__ import annotations

from predictor.errors import ConfigError
from predictor.model.tables import Floats
from predictor.ratings.catalogue import Catalogue
from predictor.ratings.ratings import Ratings
from predictor.ratings.signals import NOT_APPLICABLE


def signals_of(ratings: Ratings, catalogue: Catalogue) -> Floats:
    """Select the signals of a catalogue, shape (n, p), from ratings that may have more of them.

    Raises
    ------
    ConfigError
        If a signal is not there, on another scale, or has "not applicable" there only.
    """
    if ratings.catalogue is catalogue:
        return ratings.values
    theirs = {signal.name: signal for signal in ratings.catalogue.signals}
    if other := [
        signal.name
        for signal in catalogue.signals
        if signal.name not in theirs
        or theirs[signal.name].scale != signal.scale
        or (theirs[signal.name].not_applicable and not signal.not_applicable)
    ]:
        raise ConfigError(
            f"the ratings follow the catalogue '{ratings.catalogue.name}', the model '{catalogue.name}': "
            f"{', '.join(other[:5])} {'is' if len(other) == 1 else 'are'} not there, on another scale, "
            f"or '{NOT_APPLICABLE}' there only"
        )
    place = {name: j for j, name in enumerate(ratings.catalogue.names)}
    return ratings.values[:, [place[name] for name in catalogue.names]]
