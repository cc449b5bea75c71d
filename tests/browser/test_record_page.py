"""The record page in a real browser: gallery, keys, colours, small screens, and a session that is followed live."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.browser

SESSION = "20181129-titanx-browsa"
RUNNING = "20261121-titanx-browsb"


@pytest.fixture(scope="module")
def address(publish: Any) -> str:
    """The page of a record of 60 datasets."""
    return str(publish(SESSION, 60))


def shown(page: Any) -> tuple[str, str]:
    """The name and the picture that the gallery shows."""
    return page.locator(".about h2").inner_text(), page.locator(".picture img").get_attribute("src")


def test_the_arrow_keys_walk_through_the_gallery(window: Any, address: str, samples: Any) -> None:
    page = window(address)
    assert shown(page) == ("dust 0000 é.emd", f"/files/{samples.file_id(0)}/1/0/preview")
    assert page.locator(".place").inner_text() == "Dataset 1 of 60 · Activity 1"
    page.keyboard.press("ArrowRight")
    assert shown(page) == ("dust 0001 é.bcf", f"/files/{samples.file_id(1)}/2/0/preview")
    assert "200 kV" in page.locator(".about dl").inner_text()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert shown(page)[0] == "dust 0059 é.emd"
    assert page.url.endswith(f"#d-{samples.file_id(59)}-0")
    page.locator(".film a").nth(3).click()
    assert shown(page)[0] == "dust 0003 é.emd"
    page.locator("tbody tr").nth(7).locator("a.show").click()
    assert "The file ends after 58 bytes" in page.locator(".about .warnings").inner_text()


def test_a_link_to_a_dataset_opens_it(window: Any, address: str, samples: Any) -> None:
    page = window(f"{address}#d-{samples.file_id(17)}-0")
    assert shown(page)[0] == "dust 0017 é.emd"


def test_arrow_keys_in_the_search_stay_there(window: Any, address: str) -> None:
    page = window(address)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.type("abc")
    page.keyboard.press("ArrowLeft")
    assert shown(page)[0] == "dust 0000 é.emd"


@pytest.mark.parametrize("path", ["record", "", "explore/?q=dust", "login"])
def test_nothing_scrolls_sideways_on_a_telephone(window: Any, site: str, address: str, path: str) -> None:
    page = window(address if path == "record" else f"{site}/{path}", width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_choice_of_colours_is_remembered(window: Any, address: str) -> None:
    page = window(address, colours="light")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.locator("#theme").click()
    dark = page.evaluate(paper)
    assert dark != light
    page.reload()
    assert page.evaluate(paper) == dark
    assert window(address, colours="dark").evaluate(paper) == dark


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_an_activity_that_was_asked_for_lands_below_the_bar_and_is_marked(
    window: Any, address: str, number: int
) -> None:
    page = window(address)
    link = page.locator(f".side a[href='#activity-{number}']")
    link.click()
    page.wait_for_function("link => link.getAttribute('aria-current') === 'true'", arg=link.element_handle())
    assert page.locator(".side a[aria-current]").count() == 1
    bar = page.locator(".bar").bounding_box()
    top = page.locator(f"#activity-{number}").bounding_box()["y"]
    assert top >= bar["y"] + bar["height"]
    assert top < 900


def test_nothing_of_the_timeline_is_clipped_or_covered(window: Any, address: str) -> None:
    page = window(address, width=1000)
    labels = page.evaluate(
        """() => [...document.querySelectorAll(".timeline svg svg")].map((block) => {
          const box = block.querySelector("rect").getBoundingClientRect();
          const text = block.querySelector("text").getBoundingClientRect();
          return [box.left, text.left, text.right, box.right];
        })"""
    )
    assert len(labels) == 4
    edges = [edge for label in labels for edge in label]
    assert edges == sorted(edges)


def test_a_doubtful_value_says_why_on_focus(window: Any, address: str) -> None:
    page = window(address)
    mark = page.locator(".activity .doubt").first
    assert page.evaluate("e => getComputedStyle(e, '::after').content", mark.element_handle()) == "none"
    mark.focus()
    assert "may be wrong" in page.evaluate("e => getComputedStyle(e, '::after').content", mark.element_handle())


def test_a_telephone_has_the_sites_pages_in_reach(window: Any, address: str) -> None:
    page = window(address, width=390)
    for name in ("Sessions", "Explore"):
        assert page.get_by_role("link", name=name, exact=True).is_visible()


def test_without_scripts_the_film_strip_leads_to_the_rows(window: Any, address: str, samples: Any) -> None:
    page = window(address, script=False)
    assert not page.locator(".stage button").first.is_visible()
    page.locator(".film a").nth(2).click()
    assert page.url.endswith(f"#d-{samples.file_id(2)}-0")


def test_a_running_session_grows_and_becomes_its_record(
    window: Any, site: str, api: Any, samples: Any, publish: Any
) -> None:
    api.sessions[RUNNING] = samples.running_session(RUNNING)
    page = window(f"{site}/record/{RUNNING}")
    page.locator("#live-empty").wait_for(state="visible")
    file = samples.api_file(700, RUNNING, updated_at="2026-11-21T12:30:00.000000Z")
    api.files[file["id"]] = file
    page.locator(f".tile[data-file='{file['id']}'] img").wait_for(state="visible", timeout=20_000)
    publish(RUNNING, 3)
    page.locator("article.record .gallery").wait_for(state="visible", timeout=20_000)
