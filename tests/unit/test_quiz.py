"""The quizzes: every file of questions is well formed, and every answer is explained."""

import re
import tomllib
from pathlib import Path

import pytest

from course_utils import quiz as quiz_module
from course_utils.quiz import Quiz, known_quizzes, load_questions, quiz

PROJECT = Path(__file__).resolve().parents[2]
FOLDER = PROJECT / "course_utils" / "quiz_questions"

every_quiz = pytest.mark.parametrize("stem", known_quizzes())


@every_quiz
def test_a_quiz_belongs_to_a_lesson_and_has_five_questions(stem):
    assert (PROJECT / "notebooks" / f"{stem}.ipynb").exists()
    assert set(tomllib.loads((FOLDER / f"{stem}.toml").read_text("utf-8"))) == {"question"}
    questions = load_questions(stem)
    assert len(questions) == 5
    assert len({question["text"] for question in questions}) == 5


@every_quiz
def test_each_question_has_three_or_four_answers_one_right_all_explained(stem):
    for question in load_questions(stem):
        answers = question["answers"]
        assert 3 <= len(answers) <= 4, question["text"]
        assert sum(answer["right"] for answer in answers) == 1
        for answer in answers:
            assert 5 <= len(answer["why"].split()) <= 50, answer
            assert answer["why"] != answer["text"]


@every_quiz
def test_questions_are_one_line_of_plain_marks(stem):
    """The quiz knows `code`, *stress* and **strong**; a formula or a tag would show as it is."""
    for question in load_questions(stem):
        for text in [
            question["text"],
            *(a[k] for a in question["answers"] for k in ("text", "why")),
        ]:
            assert not re.search(r"[\n$<>]|\\|https?:", text.replace("<=", "")), text
            assert text.count("`") % 2 == 0, text
            assert len(text.split()) <= 50, text


@every_quiz
def test_the_right_answer_is_not_always_in_the_same_place(stem):
    places = [[a["right"] for a in q["answers"]].index(True) for q in load_questions(stem)]
    assert len(set(places)) > 1, places


def test_there_are_quizzes():
    assert "04_decibel" in known_quizzes()


def test_the_order_of_the_answers_does_not_change_from_run_to_run():
    words = [answer["text"] for answer in load_questions("04_decibel")[0]["answers"]]
    assert words == ["40 dB", "2 dB", "20 dB", "100 dB"]  # Python's own hash() would differ


def test_output_is_the_same_every_time_and_shows_the_questions_without_a_widget():
    (data, _), (again, _) = (quiz("04_decibel")._repr_mimebundle_() for _ in range(2))
    for kind in ("text/plain", "text/markdown"):
        assert data[kind] == again[kind]
    assert data["text/plain"] == "Quiz of 04_decibel: 5 questions"
    for question in load_questions("04_decibel"):
        assert question["text"] in data["text/markdown"]
        for answer in question["answers"]:
            assert answer["text"] in data["text/markdown"]
            assert answer["why"] not in data["text/markdown"]


def test_first_tries_are_counted():
    asked = quiz("04_decibel")
    right = [[a["right"] for a in q["answers"]].index(True) for q in asked.questions]
    assert asked.n_right_at_once == 0
    asked.tried = [[right[0]], [1 - right[1] % 2, right[1]], [], [], []]
    assert asked.n_right_at_once == 1


def test_unknown_lesson_is_named_with_those_that_there_are():
    with pytest.raises(ValueError, match=r"stem='12_magic' has no questions; .*04_decibel"):
        quiz("12_magic")


WELL_FORMED = """
[[question]]
text = "What?"
right = "this"
why = "Because it is so."
[question.wrong]
"that" = "Because it is not."
"""


@pytest.mark.parametrize(
    ("find", "put", "says"),
    [
        ('why = "Because it is so."', "", "needs exactly"),
        ('"that" = "Because it is not."', "", "needs exactly"),
        ('text = "What?"', 'txt = "What?"', "needs exactly"),
        ('"that" = "Because it is not."', '"that" = " "', "empty"),
        ('"that"', '"this"', "two answers are the same"),
    ],
    ids=["right not explained", "no wrong answer", "mistyped key", "blank explanation", "twice"],
)
def test_question_that_is_not_well_formed_is_named(tmp_path, monkeypatch, find, put, says):
    monkeypatch.setattr(quiz_module, "_QUESTIONS", tmp_path)
    (tmp_path / "20_test.toml").write_text(WELL_FORMED, encoding="utf-8")
    assert len(load_questions("20_test")[0]["answers"]) == 2
    (tmp_path / "20_test.toml").write_text(WELL_FORMED.replace(find, put), encoding="utf-8")
    with pytest.raises(ValueError, match=f"20_test, question 1: .*{says}"):
        load_questions("20_test")


def test_files_of_the_quiz_are_where_the_package_takes_them():
    """Hatch packs the folder ``course_utils`` with all that git does not ignore."""
    for path in ("quiz.js", "quiz.css", "quiz_questions/04_decibel.toml"):
        assert (PROJECT / "course_utils" / path).is_file()
    assert isinstance(quiz("04_decibel"), Quiz)
    assert "export default" in quiz("04_decibel")._esm
