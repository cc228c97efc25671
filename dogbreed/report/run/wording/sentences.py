"""Sentences about the facts of a run: for the report, the model card and the terminal."""

from collections.abc import Sequence

from dogbreed.configuration.schema import AUTO
from dogbreed.data.layouts.splits import TEST, VALID, Finding
from dogbreed.evaluation.baseline import TRAINED
from dogbreed.evaluation.facts import Baseline, Facts
from dogbreed.evaluation.metrics.measuring import ClassMetrics
from dogbreed.evaluation.mistakes import confusions
from dogbreed.report import metric_table
from dogbreed.report.formatting import counted, decimal, percent, points
from dogbreed.utils.nouns import plural


def headline(facts: Facts) -> str:
    """How good the run is."""
    test = facts.metrics[TEST]
    right = (
        f"{percent(test['top1'], test.ci95['top1'])} of {counted(test.n, 'test photo')} were "
        f"classified correctly into {len(facts.classes):,} {plural(facts.noun)}"
    )
    if len(facts.classes) <= 5:
        return f"{right}."
    return f"{right}; of {percent(test['top5'])} the {facts.noun} was among the five likeliest."


def against(baseline: Baseline) -> str:
    """Whether the run is better than another head, as far as the test photos show."""
    low, high = baseline.top1_gain_ci95
    name = f"the {baseline.name}" if baseline.name == TRAINED else baseline.name
    if low > 0:
        verdict = f"The run is better than {name}"
    elif high < 0:
        verdict = f"The run is worse than {name}"
    else:
        verdict = f"These test photos can't tell the run from {name}"
    gain = points(baseline.top1_gain_points, baseline.top1_gain_ci95)
    fitted = f"{baseline.setting}, " if baseline.setting else ""
    return (
        f"{verdict} ({fitted}{counted(baseline.n_train, 'training photo')}): {gain} of top-1, over "
        f"the same {counted(baseline.test.n, 'test photo')}."
    )


def selected_head(facts: Facts) -> str:
    """Which head is that of the run, where others were fitted."""
    name = f"the {facts.head}" if facts.head == TRAINED else facts.head
    model = facts.config["model"]
    # Behind a trained stage the trained head is the only one that fits.
    if model["head"] != AUTO or model.get("trainable", "head") != "head":
        return f"The head of this run is {name}."
    return f"The head of this run is {name}, selected by the loss on the validation photos."


def threshold(facts: Facts) -> str:
    """What the threshold of "unknown" does to the test photos."""
    answered, ci95 = facts.unknown, facts.unknown["ci95"]
    if not facts.threshold:
        return (
            "No answer is “unknown”: too few validation photos are classified correctly to "
            "determine a threshold."
        )
    sentence = (
        f"An answer with a probability below {decimal(facts.threshold)} is “unknown”. "
        f"{percent(answered['answered_share'], ci95['answered_share'])} of the test photos are "
        "answered"
    )
    if answered["answered_top1"] is None:
        return f"{sentence}."
    right = percent(answered["answered_top1"], ci95["answered_top1"])
    sentence = f"{sentence}, and {right} of those answers are right."
    if answered["right_answered_share"] is None:
        return sentence
    reached = percent(answered["right_answered_share"], ci95["right_answered_share"])
    return f"{sentence} {reached} of the right answers reach the threshold."


def temperature(facts: Facts) -> str:
    """What calibration did."""
    test = facts.metrics[TEST]
    which = "less" if facts.temperature > 1 else "more"
    return (
        f"The temperature {decimal(facts.temperature)}, fitted on the validation photos, makes "
        f"the model {which} sure of its answers and changes none. On the test photos the expected "
        f"calibration error is {percent(test['ece_share'], test.ci95['ece_share'])} before it and "
        f"{percent(test['ece_calibrated_share'], test.ci95['ece_calibrated_share'])} after it. "
        f"{_against_perfect(facts)}"
    )


def _against_perfect(facts: Facts) -> str:
    """Whether the error after the temperature is more than the noise of so many photos."""
    found = facts.calibration
    verdict = (
        "the remaining error is real"
        if found.p_value < 0.05
        else "nothing shows that the probabilities are wrong"
    )
    return (
        f"On as many photos a perfectly calibrated model shows {percent(found.floor_share)} on "
        f"average, so {verdict} (p = {found.p_value:.2g})."
    )


def caveats(facts: Facts) -> list[str]:
    """What misleads in the table of metrics."""
    found = metric_table.caveats(facts.metrics)
    if VALID in facts.metrics:
        found.append(
            "The validation photos selected the epoch, the temperature and the threshold, so their "
            "figures are optimistic; nothing was selected on the test photos."
        )
    return found


def weakest(facts: Facts, limit: int) -> list[ClassMetrics]:
    """The classes whose test photos are recognised least often."""
    tested = [
        class_metrics for class_metrics in facts.class_metrics if class_metrics.recall is not None
    ]
    return sorted(
        tested, key=lambda class_metrics: (class_metrics.recall or 0.0, class_metrics.display_name)
    )[:limit]


def left_out(findings: Sequence[Finding]) -> int:
    """How many photos can't be used."""
    return sum(finding.photos for finding in findings if finding.bad)


def in_plain_words(facts: Facts) -> str:
    """How many test photos the run classifies correctly, and the class where it is worst.

    Correct on 77 of 100 test photos (67.8 to 84.2 %), among its top five for 96. Weakest class:
    collie, 1 of 10, mostly predicted as Border collie.
    """
    if TEST not in facts.metrics or not facts.metrics[TEST].n:
        return "There is no test photo, so nothing says how good the model is."
    test = facts.metrics[TEST]
    hits = round(test["top1"] * test.n)
    low, high = (f"{100 * end:.1f}" for end in test.ci95["top1"])
    number = f"{hits:,} of {counted(test.n, 'test photo')}"
    sentence = f"Correct on {number} ({low} to {high} %)"
    if len(facts.classes) > 5:  # of five or fewer every answer is among the five
        sentence += f", among its top five for {round(test['top5'] * test.n):,}"
    if hits == test.n:
        return f"{sentence}. No {facts.noun} was mistaken for another."
    return f"{sentence}. {_weakest(facts)}"


def _weakest(facts: Facts) -> str:
    """The class with the lowest share of correct answers, and what is answered instead."""
    first, *others = weakest(facts, len(facts.classes))
    ties = sum(other.recall == first.recall for other in others)
    more = f" (and {ties:,} more)" if ties else ""
    title = f"Weakest {plural(facts.noun) if ties else facts.noun}: {first.display_name}{more}"
    hits = round((first.recall or 0.0) * first.n)
    label = facts.classes.index(first.name)
    pair = next(pair for pair in confusions(facts.test_scores) if pair.label == label)
    often = "mostly" if 2 * pair.count > first.n else f"{pair.count:,}"
    return (
        f"{title}, {hits:,} of {first.n:,}, {often} predicted as "
        f"{facts.display_names[pair.taken_for]}."
    )
