"""Reports of small pictures: the tests do not look at them, and they are most of the work."""

import pytest


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch):
    from restore_speech.recipes import show

    monkeypatch.setattr(show, "HEIGHT", 24)
    monkeypatch.setattr(show, "WIDTH", 60)
