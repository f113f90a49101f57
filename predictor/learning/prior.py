"""A prior model, for training on few interviews."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from predictor.learning.decomposition import TablesByTerms
from predictor.model.offer_model import OfferModel
from predictor.model.tables import Floats
from predictor.ratings.catalogue import Catalogue


@dataclass(frozen=True, eq=False)
class Prior:
    """A model to start from, with typical rows.

    Attributes
    ----------
    model
        The model.
    rows
        Typical ratings, then coded inputs, shape (n, terms), by which columns are scaled and tables centred.
    """

    model: OfferModel
    rows: Floats

    def __repr__(self) -> str:
        return f"<Prior by {self.model!r}>"

    def is_compatible_with(self, catalogue: Catalogue) -> bool:
        """Return whether a catalogue has the same signals and inputs, on the same scales."""
        own = self.model.catalogue
        return own.inputs == catalogue.inputs and [(s.name, s.scale, s.not_applicable_value) for s in own.signals] == [
            (s.name, s.scale, s.not_applicable_value) for s in catalogue.signals
        ]

    @cached_property
    def tables(self) -> TablesByTerms:
        """Tables of the model, without its intercept."""
        place = {name: j for j, name in enumerate(self.model.terms)}
        tables: TablesByTerms = {(place[name],): table for name, table in self.model.tables.items()}
        for pair in self.model.pairs:
            at = (place[pair.first], place[pair.second])
            tables[min(at), max(at)] = pair.log_odds if at[0] < at[1] else np.asarray(pair.log_odds.T)
        return tables
