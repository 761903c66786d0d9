"""The report: whole, escaped, true to its pictures, and usable in a real browser."""

import base64
import io
import re
from html.parser import HTMLParser

import browser
import pytest
import torch

from restore.files.report import svg
from restore.files.report.page import write_index, write_report
from restore.files.task import Sound

NAME = """<b>cats</b> & "dogs" 'n' $title ${policy}.png"""
COMMAND = f"restore run denoise '{NAME}' -o out --noise 0.05"
FACTS = {
    "input": NAME, "recipe": "denoise", "prior": "image-grey", "sampler": "pigdm", "steps": 3,
    "calls": 3, "chains": 2, "seed": 0, "seconds": 1.25, "noise": 0.05, "noise_source": "given",
    "chi_square": 1.0312, "provenance": {"command": COMMAND, "precision": "float32"},
}  # fmt: skip
TRACE = [
    {"sigma": 1.0, "chi_square": 40.0},
    {"sigma": 0.1, "chi_square": 3.0},
    {"sigma": 0.01, "chi_square": 1.05},
]
METRICS = {"mean": {"psnr": 30.125, "ssim": 0.9}, "sample": {"psnr": 28.5, "ssim": None}}


def picture(channels=1, height=24, width=36, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(channels, height, width, generator=generator)


def pictures(**more):
    return {
        "input": picture(1, 12, 18), "restored": picture(), "std": 0.1 * picture(seed=1),
        "residual": picture(1, 12, 18) - 0.5, **more,
    }  # fmt: skip


def write(path, **changes):
    given = {
        "title": NAME, "pictures": pictures(sample=picture(seed=2), reference=picture(seed=3)),
        "facts": FACTS, "trace": TRACE, "command": COMMAND, "metrics": METRICS,
    }  # fmt: skip
    write_report(path, **given | changes)
    return path.read_text("utf-8")


class Page(HTMLParser):
    """Every tag with its attributes, and all words outside style and script."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self._inside = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside not in ("style", "script"):
            self.words.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def test_the_page_names_no_address_outside_itself(tmp_path):
    text = write(tmp_path / "report.html")
    page = Page(text)
    for _, attrs in page.tags:
        for key in ("src", "href", "srcset", "action", "data"):
            assert attrs.get(key, "data:").startswith("data:")
    assert not re.search(r"https?:|@import|url\(", text)
    assert "default-src 'none'" in next(
        m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"
    )


def test_names_with_markup_are_words_on_the_page(tmp_path):
    page = Page(write(tmp_path / "report.html"))
    assert "cats" not in page.words
    assert page.words.count(NAME) == 3  # title, heading, and the input in the provenance
    assert COMMAND in page.words


def test_the_page_shows_the_pictures_it_was_given(tmp_path):
    Image = pytest.importorskip("PIL.Image", reason="Pillow reads the pictures back")
    restored = picture(3, 5, 7)
    page = Page(write(tmp_path / "report.html", pictures=pictures(restored=restored)))
    source = next(i["src"] for i in page.all("img") if i.get("id") == "picture-restored")
    shown = Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2])))
    assert shown.size == (7, 5) and shown.mode == "RGB"
    expected = (restored[:, 2, 3] * 255).round().int().tolist()
    assert list(shown.getpixel((3, 2))) == expected


def test_a_huge_picture_is_shown_smaller_and_says_so(tmp_path):
    text = write(tmp_path / "report.html", pictures=pictures(restored=torch.zeros(1, 1500, 3000)))
    assert "3000\u00a0×\u00a01500, shown at 1200\u00a0×\u00a0600" in text
    assert len(text) < 200_000


@pytest.mark.parametrize(
    "changes, word, absent",
    [
        ({"trace": []}, "The way down", True),
        ({"metrics": None}, "Against the reference", True),
        ({"pictures": {"input": picture(3, 1, 1), "restored": picture(1, 1, 1)}}, "residual", True),
        ({"facts": {}}, "Provenance", False),
        ({"pictures": pictures(kernel=picture(1, 5, 5))}, "kernel", False),
    ],
)
def test_what_is_not_there_is_left_out(tmp_path, changes, word, absent):
    words = [words.strip() for words in Page(write(tmp_path / "report.html", **changes)).words]
    assert (word not in words) is absent


def test_figures_of_merit_and_facts_stand_on_the_page(tmp_path):
    words = Page(write(tmp_path / "report.html")).words
    for expected in ("30.12", "28.5", "1.031", "0.05", "provenance: precision", "float32"):
        assert expected in words


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"input": picture()}, "needs the picture 'restored'"),
        ({"input": picture(), "restored": torch.zeros(4, 4)}, "'restored' must be"),
        ({"input": torch.zeros(1, 0, 4), "restored": picture()}, "'input' must be"),
    ],
)
def test_a_missing_or_misshapen_picture_leaves_no_page(tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        write(tmp_path / "report.html", pictures=wrong)
    assert not list(tmp_path.iterdir())


def test_a_curve_leaves_out_what_has_no_place_on_its_scale():
    drawn = svg.curve([None, 10.0, float("nan"), float("inf"), 0.0, 1.0], "misfit", reference=1)
    points = re.search(r'points="([^"]*)"', drawn)[1].split()
    assert len(points) == 2
    assert points[1].startswith(f"{svg.WIDTH - svg.RIGHT:.1f},")  # the last step, at the right
    assert svg.curve([1.0], "one") == "" and svg.curve([None, None], "none") == ""


@pytest.mark.parametrize("low, high", [(0.002, 10), (0.9, 1.2), (1e-12, 1e12), (3, 300)])
def test_ticks_are_few_and_inside(low, high):
    ticks = svg.ticks(low, high)
    assert 1 <= len(ticks) <= 6
    assert all(low <= tick <= high for tick in ticks)


def test_the_contact_sheet_links_every_report_and_names_what_failed(tmp_path):
    rows = [
        {"title": NAME, "report": "a <&#?%>/report.html", "pictures": pictures()},
        {"title": "cut.png", "error": "cut.png: <truncated>"},
    ]
    write_index(tmp_path / "index.html", rows, title="photographs & more")
    page = Page((tmp_path / "index.html").read_text("utf-8"))
    assert [a["href"] for a in page.all("a")] == ["a%20%3C%26%23%3F%25%3E/report.html"]
    assert {"photographs & more", "1 restored, 1 failed", "cut.png: <truncated>"} <= set(page.words)
    assert len(page.all("img")) == 2


def test_what_is_no_picture_has_a_link_and_no_thumbnail(tmp_path):
    rows = [{"title": "a", "report": "a/report.html", "pictures": {}}]
    write_index(tmp_path / "index.html", rows, title="sounds")
    page = Page((tmp_path / "index.html").read_text("utf-8"))
    assert len(page.all("a")) == 1 and not page.all("img")


def test_sounds_have_players_that_hold_them(tmp_path):
    sounds = {
        "input": Sound(b"heard", "audio/flac", "the first 30 s"),
        "<b>": Sound(b"", "audio/x"),
    }
    page = Page(write(tmp_path / "report.html", sounds=sounds))
    first, _ = page.all("audio")
    kind, _, data = first["src"].partition(";base64,")
    assert kind == "data:audio/flac" and base64.b64decode(data) == b"heard"
    assert {"the first 30 s", "<b>", "To listen to"} <= set(page.words)
    assert not Page(write(tmp_path / "silent.html")).all("audio")


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """The report in a real browser."""
    if browser.found() is None:
        pytest.skip(f"no browser is installed: {', '.join(browser.NAMES)}")
    folder = tmp_path_factory.mktemp("browser")
    write(folder / "report #1 <é>.html")
    with browser.Browser(folder / "profile") as page:
        page.open(folder / "report #1 <é>.html")
        yield page


SLIDER = "document.querySelector('[role=slider]')"


def place(page):
    return float(page.value(f"{SLIDER}.getAttribute('aria-valuenow')"))


def box(page):
    """Left, top, width and height of the comparison, in the window."""
    return page.value(
        "(() => { scrollTo(0, 0); const b = document.querySelector('.compare')"
        ".getBoundingClientRect(); return [b.left, b.top, b.width, b.height]; })()"
    )


def test_the_browser_loads_nothing_else_and_has_no_complaint(opened):
    assert [u for u in opened.asked_for() if not u.startswith(("data:", "file:"))] == []
    assert len([u for u in opened.asked_for() if u.startswith("file:")]) == 1
    assert opened.complaints() == []
    shown = "[...document.images].every((i) => i.complete && i.naturalWidth > 0)"
    assert opened.value(shown)


def test_the_slider_moves_by_keyboard(opened):
    opened.value(f"{SLIDER}.focus()")
    for key, expected in [
        ("Home", 0), ("ArrowLeft", 0), ("ArrowRight", 1), ("ArrowUp", 2), ("PageUp", 12),
        ("ArrowDown", 11), ("PageDown", 1), ("End", 100), ("ArrowRight", 100),
    ]:  # fmt: skip
        opened.press(key)
        assert place(opened) == expected, key
    opened.press("ArrowLeft", shift=True)
    assert place(opened) == 90
    clip = "getComputedStyle(document.querySelector('.after')).clipPath"
    assert "90%" in opened.value(clip)
    assert opened.value(f"{SLIDER}.getAttribute('aria-valuetext')") == "90 % input, 10 % restored"


@pytest.mark.parametrize("way", ["drag", "swipe"])
def test_the_slider_follows_mouse_and_finger(opened, way):
    left, top, width, height = box(opened)
    middle = top + height / 2
    getattr(opened, way)((left + 0.4 * width, middle), (left + 0.75 * width, middle))
    assert place(opened) == pytest.approx(75, abs=1)


def test_either_side_of_the_slider_can_be_chosen(opened):
    opened.value(
        "(() => { const s = document.getElementById('before'); s.value = 'reference';"
        " s.dispatchEvent(new Event('change')); })()"
    )
    shown = "document.querySelector('.before').src === "
    assert opened.value(shown + "document.getElementById('picture-reference').src")


def test_the_command_is_copied(opened):
    opened.call("Browser.grantPermissions", permissions=["clipboardReadWrite"])
    opened.value("document.getElementById('copy').click()")
    wait = "new Promise((done) => setTimeout(() => done(document.getElementById('copy')"
    assert opened.value(wait + ".textContent), 200))") == "Copied"
    assert opened.value("document.getElementById('command').textContent") == COMMAND


def test_the_page_follows_the_wish_for_light_or_dark_and_fits_a_telephone(opened):
    ground = "getComputedStyle(document.body).backgroundColor"
    seen = {}
    for name in ("light", "dark"):
        opened.scheme(name)
        seen[name] = sum(map(int, re.findall(r"\d+", opened.value(ground))[:3]))
    assert seen["dark"] < 150 < 600 < seen["light"]
    opened.call(
        "Emulation.setDeviceMetricsOverride", width=360, height=640, deviceScaleFactor=2,
        mobile=True,
    )  # fmt: skip
    assert opened.value("document.documentElement.scrollWidth") <= 360
