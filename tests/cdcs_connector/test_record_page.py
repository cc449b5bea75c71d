"""The record's stylesheet: what it says, what it links, and that its work grows with the datasets only linearly."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree, html

from cdcs_connector.site import page_marks

XSLT = Path(__file__).resolve().parents[2] / "cdcs_connector" / "site" / "xslt"
NX = "https://data.nist.gov/od/dm/nexus/experiment/v1.0"


SHEET = etree.XSLT(etree.parse(XSLT / "record.xsl"), access_control=etree.XSLTAccessControl.DENY_ALL)


@pytest.fixture
def page(samples: Any) -> Any:
    """Render XML, or a record of so many datasets; its tree."""

    def render(what: int | str) -> Any:
        xml = what if isinstance(what, str) else samples.record_xml(what)
        root = etree.fromstring(xml.encode())
        page_marks.mark(root)
        return html.fromstring(str(SHEET(root)))

    return render


def text(element: Any) -> str:
    return " ".join(element.text_content().split())


def experiment(inner: str, attributes: str = "") -> str:
    return f'<Experiment xmlns="{NX}" {attributes}>{inner}</Experiment>'


def test_the_head_says_who_where_when_and_what(page: Any) -> None:
    found = page(60)
    assert text(found.find(".//h1")) == "EDS tomography of an interplanetary dust particle"
    assert [text(s) for s in found.xpath("//div[@class='facts'][1]/span")] == [
        "Researcher A, with Researcher B",
        "FEI TitanX 80-300",
        "29 November 2018, 09:00 – 17:00 (UTC−08:00)",
        "60 datasets",
        "20181129-titanx-k4m7pa",
    ]
    assert [text(c) for c in found.xpath("//div[@class='head']//*[contains(@class, 'chip ') or @class='chip']")] == [
        "STEM 55",
        "Not read 5",
        "Sample L2083-K-4-1",
        "Sample STO reference",
        "Project Dust",
        "9 datasets need a look",
    ]


def test_every_link_within_the_page_has_its_target_and_no_id_stands_twice(page: Any) -> None:
    found = page(120)
    ids = found.xpath("//@id")
    assert len(ids) == len(set(ids))
    targets = [href[1:] for href in found.xpath("//a/@href") if href.startswith("#")]
    assert len(targets) > 120
    assert set(targets) <= set(ids)


def test_a_row_links_picture_metadata_and_download(page: Any, samples: Any) -> None:
    row = page(12).xpath("//tbody/tr")[1]
    assert row.get("id") == f"d-{samples.file_id(1)}-0"
    assert row.xpath(".//img/@src") == [f"/files/{samples.file_id(1)}/2/0/preview"]
    assert row.xpath(".//img/@loading") == ["lazy"]
    assert row.xpath("./td[@class='row-actions']/a/@href") == [
        f"/files/{samples.file_id(1)}/2/metadata.json?dataset=0",
        f"/files/{samples.file_id(1)}/2/dust%200001%20%C3%A9.bcf",
    ]
    assert "Stage Alpha" in text(row)
    assert "−49°" in text(row)


def test_a_doubtful_value_and_an_unreadable_file_say_so_beside_their_names(page: Any) -> None:
    rows = page(12).xpath("//tbody/tr")
    assert rows[1].xpath(".//dd/span[@class='doubt']/@aria-label") == ["This value may be wrong."]
    assert [text(w) for w in rows[7].xpath(".//ul[@class='warnings']/li")] == [
        "The file ends after 58 bytes; its header promises 17 MB."
    ]


def test_the_timeline_spans_the_session(page: Any) -> None:
    pieces = page(12).xpath("//nav[@class='timeline']//a/*[local-name()='svg']")
    edges = [(float(p.get("x").rstrip("%")), float(p.get("width").rstrip("%"))) for p in pieces]
    assert edges[0][0] == 0
    assert sum(edges[-1]) == pytest.approx(100, abs=0.01)
    assert all(x >= 0 and x + width <= 100.01 for x, width in edges)


def test_the_gallery_opens_with_the_dataset_that_people_chose(page: Any, samples: Any) -> None:
    xml = samples.record_xml(12)
    end = xml.rindex("</dataset>")
    chosen = page(xml[:end] + "<curation><rating>4</rating><featured>true</featured></curation>" + xml[end:])
    assert chosen.xpath("//div[@class='stage']//img/@src") == [f"/files/{samples.file_id(11)}/12/0/preview"]
    assert "★★★★" in text(chosen.xpath("//tbody/tr")[-1])
    assert page(12).xpath("//nav[@class='film']/a[@aria-current]/@href") == [f"#d-{samples.file_id(0)}-0"]


def test_values_are_readable_and_whole_on_hover(page: Any) -> None:
    params = "".join(
        f'<param name="{name}" unit="{unit}">{value}</param>'
        for name, unit, value in (("Pixel Size", "µm", "0.0112896"), ("Stage Tilt", "°", "-50"), ("Detector", "", "ET"))
    )
    values = page(experiment(f"<summary/><acquisitionActivity><setup>{params}</setup></acquisitionActivity>")).xpath(
        "//div[@class='grid3 principal']/div/span[2]"
    )
    assert [text(v) for v in values] == ["ET", "11.29 nm", "−50°"]
    assert [v.xpath("./span/@title") for v in values] == [[], ["0.0112896 µm"], []]


def test_the_gallery_opens_with_a_picture_rather_than_a_plot(page: Any, samples: Any) -> None:
    xml = samples.record_xml(3).replace('type="Image"', 'type="Spectrum"', 1)
    assert page(xml).xpath("//div[@class='stage']//img/@src") == [f"/files/{samples.file_id(1)}/2/0/preview"]


def test_a_time_of_another_day_is_shown_with_it_and_does_not_stretch_the_timeline(page: Any, samples: Any) -> None:
    xml = samples.record_xml(12)
    other = xml.replace('Time">2018-11-29T09:49:05-08:00', 'Time">2031-02-03T04:05:06-08:00')
    assert other != xml
    found = page(other)
    assert [text(at) for at in found.xpath("//td[@class='at']")[:2]] == ["09:14:05", "3 Feb 2031, 04:05:06"]
    assert found.xpath("//nav[@class='timeline']//*[@class='clock end']/text()") == ["15:39"]


def test_old_files_in_a_session_of_today_say_their_day_everywhere(page: Any, samples: Any) -> None:
    xml = samples.record_xml(12).replace("<reservationStart>2018-11-29", "<reservationStart>2026-11-21")
    found = page(xml.replace("<reservationEnd>2018-11-29", "<reservationEnd>2026-11-21"))
    assert "21 November 2026, 09:00 – 17:00 (UTC−08:00)" in text(found)
    small = found.xpath("//aside//small | //section[@class='activity']/header/small")
    assert all(text(s).startswith("29 Nov 2018, ") for s in small)
    assert found.xpath("//*[@class='clock start']/text()") == ["29 Nov 2018, 09:14"]
    assert text(found.xpath("//div[@class='about']/small")[0]) == "Image · 29 Nov 2018, 09:14:05"
    assert text(found.xpath("//td[@class='at']")[0]) == "29 Nov 2018, 09:14:05"
    assert "Data acquired29 Nov 2018, 09:14 – 15:39" in text(found.get_element_by_id("summary"))
    assert text(found.xpath("//*[@id='notes']//time")[0]) == "29 Nov 2018, 10:52"


ONE = (
    "<summary><reservationStart>2026-02-06T22:00:00Z</reservationStart></summary><acquisitionActivity>"
    '<startTime>{start}</startTime><dataset type="Image"><name>a.tif</name>{said}'
    '<meta name="Acquisition Time"{warning}>2026-02-06T22:10:00Z</meta></dataset></acquisitionActivity>'
)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "The file has no acquisition time of its own; this is when it was saved."),
        (
            "<description>The acquisition time lies outside the session; ...</description>",
            "This time lies outside the session.",
        ),
    ],
)
def test_a_doubtful_time_says_so_in_the_row_and_in_the_caption(page: Any, said: str, why: str) -> None:
    found = page(experiment(ONE.format(start="2026-02-06T22:10:00Z", said=said, warning=' warning="true"')))
    assert found.xpath("//td[@class='at']/span/@aria-label") == [why]
    assert found.xpath("//div[@class='about']/small/span/@aria-label") == [why]
    assert "Files saved22:10" in text(found.get_element_by_id("summary"))


@pytest.mark.parametrize(
    ("start", "label"), [("2026-02-06T22:10:00Z", "Data acquired"), ("2026-02-06T22:09:00Z", "Files saved")]
)
def test_data_are_called_acquired_where_their_first_time_is_an_acquisition(page: Any, start: str, label: str) -> None:
    found = page(experiment(ONE.format(start=start, said="", warning="")))
    assert label in text(found.get_element_by_id("summary"))
    assert found.xpath("//span[@class='doubt']") == []


def rows(*times: str, start: str, warning: str) -> str:
    """An activity whose first file was not read, and a file for each of the times."""
    read = "".join(
        f'<dataset type="Image"><name>{n}.tif</name><meta name="Acquisition Time"{warning}>{at}</meta></dataset>'
        for n, at in enumerate(times)
    )
    unread = '<dataset type="Unknown"><name>x.bin</name><description>No reader knows it.</description></dataset>'
    return f"<acquisitionActivity><startTime>{start}</startTime>{unread}{read}</acquisitionActivity>"


@pytest.mark.parametrize("warning", ["", ' warning="true"'])
def test_files_without_times_of_their_own_say_from_when_to_when_they_were_saved(page: Any, warning: str) -> None:
    times = ("2026-02-06T07:10:51Z", "2026-02-06T07:16:29Z")
    found = page(experiment(rows(*times, start="2026-02-06T07:05:00Z", warning=warning)))
    assert "Files saved07:05 – 07:16" in text(found.get_element_by_id("summary"))
    assert text(found.xpath("//header/small")[0]) == "saved 07:05 – 07:16 · 3 datasets"


def test_acquisitions_before_their_files_were_saved_say_nothing_of_the_last_saving(page: Any) -> None:
    times = ("2026-02-06T06:49:00Z", "2026-02-06T07:10:00Z")
    found = page(experiment(rows(*times, start="2026-02-06T07:05:00Z", warning="")))
    assert text(found.xpath("//header/small")[0]) == "saved 07:05 · 3 datasets"


def test_a_series_says_from_when_to_when(page: Any) -> None:
    last = '<meta name="Last Acquisition Time">2026-02-07T00:20:00Z</meta></dataset>'
    found = page(experiment(ONE.format(start="2026-02-06T22:10:00Z", said="", warning="").replace("</dataset>", last)))
    assert text(found.xpath("//td[@class='at']")[0]) == "22:10:00 – 7 Feb 2026, 00:20:00"
    assert text(found.xpath("//header/small")[0]) == "22:10 – 7 Feb 2026, 00:20 · 1 dataset"


def test_chips_lead_to_the_first_of_their_kind(page: Any, samples: Any) -> None:
    chips = {text(c): c.get("href") for c in page(60).xpath("//a[contains(@class, 'chip')]")}
    assert chips == {
        "STEM 55": "#activity-1",
        "Not read 5": f"#d-{samples.file_id(7)}-0",
        "Sample L2083-K-4-1": "#activity-1",
        "Sample STO reference": "#activity-4",
        "9 datasets need a look": f"#d-{samples.file_id(5)}-0",
    }


def test_datasets_without_a_technique_are_counted_by_type(page: Any, samples: Any) -> None:
    xml = samples.record_xml(10).replace('<param name="Technique">STEM</param>', "")
    chips = [text(c) for c in page(xml).xpath("//a[@class='chip on']")]
    assert chips == ["Image 3", "Spectrum image 2", "Diffraction 2", "Spectrum 2", "Not read 1"]


def test_each_dataset_that_needs_a_look_is_marked_in_film_strip_and_rows(page: Any) -> None:
    found = page(60)
    marked = [row.get("id") for row in found.xpath("//tbody/tr[@class='look']")]
    assert len(marked) == 9
    assert found.xpath("//nav[@class='film']/a[@class='look']/@href") == [f"#{anchor}" for anchor in marked]


def test_an_unread_file_is_a_plain_tile_with_its_name(page: Any) -> None:
    found = page(12)
    assert text(found.xpath("//nav[@class='film']/a")[7]) == "Not readdust 0007 é.emd"
    assert found.xpath("//tbody/tr")[7].xpath(".//img") == []


def test_notes_and_sample_changes_are_dots_on_the_timeline(page: Any) -> None:
    dots = page(60).xpath("//nav[@class='timeline']//a[contains(@class, 'dot')]")
    assert [(d.get("class"), d.get("href")) for d in dots] == [("dot note", "#note-1"), ("dot sample", "#activity-4")]
    assert dots[0].get("aria-label").startswith("10:52 Stage drifted")
    assert dots[1].get("aria-label") == "Sample: STO reference"


def test_only_very_many_datasets_are_left_to_be_drawn_later(page: Any) -> None:
    assert [page(count).get("class") for count in (200, 201)] == ["record", "record many"]


def test_two_samples_share_a_line_of_the_summary(page: Any) -> None:
    lines = [text(d) for d in page(4).xpath("//*[@id='summary']//div[@class='grid3']/div")]
    assert "SamplesL2083-K-4-1, FIB section, 200 nm (O Mg Si Fe)STO reference" in lines


def test_activities_within_a_minute_have_no_timeline(page: Any) -> None:
    activity = "<acquisitionActivity><startTime>2026-02-06T09:00:{}Z</startTime></acquisitionActivity>"
    assert page(experiment(f"<summary/>{activity.format('01')}{activity.format('59')}")).xpath("//nav") == []


def test_a_record_without_anything_still_has_a_page(page: Any) -> None:
    found = page(experiment("<summary/>"))
    assert text(found.find(".//h1")) == "Session without a title"
    assert "No files were saved in this session." in text(found)
    assert found.xpath("//nav") == []


def test_one_dataset_has_no_film_strip_and_no_timeline(page: Any) -> None:
    found = page(1)
    assert found.xpath("//nav") == []
    assert "1 dataset" in [text(s) for s in found.xpath("//div[@class='facts'][1]/span")]


def test_a_night_session_names_both_days(page: Any) -> None:
    xml = experiment(
        "<summary><reservationStart>2026-02-06T22:10:00Z</reservationStart>"
        "<reservationEnd>2026-02-07T01:05:00Z</reservationEnd></summary>"
    )
    assert "6 February 2026, 22:10 – 7 Feb 2026, 01:05 (UTC)" in text(page(xml))


def test_what_a_record_says_never_becomes_a_script_or_a_foreign_link(page: Any) -> None:
    evil = "&lt;script&gt;alert(1)&lt;/script&gt;"
    found = page(
        experiment(
            f'<title>{evil}</title><summary ref="javascript:alert(1)"><experimenter>{evil}</experimenter></summary>'
            "<project><name>p</name><ref>javascript:alert(2)</ref></project>"
            f"<acquisitionActivity><setup><param name='{evil}'>{evil}</param></setup>"
            f"<dataset type='Image'><name>{evil}</name>"
            "<location>javascript:alert(3)</location><preview>https://elsewhere.example/x.png</preview>"
            f"<meta name='{evil}'>{evil}</meta></dataset></acquisitionActivity>",
            'pid="javascript:alert(4)"',
        )
    )
    assert found.xpath("//script") == []
    assert [a for a in found.xpath("//@href | //@src") if not a.startswith("#")] == []
    assert found.xpath("//@style") == []


def test_values_of_other_systems_are_shown_as_they_are(page: Any, titan_example_record: Path) -> None:
    found = page(titan_example_record.read_text())
    assert len(found.xpath("//tbody/tr")) == 48
    assert found.xpath("//img") == []
    assert "BM-UltraScan" in text(found)


def test_no_expression_looks_back_over_the_datasets() -> None:
    """What would make the work quadratic: an axis over siblings, or a search from the root, inside the loops."""
    source = (XSLT / "record.xsl").read_text()
    for name in ("preceding", "following", "ancestor::", "xsl:number", "position() = last()"):
        assert name not in source, name
    assert not re.search(r'(select|test|match)="[^"]*(?<!:)//', source)


def test_twice_the_datasets_are_twice_the_page(page: Any) -> None:
    """Work that is written out is counted in elements: the same for each dataset, however many there are."""
    sizes = {count: len(page(count).xpath("//*")) for count in (500, 1000, 2000)}
    each = (sizes[1000] - sizes[500]) / 500
    assert (sizes[2000] - sizes[1000]) / 1000 == pytest.approx(each, rel=0.02)
    assert each < 35


@settings(max_examples=60, deadline=None)
@given(
    st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=40),
    st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20),
)
def test_any_text_comes_through_unchanged(title: str, value: str) -> None:
    root = etree.fromstring(
        experiment("<title/><summary/><acquisitionActivity><setup><param/></setup></acquisitionActivity>")
    )
    root[0].text = title
    root.find(f".//{{{NX}}}param").text = value
    found = html.fromstring(str(SHEET(root)))
    assert text(found.find(".//h1")) == (" ".join(title.split()) or "Session without a title")
    assert text(found.xpath("//div[@class='grid3 principal']/div/span[2]")[0]) == " ".join(value.split())


def test_the_list_stylesheet_gives_one_line(samples: Any) -> None:
    sheet = etree.XSLT(etree.parse(XSLT / "list.xsl"))
    found = html.fromstring(str(sheet(etree.fromstring(samples.record_xml(12).encode()))))
    assert text(found.find(".//h2")) == "EDS tomography of an interplanetary dust particle"
    facts = [text(span) for span in found.xpath("//span")]
    assert facts == ["Researcher A", "FEI TitanX 80-300", "2018-11-29", "12 datasets"]
