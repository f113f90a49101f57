"""Parse one cell of a file: words for "not observed", numbers in any notation, words of ordered levels.

Every rating in text is read with these functions: of CSV, JSON, Parquet, HTTP, forms, batches and drafts.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

# What people and programs write where nothing was observed, in any case of letters, with or without dots and blanks.
# A catalogue may give any of them another meaning: its codes and levels come first.
NOT_OBSERVED = (
    # signs and abbreviations
    *("", ".", "…", "-", "–", "—", "?", "N/A", "NA", "n.a.", "N/D", "n.d.", "N/R", "NR", "n.b.", "n/b", "b/d", "NS/NR"),  # noqa: RUF001 - dashes as spreadsheets set them
    *("NS/NC", "S/D", "н/д"),
    # programs
    *("#N/A", "#NA", "#NV", "#N/D", "#DIV/0!", "<NA>", "<null>", "\\N", "NaN", "null", "none", "nil", "(blank)"),
    *("[blank]",),
    # English
    *("missing", "blank", "empty", "skip", "skipped", "TBD", "unknown", "unrated", "unobserved", "not seen"),
    *("not observed", "not rated", "not assessed", "not evaluated", "not scored", "not answered", "not available"),
    *("not discussed", "not covered", "did not observe", "unable to rate", "unable to assess", "cannot assess"),
    *("cannot rate", "don't know", "no rating", "no answer", "no response", "no data", "no decision", "no opinion"),
    *("prefer not to say",),
    # German
    *("k.A.", "keine Angabe", "keine Angaben", "keine Antwort", "keine Bewertung", "keine Ahnung", "nicht beobachtet"),
    *("nicht bewertet", "nicht beurteilt", "nicht beurteilbar", "nicht erhoben", "nicht gesehen", "nicht verfügbar"),
    *("nicht beantwortet", "ohne Angabe", "weiß nicht", "fehlt", "unbekannt"),
    # French
    *("non observé", "non observée", "non évalué", "non évaluée", "non renseigné", "sans réponse", "ne sait pas"),
    *("inconnu", "non communiqué", "non noté", "non notée", "non disponible", "pas observé"),
    # Spanish
    *("no observado", "no evaluado", "sin evaluar", "sin calificar", "sin respuesta", "sin datos", "no sabe"),
    *("no disponible", "no visto", "no contesta"),
    # Portuguese
    *("não observado", "não avaliado", "sem resposta", "não sei", "não disponível", "não respondeu"),
    # Italian
    *("non osservato", "non valutato", "non so", "non disponibile", "non rilevato", "non risponde"),
    # Dutch
    *("niet waargenomen", "niet beoordeeld", "niet ingevuld", "niet gezien", "geen antwoord", "geen mening"),
    *("geen oordeel", "geen gegevens", "onbekend"),
    # Polish
    *("nie oceniono", "nie wiem", "nie zaobserwowano", "nie obserwowano", "brak", "brak danych"),
    # Swedish, Norwegian, Danish
    *("ej bedömd", "ej bedömt", "ej observerad", "ej observerat", "inte bedömd", "vet ej", "vet inte", "saknas"),
    *("uppgift saknas", "ikke vurdert", "ikke vurderet", "ikke observert", "ikke observeret", "vet ikke", "ved ikke"),
    *("ingen data", "mangler"),
    # Finnish, Czech, Hungarian, Russian
    *("ei arvioitu", "ei havaittu", "ei tietoa", "en osaa sanoa", "neuvedeno", "nehodnoceno", "nincs adat"),
    *("нет данных", "не знаю", "не наблюдалось", "не оценено"),
)
# "Not applicable" in other languages. For a signal with this answer they mean it, for any other signal "not observed".
# The English words are an error for a signal without this answer: this project itself writes them, and only for signals
# that have it. "Trifft nicht zu" and the like are ratings, and so are not in this list.
NOT_APPLICABLE_FOREIGN = (
    *("no aplica", "no aplicable", "no corresponde", "no procede", "sans objet", "s.o.", "non applicable"),
    *("non concerné", "non concernée", "nicht anwendbar", "entfällt", "n.v.t.", "niet van toepassing"),
    *("ej tillämpligt", "ej tillämplig", "inte tillämpligt", "inte tillämplig", "ej aktuellt", "inte aktuellt"),
    *("non applicabile", "non pertinente", "nie dotyczy", "não se aplica", "não aplicável", "не применимо"),
    *("неприменимо", "не применяется", "не застосовується", "ikke relevant", "ikke aktuelt", "ikke aktuell"),
    *("ei sovellu", "ei koske", "netýká se", "nelze použít", "nem alkalmazható", "nem releváns", "nu se aplică"),
    *(
        "nu este cazul",
        "nije primjenjivo",
        "δεν εφαρμόζεται",
        "uygulanamaz",
        "不适用",
        "不適用",
        "該当なし",
        "해당 없음",
    ),
)
LONGEST, LONGEST_NUMBER = 200, 64  # characters, at most, of a cell that may be a word, or a number

_REPEATED = re.compile(r"([-?])\1+")
_WORD_SEPARATOR = re.compile(r"(?<=[^\W_])(?:[\s_]*[-:][\s_]*|\.?[\s_]+)(?=[^\W_])")
_DASHES = str.maketrans("‐‑‒–—−’", "------'", "\u200b\ufeff")  # noqa: RUF001
_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_COMMA = re.compile(r"([+-]?\d*),(\d+)", re.ASCII)
_HALF = re.compile(r"(\d+) ?½", re.ASCII)
_BETWEEN = re.compile(r"(\d{1,2}) ?- ?(\d{1,2})", re.ASCII)
_MARK = re.compile(r"(\d{1,2}) ?(?:(\+|plus)|(-|minus))", re.ASCII | re.IGNORECASE)
TENDENCY = 1 / 3  # that 2+ is better than 2, and 2- worse: so schools count
_UNIT = (
    r"stars?|stern|sterne|sternen|étoiles?|estrellas?|stell[ae]|estrelas?|sterren|points?|pts|punkte?n?|puntos?|★|⭐"
)
_PART = re.compile(rf"(\S+)\s*(?:/|out of|of|von|sur|de|su|van)\s*(\d+)(?:\s*(?:{_UNIT}))?", re.ASCII | re.IGNORECASE)
_SHARE = re.compile(r"(\S+?)\s*(?:%|％|percent|per cent|prozent|pct\.?)", re.IGNORECASE)  # noqa: RUF001
_COUNT = re.compile(rf"(\S+?)\s*(?:{_UNIT})", re.IGNORECASE)
_MAY_BE_NUMBER = re.compile(r"[0-9½★⭐🌟✭☆✩]")  # a quick first test, since most cells of text are no number
_STARS = re.compile(r"([★⭐🌟✭]*)(½?)([☆✩]*)")


class ParsedNumber(NamedTuple):
    """A number in a cell, and what it is out of, if that is given: 4 out of 5 in "4/5", 80 out of 100 in "80%"."""

    number: float
    out_of: float | None = None

    def rating_on(self, high: float) -> float | None:
        """Return the rating on a scale that ends at `high`; None if the number is out of something else."""
        if self.out_of is None or self.out_of == high:
            return self.number
        return self.number / 100 if (self.out_of, high) == (100, 1) else None  # a share, as 80 % on a scale to 1


def says_not_observed(text: str) -> bool:
    """Return whether a cell means that nothing was observed.

    Examples
    --------
    >>> [says_not_observed(cell) for cell in ("N/A", " k. A.", "--", "Not_Observed", "4", "not applicable")]
    [True, True, True, True, False, False]
    """
    return not text.strip() or (len(text) <= LONGEST and _normalised(text) in _NORMALISED_NOT_OBSERVED)


def says_not_applicable(text: str) -> bool:
    """Return whether a cell means "not applicable" in another language than English.

    Examples
    --------
    >>> says_not_applicable("No aplica"), says_not_applicable("N.V.T."), says_not_applicable("not applicable")
    (True, True, False)
    """
    return len(text) <= LONGEST and _normalised(text) in _NORMALISED_NOT_APPLICABLE


def word_key(text: str) -> str:
    """Normalise a word for the comparison of levels: without case, any blanks, dashes and colons alike.

    Examples
    --------
    >>> word_key(" Strong_Yes"), word_key("4 - Strong  Hire"), word_key("A-")
    ('strong yes', '4 strong hire', 'a-')
    """
    return _WORD_SEPARATOR.sub(" ", unicodedata.normalize("NFKC", text).translate(_DASHES).strip()).casefold()


def parse_number(text: str) -> ParsedNumber | None:
    """Read a number in any notation; None if the text is not a number, or is ambiguous, as 1,000.

    Examples
    --------
    >>> parse_number("4"), parse_number("3,5"), parse_number("4/5")
    (ParsedNumber(number=4.0, out_of=None), ParsedNumber(number=3.5, out_of=None), ParsedNumber(number=4.0, out_of=5.0))
    >>> parse_number("80 %"), parse_number("★★★☆☆")
    (ParsedNumber(number=80.0, out_of=100.0), ParsedNumber(number=3.0, out_of=5.0))
    >>> parse_number("3 stars")
    ParsedNumber(number=3.0, out_of=None)
    >>> parse_number("1,000"), parse_number("four")
    (None, None)
    """
    text = text.strip()
    if len(text) > LONGEST_NUMBER or not _MAY_BE_NUMBER.search(text):
        return None
    if (number := _number(text)) is not None:
        return ParsedNumber(number)
    for pattern, out_of in ((_PART, None), (_SHARE, 100.0), (_COUNT, None)):
        if (match := pattern.fullmatch(text)) and (number := _number(match[1])) is not None:
            return ParsedNumber(number, float(match[2]) if pattern is _PART else out_of)
    if match := _STARS.fullmatch(text.replace("\ufe0f", "").replace(" ", "")):
        filled, half, empty = match.groups()
        return ParsedNumber(len(filled) + len(half) / 2, float(len(filled + half + empty)) if empty else None)
    return None


def parse_mark(text: str) -> tuple[float, float] | None:
    """Read a school's mark: its number, and by how much it is better than that; None where it is none.

    Examples
    --------
    >>> parse_mark("2-3"), parse_mark("3+"), parse_mark("3 minus"), parse_mark("3"), parse_mark("1-4")
    ((2.5, 0.0), (3.0, 0.333...), (3.0, -0.333...), None, None)
    """
    if not _MAY_BE_NUMBER.search(text) or len(text) > LONGEST_NUMBER:
        return None
    text = text.translate(_DASHES).strip()
    if (match := _BETWEEN.fullmatch(text)) and int(match[2]) == int(match[1]) + 1:
        return int(match[1]) + 0.5, 0.0
    if match := _MARK.fullmatch(text):
        return float(match[1]), TENDENCY if match[2] else -TENDENCY
    return None


def _number(text: str) -> float | None:
    if _PLAIN.fullmatch(text):
        number = float(text)
        return number if abs(number) != float("inf") else None
    if match := _COMMA.fullmatch(text):
        whole, decimals = match.groups()
        if len(decimals) == 3 and whole.lstrip("+-").strip("0"):  # 1,000 may be a thousand
            return None
        return float(f"{whole}.{decimals}")
    match = _HALF.fullmatch(text)
    return float(match[1]) + 0.5 if match else None


def _normalised(text: str) -> str:
    """Remove case, blanks, dots, underscores and repeated dashes or question marks."""
    text = "".join(text.translate(_DASHES).split()).replace(".", "").replace("_", "").casefold()
    return _REPEATED.sub(r"\1", text)


_NORMALISED_NOT_APPLICABLE = frozenset(map(_normalised, NOT_APPLICABLE_FOREIGN))
_NORMALISED_NOT_OBSERVED = frozenset(map(_normalised, NOT_OBSERVED)) | _NORMALISED_NOT_APPLICABLE
