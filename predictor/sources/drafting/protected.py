"""Which columns are protected attributes, by their names and by their values, in the languages of Europe."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import pairwise

from predictor.ratings.cells import says_not_observed


def _folded(text: str) -> str:
    """Remove case and accents."""
    letters = unicodedata.normalize("NFKD", text.casefold().translate(str.maketrans("øłđ\u0131", "oldi")))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _words(text: str) -> list[str]:
    return [_folded(word) for word in text.split()]


# Sex, age, origin, religion, disability, marital status, pregnancy, orientation, union and politics. A word of a name
# that begins so is one: plurals and compounds, such as "Herkunftsland", are meant too.
_STEMS = _words("""
sexual sexuel gender geschlecht pronoun pronom anrede salutation civilité tratamiento aanhef homosexual lgbt
transgender pohlaví sukupuoli cinsiyet φύλο kjønn geslacht lebensalter altersgruppe altersklasse altersstufe leeftijd
ålders geburt birth naissance nacimiento nascita nascimento geboorte urodzeni fødsel födelse narození rojstv születés
syntymä naștere doğum jahrgang életkor vârst ηλικία возраст възраст
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
sessual seksu nonbinary cisgender bisexual heterosex lesbi honorific agegroup ageband agerange etari wiekow millennial
herkomst afkomst pochodzen ancestr immigr imigra inmigra migrant migratieachtergrond ausländer auslaender foreigner
extranjer estrangeir stranier étranger cudzoziem allochto hispanic latino latina latinx caucasian huidskleur moedertaal
madrelingua muslim jewish catholic buddhis atheis godsdienst geloofsovertuiging levensovertuiging wyznani kirchensteuer
medborgarskap statsborgerskap härkomst opprinnelse modersmål morsmål fackförening fagforening personnummer
fødselsnummer weltanschauung neurodiver autis dyslexi arbeidsbeperking kinderzahl kinderlos kinderanzahl matrimoni
gezinssituatie spous elternzeit mutterschutz gestant wehrdienst parteizugehör parteizugehoer vakbond
refugee flüchtling gesundheitszustand
""")
_WORDS = _words("""
sex sexe sexes sexo sexos sexcode sexid pesel bsn ssn hiv lytis amžius dzimums vecums sugu vanus gjinia mosha
genre genres género géneros gênero gêneros genere generi sesso sessi płeć kön køn kon koen kjoenn spol стать пол
age ages aged alter âge âges edad edades età etá eta idade idades wiek ålder alder věk vek starost dob birthdate вік
race races racial raza razas razza razze raça raças ras rasse rassen rase rasa raas origine origen origem confession
married verheiratet married parental children kinder enfants hijos figli filhos caste veteran veterans
male female yob wieku geloof glaube croyance croyances creencia creencias provenienza naturalidade tribe
adhd adhs disease illness krankheit maladie enfermedad
malattia ziekte choroba doença dependents dependants kinderen dzieci ledig syndicat sindicato sindacato tratamento
""")
_PHRASES = _words("""
état_civil situation_familiale estado_civil stato_civile burgerlijke_staat stan_cywilny civil_status mother_tongue
langue_maternelle lengua_materna lingua_madre native_language first_language skin_color skin_colour
national_origin years_old pays_d_origine país_de_origen political_party political_views union_membership trade_union
origin_country country_of_origin family_origin social_origin home_country foreign_born visa_status immigration_status
skin_tone couleur_de_peau color_de_piel cor_da_pele colore_della_pelle kolor_skóry native_speaker native_lang first_lang
język_ojczysty língua_materna partner_status civil_partnership family_status family_situation situation_de_famille
situación_familiar situazione_familiare situação_familiar sytuacja_rodzinna chronic_illness medical_condition
medical_conditions categoria_protetta military_service military_status political_affiliation political_orientation
political_opinion political_opinions party_membership party_affiliation union_member church_member
passport_country affiliation_politique
afiliación_política afiliação_política appartenenza_politica opinions_politiques politieke_voorkeur
przynależność_partyjna przynależność_związkowa faith_group faith_community
huwelijkse_staat huwelijkse_status nombre_d_enfants antal_barn do_b rodné_číslo codice_fiscale work_permit
health_status medical_history genetic_information hiv_status criminal_record
性别 性別 性 年龄 年齢 年齡 国籍 民族 宗教 성별 나이 연령 국적 종교 الجنس العمر الجنسية الدين מין גיל דת
""")
# An age of a thing, or a race that nobody belongs to.
_THING = (
    r"((proje[ck]t|proyect|progett|projet|compan|firm|unternehm|empresa|entreprise|aziend|account|konto|applicati|"
    r"bewerbung|produ[ck]|prodott|organi[sz]ation|system|software|repo|posting|vacanc|requisition|ticket|record|file|"
    r"document|resume|contract|business|startup|build|release|position|process|pipeline|request|backlog|stelle|code|"
    r"lead|deal|profile|job|offer|data|cv|role)[^_]*)"
)
_AGE = r"(age|alter|edad|eta|idade|wiek)"
_OTHER_THING = re.compile(
    rf"(^|_){_AGE}_(of|der|des|du|de|del|dell|della|do|da)_((the|a|our|my|your|their)_)?{_THING}(?=_|$)"
    rf"|(^|_){_THING}_{_AGE}(?=_|$)|(^|_)race_(conditions?|to)(?=_|$)"
)
_TIME = re.compile(
    r"period|frequen|cadence|interval|duration|zeitraum|turnus|dauer|durata|duree|horizon|(^|_)unit(_|$)"
)
# Short or ordinary words, which are one only by themselves.
_WHOLE = _words("""
nem kor ikä yaş visa trans gay faith generation gdb gd_b rqth pcd m_f f_m m_w w_m m_w_d mf mwd passport accent akzent
acento accento akcent heritage denomination church kids asian black white christian
""")
_OWNER = r"(?:(?:is|has|num|candidate|applicant)_)?"
_NAME = re.compile(
    rf"^{_OWNER}({'|'.join(_WHOLE)}|(over|under|above|below|uber|unter)_?[2-6]\d)$"
    rf"|(^|_)(({'|'.join(_STEMS)})[^_]*|({'|'.join([*_WORDS, *_PHRASES])})\d*)(_|$)"
)
# Words and forms of address of one sex; both of them make a column one, as in "Herr", "Frau".
_MALE = {
    *_words("male males man men boy mann männer männlich herr homme hommes masculin monsieur hombre hombres masculino"),
    *_words("varón señor maschio maschile uomo uomini signor signore homem homens heren heer mannelijk mężczyzna pan"),
    *_words("maennlich hr hane kille pojke gutt män мужчины ♂ 男 男性 남 남성 남자 ذكر זכר पुरुष"),
    *_words("mand muž férfi mies erkek bărbat άνδρας мужской мужчина чоловік мъж mr sr sig dhr he him"),
    *_words("gentleman gentlemen boys ragazzo ragazzi chico chicos menino meninos rapaz jongen chłopiec männl masc"),
    *_words("er il él lui ele hij il/lui er/ihm"),
}
_FEMALE = {
    *_words("female females woman women girl frau frauen weiblich femme femmes féminin madame mujer mujeres femenino"),
    *_words("señora femmina femminile donna donne signora mulher mulheres feminino vrouw vrouwen vrouwelijk kobieta"),
    *_words("fr hona tjej flicka jente kvinnor женщины ♀ 女 女性 여 여성 여자 أنثى נקבה महिला"),
    *_words("pani kvinna kvinde kvinne žena nő nainen kadin femeie γυναίκα женский женщина жінка жена"),
    *_words("mrs ms miss mme mlle sra sig.ra dra mevr mw she her"),
    *_words("lady ladies girls ragazza ragazze chica chicas menina meninas moça meisje dziewczyna weibl fem"),
    *_words("sie elle ella lei ela zij elle/elle sie/ihr"),
}
_ADDRESS = {
    *_words("mr mrs ms miss m mme mlle herr frau sr sra señor señora sig sigra ra signor signora pan pani dhr mevr mw"),
}
_TITLE = {*_words("title titel titre título titolo tytuł prefix code is or und et y e o ou of lub")}
# A cell of which one is enough: marital status, religion, orientation, ethnic group, disability, residence.
_PROTECTED_WORDS = {
    *_words("married divorced widowed unmarried verheiratet geschieden verwitwet ledig marié mariée célibataire"),
    *_words("divorcé divorcée veuf veuve casado casada soltero soltera divorciado divorciada viudo viuda coniugato"),
    *_words("coniugata celibe nubile divorziato divorziata vedovo vedova gehuwd ongehuwd gescheiden żonaty zamężna"),
    *_words("rozwiedziony rozwiedziona kawaler solteiro solteira viúvo viúva pacsé pacsée"),
    *_words("muslim jewish hindu sikh sunni moslem boomer millennial embarazada gehandicapt buddhist catholic"),
    *_words("protestant atheist katholisch evangelisch konfessionslos"),
    *_words("muslimisch jüdisch catholique musulman musulmane protestant juif juive católico católica musulmán"),
    *_words("musulmana cattolico cattolica musulmano katholiek protestants moslim katolik muzułmanin muçulmano"),
    *_words("heterosexual heterosexuell homosexual homosexuell bisexual bisexuell lesbian straight/heterosexual gay"),
    *_words("ogift skild ugift skilt panna hispanic latino latina latinx caucasian disabled schwerbehindert"),
    *(_folded(words) for words in ("permanent resident", "civil partnership", "baby boomer", "two or more races")),
}
# Ethnic groups: two of them, of which one is no colour, make a column one.
_COLOURS = {
    *_words("white black brown mixed weiß schwarz blanc blanche noir noire blanco blanca negro negra branco preto")
}
_GROUPS = {
    *_words("asian african arab indigenous caucasian hispanic latino latina latinx roma bame biracial multiracial"),
    *_words("asiatisch afrikanisch arabisch asiatique africain arabe métis asiático asiática africano mestizo mestiza"),
    *_words("asiatico árabe pardo parda indígena amarelo"),
}
_GROUP = re.compile(
    r"(^| )(african american|native american|american indian|alaska native|pacific islander|afro caribbean|mixed race|"
    r"(south|east) asian|person of colou?r|hispanic|latin[oax]|(asian|black|white) (british|irish|american|african)|"
    r"other (white|black|asian) background|(white|black|asian) (not|or) \w+)( |$)"
)
# One cell with one of these words is enough; of veterans, only a phrase that tells which ones.
_PROTECTED_PATTERNS = re.compile(
    r"(^| )(disabilit|behinder|schwerbehinder|handicap|discapaci|minusval|deficienci|niepełnosprawn|niepelnosprawn|"
    r"funktionsneds|funksjonsneds|инвалид|wheelchair|pregnan|schwanger|enceinte|incinta|protected veteran|non veteran|"
    r"not a veteran|disabled veteran)"
)
_PRONOUNS = re.compile(
    r"(he|she|they|er|sie|elle|il|iel|él|ella|hij|zij|hen|ze)\s*/\s*(him|her|them|ihr|ihm|lui|elle|eux|dem|hem|hun)\b"
)
_BAND = re.compile(r"(?:under|over|unter|über|ab|bis|from|<|>)?\s*(\d\d)\s*(?:[-–]|to|bis|à|a)?\s*(\d\d|\+)?")  # noqa: RUF001 - as spreadsheets set it
_LETTERS = [{"m", "f"}, {"m", "w"}, {"h", "f"}, {"h", "m"}, {"m", "v"}, {"k", "m"}, {"m", "mme"}, {"м", "ж"}]
_OTHER = {
    "",
    "d",
    "x",
    "o",
    "u",
    "n",
    "nb",
    "mlle",
    "divers",
    "diverse",
    "other",
    "unknown",
    "na",
    "n/a",
    "non binary",
} | {*_words("nonbinary autre andere otro otra altro outro inny")}
_PERIODS = (["D", "M", "W"], ["D", "W", "M"])  # day, month, week; as letters of sexes they are mostly written small


def is_protected(name: str, words: Iterable[str] = ()) -> bool:
    """Whether a column is a protected attribute by its name, or by its words, such as M and F.

    Examples
    --------
    >>> is_protected("Geschlecht"), is_protected("nationalités"), is_protected("x", ["m", "w", "d"])
    (True, True, True)
    >>> is_protected("title_mr_ms"), is_protected("x", ["18-24", "25-34", "35-44", "45+"])
    (True, True)
    >>> is_protected("mutual_respect"), is_protected("team", ["m", "q"]), is_protected("age_of_project")
    (False, False, False)
    """
    words = [word for word in words if word.strip()]
    seams = re.sub(r"(?<=[^\W\d_A-Z])(?=[A-Z])", "_", name)
    tokens = [token for token in re.split(r"[\W_]+", _folded(seams)) if token]
    address = {*tokens} - _TITLE
    if len(address) > 1 and address <= _ADDRESS:
        return True
    plain = _OTHER_THING.sub("_", "_".join(tokens))
    there = [word for word in words if not says_not_observed(word)]
    if _NAME.search(plain) or _are_ages(there) or any(_PRONOUNS.match(word.casefold()) for word in there):
        return True
    return not (words in _PERIODS or _TIME.search(plain)) and _are_protected(there)


def _plain(word: str) -> str:
    """Normalise a cell: without codes, or a letter beside a word, and of "he/him" the first part."""
    parts = re.split(r"[\s\d=:()–-]+", _folded(word).partition("/")[0])  # noqa: RUF001
    tokens = [part.strip(".") for part in parts if part.strip(".") and part not in ("cis", "trans")]
    return " ".join([token for token in tokens if len(token) > 1] or tokens)


def _are_protected(cells: Sequence[str]) -> bool:
    """Whether cells hold a protected attribute; letters such as m and f only if there are hardly any others."""
    words = {_plain(cell) for cell in cells if cell not in ("fr", "hr", "FR", "HR")}  # languages and countries
    telling = words & _PROTECTED_WORDS - ({"disabled"} if "enabled" in words else set())
    if telling or (words & _MALE and words & _FEMALE):
        return True
    whole = {" ".join(re.findall(r"\w+", _folded(cell))) for cell in cells}
    groups = {cell for cell in whole if cell in _GROUPS or _GROUP.search(cell)}
    if any(map(_PROTECTED_PATTERNS.search, whole)) or (groups and len(groups | (whole & _COLOURS)) > 1):
        return True
    return any(pair <= words <= pair | _OTHER for pair in _LETTERS)


def _are_ages(words: list[str]) -> bool:
    """Whether words are bands of working ages: three or more, none wide, from some 20 years to beyond 40."""
    bands = [_BAND.fullmatch(word.strip().casefold()) for word in words]
    if len(bands) < 3 or not all(bands):
        return False
    starts = sorted({int(band[1]) for band in bands if band})
    steps = [later - earlier for earlier, later in pairwise(starts)]
    closed = sum(band[2] is not None and band[2] != "+" for band in bands if band)
    return closed >= 2 and 15 <= starts[0] <= 30 and starts[-1] >= 40 and max(steps) <= 15
