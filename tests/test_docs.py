"""The pages in docs/ say what the code says."""

from pathlib import Path

from restore.plugins.discovery import catalog

DOCS = Path(__file__).resolve().parents[1] / "docs"


def test_every_sampler_has_its_section_with_its_exactness():
    """To mend: python docs/make_samplers.py"""
    page = (DOCS / "samplers.md").read_text("utf-8")
    for entry in catalog().registry("samplers"):
        if entry.plugin == "restore":
            assert f"\n### {entry.name}\n" in page
            assert f"| `{entry.name}` | {entry.facts['exactness']} |" in page
