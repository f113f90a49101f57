"""Protected attributes are recognised by foreign names and by their values."""

from __future__ import annotations

from pathlib import Path

import pytest

from predictor import Catalogue, TrainingConfig, read_ratings, train
from predictor.sources.drafting.protected import is_protected
from predictor.sources.drafting.write import draft_catalogue

NAMES = [
    "Geschlecht",
    "sexe",
    "edad",
    "nationalité",
    "Staatsangehörigkeit",
    "età",
    "etat civil",
    "płeć",
    "kandidatAlter",
    "nationalités",
    "Geschlechter",
    "Herkunftsland",
    "géneros",
    "пол",
    "sukupuoli",
    "Anrede",
    "mother tongue",
    "sexual_orientation",
    *("origin_country", "countryOfOrigin", "title_mr_ms", "M_Mme", "Herr/Frau", "is_male", "over_40", "family_status"),
    *("Kinderzahl", "GdB", "Ausländer", "situation de famille", "couleur_de_peau", "immigré", "color de piel"),
    *("extranjero", "orientamento_sessuale", "categoria protetta", "afkomst", "huidskleur", "godsdienst"),
    *("kraj_pochodzenia", "wyznanie", "liczba dzieci", "Pan/Pani", "faixa etária", "cor_da_pele", "estrangeiro"),
    *("medborgarskap", "huwelijkse staat", "personnummer"),
    *("Sex", "sexe du candidat", "DoB", "age_at_application", "race_code", "refugee_status", "visa", "性別", "العمر"),
]
WORDS = [
    ("M", "F"),
    ("m", "w", "d"),
    ("M", "F", "X", "unknown"),
    ("männlich", "weiblich", "keine Angabe"),
    ("Homme", "Femme", "autre"),
    ("Mr.", "Ms.", "Mx."),
    ("man", "kvinna"),
    ("he/him", "she/her"),
    ("M.", "Mme", "Mlle"),
    ("1=male", "2=female"),
    ("ragazzo", "ragazza"),
    ("w", "m", "divers", "k.A."),
    ("18-24", "25-34", "35-44", "45+"),
    ("married", "single", "n/a"),
    ("katholisch", "evangelisch", "andere"),
    ("Hr.", "Fr."),
    ("hane", "hona"),
    ("ogift", "gift", "sambo"),
    ("White", "Black", "Asian", "Hispanic"),
    ("White (Not Hispanic or Latino)", "Asian (Not Hispanic or Latino)", "Two or More Races"),
    ("White British", "Any other White background", "Indian"),
    ("Weiß", "Schwarz", "Asiatisch"),
    ("blanc", "noir", "métis", "asiatique"),
    ("MÄNNLICH", "weiblich", "Divers"),
    ("Christian", "Muslim", "None"),
    ("Yes, I have a disability", "No, I do not have a disability", "I do not want to answer"),
    ("behindert", "nicht behindert"),
    ("con discapacidad", "sin discapacidad"),
    ("I am not a protected veteran", "I am a protected veteran"),
    ("they/them", "she/her"),
    ("M", "F", "Non-binary"),
    ("unter 30", "30 bis 39", "40 bis 49", "ab 50"),
    ("男性", "女性"),
]


@pytest.mark.parametrize("name", NAMES)
def test_protected_attributes_are_recognised_by_name(tmp_path: Path, name: str) -> None:
    assert is_protected(name)
    rows = "".join(f"{1 + i % 5},{20 + i * 7 % 9},{i % 3 % 2}\n" for i in range(40))
    (path := tmp_path / "my.csv").write_text(f"calm,{name},hired\n{rows}")
    assert f'"{name}", # a protected attribute' in draft_catalogue(path, outcome="hired")


@pytest.mark.parametrize("words", WORDS, ids=", ".join)
def test_protected_attributes_are_recognised_by_their_values(tmp_path: Path, words: tuple[str, ...]) -> None:
    rows = "".join(f'{1 + i % 5},"{words[i % len(words)]}",{i // 2 % 2}\n' for i in range(40))
    (path := tmp_path / "my.csv").write_text(f"calm,kind,hired\n{rows}")
    assert '"kind", # a protected attribute, by its words' in draft_catalogue(path, outcome="hired")


OTHER_NAMES = [
    *("average", "mutual_respect", "stage", "alternatives", "kontakt", "generic", "courage", "origin", "job_title"),
    *("Did he or she listen", "black_box", "goal_orientation", "accent_on_detail", "good_faith", "sexy", "sextant"),
    *("age_of_project", "ageOfAccount", "Alter des Projekts", "company age", "edad_del_proyecto", "race_conditions"),
    *("message", "passage", "percentage", "language", "engagement", "unisex", "reporting_period"),
]
OTHER_WORDS = [
    *(["m", "q"], ["low", "high"], ["x", "o"], ["f", "g", "m", "w"], ["single", "panel"], ["0-20", "21-40", "41-60"]),
    *(
        ["D", "M", "W"],
        ["black", "white"],
        ["white", "blue", "green"],
        ["Black belt", "Green belt"],
        ["fr", "hr", "en"],
    ),
    *(["enabled", "disabled"], ["EMEA", "Asia"], ["junior", "senior", "veteran"], ["Christian", "Peter"], ["Sr", "Jr"]),
]


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_ordinary_names_are_no_protected_attributes(name: str) -> None:
    assert not is_protected(name)
    assert not any(is_protected(name, words) for words in OTHER_WORDS)


def test_letters_for_days_weeks_and_months_are_no_sexes() -> None:
    assert is_protected("kind", ["m", "w", "d"]) and is_protected("kind", ["M", "W", "D"])
    assert not is_protected("kind", ["D", "W", "M"]) and not is_protected("Berichtszeitraum", ["m", "w", "d"])


def test_no_shipped_signal_is_a_protected_attribute() -> None:
    catalogue = Catalogue.shipped()
    assert not any(is_protected(name) for name in catalogue.columns)
    assert not any(is_protected(item.label, item.levels) for item in catalogue.signals)
    assert not any(is_protected(item.label, item.levels) for item in catalogue.inputs)


def test_training_warns_of_a_protected_input(tmp_path: Path) -> None:
    (toml := tmp_path / "my.toml").write_text(
        'name = "my"\n[columns]\noutcome = "hired"\n[inputs.kind]\nlevels = ["m", "w", "d"]\n'
        '[families]\nf = "F"\n[[signals]]\nname = "edad"\nfamily = "f"\nscale = {low = 0, high = 9}\n'
    )
    rows = "".join(f"{i * 7 % 10},{'mwd'[i % 3]},{i // 2 % 2}\n" for i in range(60))
    (path := tmp_path / "my.csv").write_text(f"edad,kind,hired\n{rows}")
    config = TrainingConfig(repeats=1, folds=2, resamples=20, baselines=())
    result = train(read_ratings(path, Catalogue.load(toml), training=True), config)
    assert any(line.startswith("edad, kind are protected attributes") for line in result.warnings)
