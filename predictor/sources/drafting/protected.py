"""Which columns are protected attributes, by their names and by their values, in the languages of Europe."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable


def _folded(text: str) -> str:
    """Take away case and accents."""
    letters = unicodedata.normalize("NFKD", text.casefold().translate(str.maketrans("øłđ\u0131", "oldi")))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _words(text: str) -> list[str]:
    return [_folded(word) for word in text.split()]


# Sex, age, origin, religion, disability, marital status, pregnancy, orientation, union and politics. A word of a name
# that begins so is one: plurals and compounds, such as "Herkunftsland", are meant too.
_STEMS = _words("""
sex gender geschlecht pronoun pronom anrede salutation civilité tratamiento aanhef homosexual lgbt transgender
pohlaví sukupuoli cinsiyet φύλο kjønn geslacht lebensalter altersgruppe altersklasse altersstufe leeftijd ålders
geburt birth naissance nacimiento nascita nascimento geboorte urodzeni fødsel födelse narození rojstv születés syntymä
naștere doğum jahrgang életkor vârst ηλικία возраст възраст
nationali nacionali nazionali narodowo obywatel národnost nasjonali εθνικότητα национальн националн
національн citizen staatsangehörig staatsangehoerig staatsbürger staatsbuerger ciudadan cittadin cidadan
citoyen kansalais állampolgár državljan občanství гражданств громадянств uyruk herkunft abstammung
migrationshintergrund ethni etni hautfarbe muttersprache
religi релігі религи θρησκεία konfession vallás uskonto náboženstv vjeroispovijest
disab behinder schwerbehinder handicap discapaci minusval disabil deficiênci deficienci invalidit invalidità
niepełnosprawn funktionsneds funksjonsneds инвалид инвалідн wheelchair
marital familienstand zivilstand sivilstatus civilstånd
pregnan schwanger zwanger embaraz gravid enceinte grossesse incinta ciąż maternity mutterschaft
gewerkschaft
""")
_WORDS = _words("""
genre genres género géneros gênero gêneros genere generi sesso sessi płeć kön køn kon koen kjoenn spol стать пол
age ages aged alter âge âges edad edades età etá eta idade idades wiek ålder alder věk vek starost dob birthdate вік
race races racial raza razas razza razze raça raças ras rasse rassen rase rasa raas origine origen origem confession
married verheiratet married parental children kinder enfants hijos figli filhos caste veteran veterans
""")
_PHRASES = _words("""
état_civil situation_familiale estado_civil stato_civile burgerlijke_staat stan_cywilny civil_status mother_tongue
langue_maternelle lengua_materna lingua_madre native_language first_language skin_color skin_colour
national_origin years_old pays_d_origine país_de_origen political_party political_views union_membership trade_union
""")
_WHOLE = _words("nem kor ikä yaş")  # short words, which are one only by themselves
_NAME = re.compile(
    rf"^({'|'.join(_WHOLE)})$|(^|_)(({'|'.join(_STEMS)})[^_]*|({'|'.join([*_WORDS, *_PHRASES])})\d*)(_|$)"
)
_MALE = {
    *_words("male males man men boy mann männer männlich herr homme hommes masculin monsieur hombre hombres masculino"),
    *_words("varón señor maschio maschile uomo uomini signor signore homem homens heren heer mannelijk mężczyzna pan"),
    *_words("mand muž férfi mies erkek bărbat άνδρας мужской мужчина чоловік мъж mr sr sig dhr he him"),
}
_FEMALE = {
    *_words("female females woman women girl frau frauen weiblich femme femmes féminin madame mujer mujeres femenino"),
    *_words("señora femmina femminile donna donne signora mulher mulheres feminino vrouw vrouwen vrouwelijk kobieta"),
    *_words("pani kvinna kvinde kvinne žena nő nainen kadin femeie γυναίκα женский женщина жінка жена"),
    *_words("mrs ms miss mme sra sig.ra dra mevr mw she her"),
}
_LETTERS = [{"m", "f"}, {"m", "w"}, {"h", "f"}, {"h", "m"}, {"m", "v"}, {"k", "m"}, {"m", "mme"}, {"м", "ж"}]
_OTHER = {"", "d", "x", "o", "u", "n", "nb", "divers", "diverse", "other", "unknown", "na", "n/a"}


def is_protected(name: str, words: Iterable[str] = ()) -> bool:
    """Whether a column is a protected attribute by its name, or by its words, such as M and F.

    Examples
    --------
    >>> is_protected("Geschlecht"), is_protected("nationalités"), is_protected("x", ["m", "w", "d"])
    (True, True, True)
    >>> is_protected("mutual_respect"), is_protected("team", ["m", "q"])
    (False, False)
    """
    seams = re.sub(r"(?<=[^\W\d_A-Z])(?=[A-Z])", "_", name)
    plain = "_".join(token for token in re.split(r"[\W_]+", _folded(seams)) if token)
    return bool(_NAME.search(plain)) or _are_sexes({_folded(word).partition("/")[0].strip(" .") for word in words})


def _are_sexes(words: set[str]) -> bool:
    """Whether there are words of both sexes, whatever else; of letters, only those with a third and a missing one."""
    return bool(words & _MALE and words & _FEMALE) or any(pair <= words <= pair | _OTHER for pair in _LETTERS)
