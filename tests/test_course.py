"""`python -m course`: one line for what cannot be used, and its exit statuses."""

import pytest

from course import __main__ as course
from course import chapters


def test_an_unknown_chapter_is_one_line_and_status_2(capsys):
    assert course.main(["run", "04_trian"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("course: error: ") and error.count("\n") == 1
    assert "04_train" in error


def test_a_profile_that_is_given_twice_is_refused(capsys):
    assert course.main(["run", "04_train", "--profile", "small", "-p", "profile", "tiny"]) == 2
    assert "small" in capsys.readouterr().err


@pytest.mark.parametrize("stop, status", [(KeyboardInterrupt(), 130), (chapters.NotebookError("no memory"), 1)])
def test_what_stops_a_chapter_is_in_the_status(monkeypatch, stop, status):
    def stopped(*_, **__):
        raise stop

    monkeypatch.setattr(chapters, "run", stopped)
    assert course.main(["run", "00_start"]) == status
