"""The model card: what the model is, its data, accuracy by who rated, importances, limits; all of it measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from predictor.evaluation.audited import WORDS
from predictor.model.offer_model import OfferModel
from predictor.model.subsets import subsets
from predictor.reports.format import impact_ratio, number, percent, percents, span, verdict_words
from predictor.reports.measured_scores import MEANINGS
from predictor.reports.page import Facts, Folded, Note, Page, Part, Section, Table, Tile

NONE = float("nan")


@dataclass(frozen=True)
class AttachedReports:
    """What later commands have written on a model; each empty where it was not done.

    Attributes
    ----------
    scores
        Scores by name as (value, low, high, n), those by who rated among them.
    importances
        By kind ("signal", "family") and name: mean absolute contribution as (value, low, high, n).
    audit, drift
        The content of audit.json and of the latest drift.json.
    """

    scores: Mapping[str, tuple[float, float, float, int]] = field(default_factory=dict)
    importances: Mapping[tuple[str, str], tuple[float, float, float, int]] = field(default_factory=dict)
    audit: Mapping[str, Any] = field(default_factory=dict)
    drift: Mapping[str, Any] = field(default_factory=dict)


def card_page(model: OfferModel, attached: AttachedReports) -> Page:
    """Build the model card.

    Examples
    --------
    >>> from predictor.reports.page import render_markdown
    >>> text = render_markdown(card_page(OfferModel.published(), AttachedReports()))
    >>> "SIMULATED" in text, "This model has not been audited" in text
    (True, True)
    """
    trained_on, kind = model.trained_on, "SIMULATED interviews" if model.simulated else "interviews"
    auc = trained_on.get("scores", {}).get("roc_auc")
    lede = (
        f"Estimates the likelihood of an offer from ratings of an interview: {len(model.signals)} signals, learned "
        f"from {trained_on['n']:,} {kind}."
    )
    if auc:
        lede += (
            f" Shown one interview that ended in an offer and one that did not, neither seen in training, it ranks the "
            f"right one higher in {percent(auc[0])} of cases ({percents(auc[1], auc[2])}; a coin toss has 50\u00a0%)."
        )
    return Page(
        kind="Model card",
        day=model.created_at[:10],
        name=model.name,
        simulated="SIMULATED: this model learned from simulated interviews and says nothing about real ones."
        if model.simulated
        else "",
        lede=lede,
        tiles=list(_tiles(model)),
        warnings=[*model.deleted_note(), *model.prior_note(), *model.old_note()],
        sections=[
            _use(model),
            _data(model),
            _scores(model, attached),
            _importances(model, attached),
            audit_section(model, attached.audit),
            drift_section(model, attached.drift),
            _retention(model),
            _made(model),
        ],
    )


def _tiles(model: OfferModel) -> Iterator[Tile]:
    n = model.trained_on["n"]
    for name, title in (("roc_auc", "Ranking: ROC AUC"), ("calibration_slope", "Calibration slope")):
        if score := model.trained_on.get("scores", {}).get(name):
            words = f"{MEANINGS[name]} n = {n:,}."
            yield Tile(title, *_score(*score), words)
    base = model.trained_on.get("base_rate")
    offers = f"{percent(base)} ended in an offer." if base is not None else ""
    yield Tile("Learned from", f"{n:,}", "interviews", offers or "How many ended in an offer is not stored.")


def _use(model: OfferModel) -> Section:
    parts: list[Part] = [
        "Meant for reflection, practice and interviewer training: to see which ratings go with an offer, and how sure "
        "that is.",
        "Not meant for deciding about people. Recruitment is among the uses that Annex III(4) of the EU AI Act names, "
        "and laws on automated employment decisions may apply.",
        "Its reasons are associations, not causes. It uses what raters wrote down: ratings made after the outcome "
        "was known leak the outcome. Its interval is the uncertainty of the likelihood, not of the outcome.",
    ]
    if used := [item.label for item in model.catalogue.inputs]:
        parts.append(f"Other inputs: {', '.join(used)}.")
    return Section("Intended use and limits", parts)


def _data(model: OfferModel) -> Section:
    trained_on, quality = model.trained_on, []
    facts = [("Rows", f"{trained_on['n']:,}, whose outcome was known")]
    if "n_outcome_unknown" in trained_on:
        facts.append(("Left out", f"{trained_on['n_outcome_unknown']:,} rows whose outcome was not known"))
    if "n_groups" in trained_on:
        group = model.catalogue.group
        whose = f"{trained_on['n_groups']:,}, by the column {group}" if group else "not known: no group column"
        facts.append(("People", whose))
    if trained_on.get("base_rate") is not None:
        facts.append(("Offers", percent(trained_on["base_rate"])))
    if "rated_on" in trained_on:
        facts.append(("Rated", " to ".join(trained_on["rated_on"])))
    facts += [
        ("Source", str(trained_on["source"])),
        ("SHA-256", f"{str(trained_on['digest'])[:16]}..." if trained_on["digest"] else "not stored"),
    ]
    facts.append(("Simulated", "yes" if model.simulated else "no"))
    if model.prior_share:
        facts.append(("Prior", f"published effects, SIMULATED: {percent(model.prior_share)} of what it knows"))
    if model.reference is not None and (rows := model.reference.rated.sum()):
        mean = float((model.reference.rated * range(len(model.reference.rated))).sum() / rows)
        facts.append(("How much was rated", f"{number(mean, 1)} of {len(model.signals)} signals on average"))
    for signal in model.catalogue.signals:
        counts = model.counts[signal.name]
        if total := float(counts.sum()):
            quality.append((signal.label, percent(float(counts[-1]) / total), f"{total - float(counts[-1]):,.0f}"))
    parts: list[Part] = [Facts(facts)]
    if quality:
        parts.append(Folded("How often each signal was rated", Table(("Signal", "Not rated", "n rated"), quality)))
    return Section("What it learned from", parts)


def _scores(model: OfferModel, attached: AttachedReports) -> Section:
    trained_on = model.trained_on
    if not trained_on.get("scores"):
        return Section("Performance", ["Not measured: the training had too few rows to predict unseen ones."])
    n = trained_on["n"]
    rows = [
        (name.replace("_", " "), MEANINGS.get(name, ""), *_score(*score), f"{n:,}")
        for name, score in trained_on["scores"].items()
    ]
    parts: list[Part] = [
        "On rows not seen in training, no person on both sides of a split; 90\u00a0% intervals.",
        Table(("Score", "Meaning", "Value", "90 % interval", "n"), rows, text_columns=2, caption="Scores"),
    ]
    roles = [
        (name.partition("/")[0].removeprefix("rated_by_"), score)
        for name, score in attached.scores.items()
        if name.startswith("rated_by_") and name.endswith("/roc_auc")
    ]
    if roles:
        by_role = [(role, *_score(*auc[:3]), f"{auc[3]:,}") for role, auc in roles]
        parts.append(Table(("Who rated", "ROC AUC", "90 % interval", "n"), by_role, caption="By who rated"))
    measured = trained_on.get("partial_scores", {})
    partial = [
        (
            part.label,
            *(text for key in ("roc_auc", "calibration_slope") for text in _score(*measured[part.name][key])),
            f"{measured[part.name]['n']:,}",
        )
        for part in subsets(model.catalogue)
        if part.name in measured
    ]
    if partial:
        head = ("Only these are rated", "ROC AUC", "90 % interval", "Slope", "90 % interval", "n")
        parts.append(Table(head, partial, caption="By how much was rated"))
    return Section("Performance", parts)


def _importances(model: OfferModel, attached: AttachedReports) -> Section:
    catalogue = model.catalogue
    parts: list[Part] = [
        "Mean absolute contribution in log-odds over the rows learned from. Associations, not causes: a signal that is "
        "associated with offers need not bring them about.",
    ]
    for kind, title, labels, sizes in (
        ("family", "Family", catalogue.family_labels, model.group_importances.get("family", {})),
        ("signal", "Signal", catalogue.labels, model.feature_importances),
    ):
        rows = []
        for name, size in sizes.items():
            value, low, high, _ = attached.importances.get((kind, name), (size, NONE, NONE, 0))
            rows.append((labels.get(name, name), number(value), span(low, high) if low == low else ""))
        if rows:
            caption = f"By {kind}, n = {model.trained_on['n']:,}"
            parts.append(Table((title, "Size", "90 % interval"), rows, caption=caption))
    parts += [Note(note) for note in model.gaps_note()]
    return Section("Feature importance", parts)


def audit_section(model: OfferModel, audit: Mapping[str, Any]) -> Section:
    """Show the content of audit.json."""
    title = "Groups"
    if not audit:
        return Section(
            title,
            ["This model has not been audited, or not in this folder: predictor audit DATA --attribute sex=COLUMN."],
        )
    rows = [row for axis in audit["audit"]["axes"] for row in _audit_rows(axis)]
    simulated = " SIMULATED rows." if audit["simulated"] else ""
    unseen = (
        f"{audit['n_out_of_fold']:,} predicted by models that had not seen them, {audit['n_new']:,} by the model itself"
    )
    parts: list[Part] = [
        f"Audited {audit['made'][:10]} on {audit['audit']['n']:,} rows: {unseen}.{simulated} {WORDS}",
        *audit["warnings"],
    ]
    head = ("Group", "Scoring rate", "90 % interval", "Impact ratio", "90 % interval", "Four fifths", "n")
    parts.append(Table(head, rows, caption="Scoring rates: share strictly above the median likelihood of all rows"))
    proxies = [
        (f"{item['axis']}: {item['category']}", *_score(auc["value"], auc["low"], auc["high"], 2), f"{auc['n']:,}")
        for item in audit["proxies"]
        if (auc := item["auc"])
    ]
    if proxies:
        caption = "How well the signals predict a group; .5 is chance"
        parts.append(Table(("Group", "ROC AUC", "90 % interval", "n"), proxies, caption=caption))
    return Section(title, parts)


def _score(value: float, low: float, high: float, digits: int = 3) -> tuple[str, str]:
    return number(value, digits), span(low, high, digits)


def _audit_rows(axis: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for item in axis["categories"]:
        figure = item["figures"]["above_median"]
        rate, ratio = figure["rate"], figure["ratio"]
        words = verdict_words(figure["comparator"], figure["few"], ratio and ratio["below_four_fifths"])
        high = ratio["high"] if ratio and ratio["high"] is not None else float("inf")
        yield (
            f"{axis['name']}: {item['name']}",
            percent(rate["value"]) if rate else "",
            percents(rate["low"], rate["high"]) if rate else "",
            impact_ratio(ratio["value"], ratio["below_four_fifths"])
            if ratio
            else ("1" if figure["comparator"] else ""),
            span(ratio["low"], high) if ratio else "",
            "under 2 %" if item["small_share"] else words,
            f"{item['n']:,}",
        )
    yield f"{axis['name']}: not known", "", "", "", "", "", f"{axis['unknown']:,}"


def drift_section(model: OfferModel, drift: Mapping[str, Any]) -> Section:
    """Show the content of drift.json."""
    title = "Drift"
    if not drift:
        return Section(
            title, ["Drift has not been checked for this model, or not in this folder: predictor drift CURRENT."]
        )
    labels = model.catalogue.labels
    names = dict.fromkeys(labels.get(test["name"], test["kind"]) for test in drift["moved"])
    changes = f"Significant changes: {', '.join(names)}." if names else "No significant change."
    simulated = " SIMULATED rows." if drift["simulated"] else ""
    result = drift["outcomes"]
    parts: list[Part] = [
        f"Checked {drift['made'][:10]} on {drift['n']:,} rows from {drift['source']}, {len(drift['looks'])} tests."
        f"{simulated} {changes}",
        f"{result['n']:,} outcomes had come, {result['open']:,} were open.",
    ]
    if result["slope"]:
        slope = result["slope"]
        parts.append(f"Calibration slope {number(slope['value'])} ({span(slope['low'], slope['high'])}); 1 is right.")
    return Section(title, parts)


def _retention(model: OfferModel) -> Section:
    panels = "; each rater's pseudonym, leniency and number of scorecards" if model.raters else ""
    held = [
        ("The model's file", f"tables and counts; no row, no name, no text of a rater{panels}"),
        (
            "Beside it",
            "out_of_fold.csv: for each row learned from, numbers computed from the row and from its person, by which "
            "predictor forget knows them; the outcome, likelihoods and folds; no ratings",
        ),
        ("The rows themselves", f"stay in {model.trained_on['source']}; the training makes no copy"),
        ("Deleting a person", "predictor forget PERSON --table FILE --cards FILE --journal FILE; models then say so"),
    ]
    deleted = list(model.deleted_note()) or ["No row that it learned from is recorded as deleted since."]
    return Section("Retention", [*deleted, Facts(held)])


def _made(model: OfferModel) -> Section:
    catalogue = model.catalogue
    versions = ", ".join(f"{name} {number}" for name, number in model.versions.items())
    facts = [
        ("Form", f"exact tables of log-odds, {len(model.pairs)} of them for pairs; format {model.format}"),
        ("Catalogue", f"{catalogue.title} ({catalogue.name}): {len(catalogue.signals)} signals"),
        ("Fingerprint", model.fingerprint),
        ("Made", f"{model.created_at}; {versions}" if versions else model.created_at),
    ]
    return Section("How it was made", [Facts(facts)])
