"""Which columns are protected attributes, by their names and by their values, in the larger languages of Europe."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

# Sex, age, origin, religion, disability, marital status and pregnancy in English, German, French, Spanish, Italian,
# Portuguese, Dutch, Polish and the Scandinavian languages, without accents.
_WORDS = """
geschlecht gender sex sexe sexo sesso genre genero genere geslacht plec kjonn kon koen kjoenn age alter lebensalter
geburtsdatum geburtsjahr geburtstag edad nacimiento eta nascita idade nascimento naissance leeftijd geboortedatum
wiek urodzenia alder fodselsdato fodelsedatum nationality nationalitat nationalitaet staatsangehorigkeit
staatsangehoerigkeit staatsburgerschaft nationalite nacionalidad nazionalita nacionalidade nationaliteit narodowosc
obywatelstwo nationalitet herkunft origine origen origem ethnicity race ethnie ethnizitat ethnizitaet etnia
etnicidad raza razza raca ras rasse etniciteit religion konfession religione religiao religie religia disability
behinderung schwerbehindert handicap discapacidad disabilita deficiencia handicapped niepelnosprawnosc marital
familienstand etat_civil situation_familiale estado_civil stato_civile burgerlijke_staat stan_cywilny sivilstatus
pregnant pregnancy schwanger schwangerschaft enceinte grossesse embarazo embarazada gravidanza incinta gravidez
gravida zwangerschap zwanger ciaza ages birth birthday birthdate dob citizenship ethnic racial religious disabled
disabilities married caste veteran
"""
_NAME = re.compile(rf"(^|_)({'|'.join(_WORDS.split())})\d*(_|$)")
_SEXES = [
    *({"m", "f"}, {"m", "w"}, {"m", "w", "d"}, {"m", "f", "d"}, {"m", "f", "x"}, {"h", "f"}, {"h", "m"}, {"m", "v"}),
    *({"k", "m"}, {"male", "female"}, {"man", "woman"}, {"men", "women"}, {"mann", "frau"}, {"herr", "frau"}),
    *({"mannlich", "weiblich"}, {"mannlich", "weiblich", "divers"}, {"homme", "femme"}, {"masculin", "feminin"}),
    *({"hombre", "mujer"}, {"masculino", "femenino"}, {"maschio", "femmina"}, {"uomo", "donna"}, {"homem", "mulher"}),
    *({"masculino", "feminino"}, {"man", "vrouw"}, {"mezczyzna", "kobieta"}, {"mr", "ms"}, {"mr", "mrs", "ms"}),
]


def is_protected(name: str, words: Iterable[str] = ()) -> bool:
    """Whether a column is a protected attribute by its name, or by its words, such as M and F.

    Examples
    --------
    >>> is_protected("Geschlecht"), is_protected("nationalité"), is_protected("x", ["m", "w", "d"])
    (True, True, True)
    >>> is_protected("mutual_respect"), is_protected("team", ["m", "q"])
    (False, False)
    """
    seams = re.sub(r"(?<=[^\W\d_A-Z])(?=[A-Z])", "_", name)
    plain = "_".join(token for token in re.split(r"[\W_]+", _folded(seams)) if token)
    return bool(_NAME.search(plain)) or {_folded(word).strip(" .") for word in words} in _SEXES


def _folded(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text.casefold().translate(str.maketrans("øł", "ol")))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
