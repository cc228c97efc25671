"""The sentence in plain words at the end of a training: its counts are the facts'."""

from dataclasses import replace

import pytest
import torch
from helpers.made_facts import make_facts

from dogbreed.evaluation.facts import Facts
from dogbreed.evaluation.metrics.measuring import measure, measure_classes
from dogbreed.evaluation.metrics.scores import Scores
from dogbreed.report.run.wording.sentences import in_plain_words

NAMES = ("Akita", "Beagle", "Collie", "Dingo", "Eurasier", "Foxhound")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    return make_facts(tmp_path_factory.mktemp("photos"))


def facts_of(made: Facts, answers: dict[str, list[str]], noun: str = "class") -> Facts:
    """Facts where each class's test photos were answered so."""
    names = tuple(answers)
    targets = [names.index(name) for name, given in answers.items() for _ in given]
    predicted = [names.index(answer) for given in answers.values() for answer in given]
    logits = torch.zeros(len(targets), len(names))
    logits[torch.arange(len(targets)), torch.tensor(predicted)] = 5.0
    scores = Scores(logits.log_softmax(-1), torch.tensor(targets))
    return replace(
        made,
        classes=names,
        display_names=names,
        metrics={"test": measure(scores)},
        class_metrics=measure_classes(scores, names, names),
        test_scores=scores,
        config={"data": {"noun": noun}},
    )


def right(*names: str, photos: int = 10) -> dict[str, list[str]]:
    return {name: [name] * photos for name in names}


def test_the_weakest_class_and_what_it_is_mostly_taken_for(made: Facts) -> None:
    answers = right(*NAMES) | {"Collie": ["Collie", *["Akita"] * 6, *["Dingo"] * 3]}
    sentence = in_plain_words(facts_of(made, answers, "breed"))
    assert sentence.startswith("Correct on 51 of 60 test photos (73.9 to 91.")
    assert "Weakest breed: Collie, 1 of 10, mostly predicted as Akita." in sentence


def test_a_class_that_is_mostly_right_is_not_mostly_another(made: Facts) -> None:
    answers = right(*NAMES) | {"Beagle": [*["Beagle"] * 8, "Dingo", "Dingo"]}
    sentence = in_plain_words(facts_of(made, answers))
    assert sentence.endswith("Weakest class: Beagle, 8 of 10, 2 predicted as Dingo.")


def test_ties_are_counted(made: Facts) -> None:
    wrong = {"Beagle": [*["Beagle"] * 9, "Dingo"], "Dingo": [*["Dingo"] * 9, "Akita"]}
    sentence = in_plain_words(facts_of(made, right(*NAMES) | wrong))
    assert sentence.endswith("Weakest classes: Beagle (and 1 more), 9 of 10, 1 predicted as Dingo.")


def test_the_top_five_are_told_of_six_classes_or_more(made: Facts) -> None:
    answers = {"Akita": ["Beagle"] * 3, **right(*NAMES[1:], photos=3)}
    facts = facts_of(made, answers)
    hits = round(18 * facts.metrics["test"]["top5"])
    start = "Correct on 15 of 18 test photos (60.8 to 94.2 %)"
    assert in_plain_words(facts).startswith(f"{start}, among its top five for {hits}. ")
    few = {"Akita": ["Beagle"], "Beagle": ["Beagle"]}
    assert "top five" not in in_plain_words(facts_of(made, few))


def test_without_a_mistake_no_class_is_weak(made: Facts) -> None:
    sentence = in_plain_words(facts_of(made, right(*NAMES[:3]), "breed"))
    assert sentence == (
        "Correct on 30 of 30 test photos (88.6 to 100.0 %). No breed was mistaken for another."
    )


def test_without_test_photos_it_says_so(made: Facts) -> None:
    assert "no test photo" in in_plain_words(replace(made, metrics={}))


def test_a_class_without_test_photos_is_not_the_weakest(made: Facts) -> None:
    answers = right(*NAMES) | {"Akita": [], "Dingo": ["Beagle"]}
    assert "Weakest class: Dingo, 0 of 1, mostly predicted as Beagle." in in_plain_words(
        facts_of(made, answers)
    )
