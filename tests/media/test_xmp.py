import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media import iptc, xmp
from media.exif import Location

HEAD = "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
NAMES = " ".join(f"xmlns:{prefix}='{address}'" for address, prefix in xmp.NAMESPACES.items())


def packet(body: str, attributes: str = "") -> bytes:
    inner = f"<rdf:Description rdf:about='' {NAMES} {attributes}>{body}</rdf:Description>"
    return f"{HEAD}{inner}</rdf:RDF></x:xmpmeta>".encode()


def bag(*items: str, kind: str = "Bag") -> str:
    return f"<rdf:{kind}>{''.join(f'<rdf:li>{item}</rdf:li>' for item in items)}</rdf:{kind}>"


def test_attributes_and_elements_mean_the_same() -> None:
    for data in (packet("<xmp:Rating>4</xmp:Rating>"), packet("", "xmp:Rating='4'")):
        assert xmp.rating_of(xmp.properties_of(data)) == 4


def test_any_prefix_will_do() -> None:
    body = "<zz:subject xmlns:zz='http://purl.org/dc/elements/1.1/'>" + bag("Berg", "See") + "</zz:subject>"
    assert xmp.keywords_of(xmp.properties_of(packet(body))) == ["Berg", "See"]
    unknown = xmp.properties_of(packet("<q:thing xmlns:q='http://example.org/q/'>1</q:thing>"))
    assert unknown == {"{http://example.org/q/}thing": "1"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_alphabets(encoding: str) -> None:
    data = packet("<dc:title>" + bag("Größe 東京", kind="Alt") + "</dc:title>").decode().encode(encoding)
    assert xmp.title_of(xmp.properties_of(data)) == "Größe 東京"


def test_the_default_of_alternatives_comes_first() -> None:
    body = (
        "<dc:title><rdf:Alt><rdf:li xml:lang='de'>Berg</rdf:li>"
        "<rdf:li xml:lang='x-default'>Mountain</rdf:li></rdf:Alt></dc:title>"
    )
    assert xmp.title_of(xmp.properties_of(packet(body))) == "Mountain"


def test_hierarchies_are_the_words_they_are_made_of() -> None:
    body = "<lr:hierarchicalSubject>" + bag("Places|Utah", "People") + "</lr:hierarchicalSubject>"
    assert xmp.keywords_of(xmp.properties_of(packet(body))) == ["Places", "Utah", "People"]


def test_packing_around_a_packet_is_passed_over() -> None:
    data = (
        b"<?xpacket begin='' id='W5M0MpCehiHzreSzNTczkc9d'?>"
        + packet("", "xmp:Rating='2'")
        + b"<?xpacket end='w'?>"
    )
    assert xmp.rating_of(xmp.properties_of(b"\n" + data + b"\0" * 500)) == 2


@pytest.mark.parametrize(
    ("latitude", "longitude", "place"),
    [
        ("39,6.9N", "108,24.0581W", Location(39.115, -108.4009683, 12.5)),
        ("33,51,24S", "151,12,55E", Location(-33.8566667, 151.2152778, 12.5)),
        ("0,0N", "0,0E", None),
        ("200,0N", "10,0E", None),
        ("39,6.9", "108,24W", None),
        ("", "", None),
        ("xN", "yE", None),
        ("39,6.9E", "108,24N", None),
    ],
)
def test_places(latitude: str, longitude: str, place: Location | None) -> None:
    told = {"GPSLatitude": latitude, "GPSLongitude": longitude, "GPSAltitude": "125/10"}
    found = xmp.properties_of(packet("", " ".join(f"exif:{name}='{value}'" for name, value in told.items())))
    assert xmp.location_of(found) == place


@pytest.mark.parametrize(
    ("stars", "rating"), [("-1", -1), ("0", 0), ("5", 5), ("3.0", 3), ("6", None), ("x", None), ("nan", None)]
)
def test_stars(stars: str, rating: int | None) -> None:
    assert xmp.rating_of(xmp.properties_of(packet("", f"xmp:Rating='{stars}'"))) == rating


def test_the_best_date_comes_first() -> None:
    told = "xmp:CreateDate='2020-01-03' photoshop:DateCreated='2020-01-02' exif:DateTimeOriginal='2020-01-01T10:00:00'"
    clocks = xmp.clocks_of(xmp.properties_of(packet("", told)))
    assert [clock.wall.day for clock in clocks] == [1, 2, 3]


def test_what_repeats_exif() -> None:
    told = "tiff:Make='TestCam' exif:FNumber='28/10' exif:ExposureTime='1/200' aux:Lens='TC 50'"
    iso = "<exif:ISOSpeedRatings>" + bag("200", kind="Seq") + "</exif:ISOSpeedRatings>"
    main, exposure = xmp.tags_of(xmp.properties_of(packet(iso, told)))
    assert main == {0x010F: "TestCam"}
    assert exposure == {0x829D: "28/10", 0x829A: "1/200", 0xA434: "TC 50", 0x8827: "200"}


def region(name: str, unit: str = "normalized", x: str = "0.5") -> str:
    area = f"<mwg-rs:Area stArea:x='{x}' stArea:y='0.25' stArea:w='0.1' stArea:h='0.2' stArea:unit='{unit}'/>"
    return (
        f"<rdf:li><rdf:Description mwg-rs:Name='{name}' mwg-rs:Type='Face'>{area}</rdf:Description></rdf:li>"
    )


def test_named_faces() -> None:
    items = region("Ada") + region("Bob", unit="pixel") + region("Eve", x="7") + region("")
    body = (
        "<mwg-rs:Regions rdf:parseType='Resource'><mwg-rs:RegionList>"
        f"<rdf:Bag>{items}</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>"
    )
    assert xmp.regions_of(xmp.properties_of(packet(body))) == (
        xmp.Region("Ada", "Face", 0.5, 0.25, 0.1, 0.2),
    )


def item(semantic: str, length: int, padding: int = 0) -> str:
    told = f"Item:Semantic='{semantic}' Item:Length='{length}' Item:Padding='{padding}'"
    return f"<rdf:li rdf:parseType='Resource'><Container:Item {told}/></rdf:li>"


def test_films_of_motion_photos() -> None:
    items = item("Primary", 0, 8) + item("GainMap", 40) + item("MotionPhoto", 100) + item("Other", 7, 3)
    body = f"<Container:Directory><rdf:Seq>{items}</rdf:Seq></Container:Directory>"
    assert xmp.film_from_end(xmp.properties_of(packet(body))) == (110, 100)
    old = xmp.properties_of(packet("", "GCamera:MicroVideo='1' GCamera:MicroVideoOffset='4321'"))
    assert xmp.film_from_end(old) == (4321, 4321)
    assert xmp.film_from_end(xmp.properties_of(packet("", "GCamera:MicroVideoOffset='-5'"))) is None
    assert xmp.film_from_end({}) is None


BOMB = (
    b"<!DOCTYPE x [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>"
    b"<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'>]>"
)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"no xml",
        b"<a>",
        b"<a/>",
        BOMB + packet("<dc:title>&c;</dc:title>"),
        b"<!DOCTYPE x SYSTEM 'file:///etc/passwd'>" + packet("", "xmp:Rating='1'"),
        packet("", "xmp:Rating='1'") + b" " * xmp.LARGEST + b"x",
        b"\xff\xfe" + b"<" * 9,
    ],
    ids=["empty", "zero", "words", "open", "other", "laughs", "outside", "large", "half"],
)
def test_what_is_no_packet_has_no_properties(data: bytes) -> None:
    assert xmp.properties_of(data) == {}


def test_depth_and_number_are_bounded() -> None:
    began = time.monotonic()
    deep = "<dc:title>" * 20_000 + "x" + "</dc:title>" * 20_000
    assert set(xmp.properties_of(packet(deep))) <= {"dc:title"}
    many = "".join(f"<dc:n{number}>1</dc:n{number}>" for number in range(20_000))
    assert len(xmp.properties_of(packet(many))) == xmp.MOST_PROPERTIES
    listed = xmp.properties_of(packet("<dc:subject>" + bag(*["w"] * 50_000) + "</dc:subject>"))
    assert len(xmp.keywords_of(listed)) == xmp.MOST_ITEMS
    assert time.monotonic() - began < 5


NESTED: Any = st.recursive(
    st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["Container:Item", "Item:Length", "Item:Semantic", "mwg-rs:RegionList", "mwg-rs:Area"]
            ),
            inner,
        )
    ),
    max_leaves=8,
)
PROPERTIES = st.dictionaries(
    st.sampled_from(
        [
            *xmp.DATES,
            *("Container:Directory", "mwg-rs:Regions", "exif:GPSLatitude", "exif:GPSLongitude", "xmp:Rating"),
            *(
                "dc:title",
                "dc:subject",
                "GCamera:MicroVideoOffset",
                "GCamera:BurstID",
                "lr:hierarchicalSubject",
            ),
        ]
    ),
    NESTED,
)


@given(PROPERTIES)
def test_no_property_whatever_its_value_raises(found: dict[str, Any]) -> None:
    (
        xmp.clocks_of(found),
        xmp.location_of(found),
        xmp.tags_of(found),
        xmp.title_of(found),
        xmp.caption_of(found),
    )
    xmp.regions_of(found), xmp.burst_of(found), xmp.film_from_end(found)
    assert xmp.rating_of(found) in {None, -1, 0, 1, 2, 3, 4, 5}
    assert all(isinstance(word, str) for word in xmp.keywords_of(found))


@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    assert isinstance(xmp.properties_of(b"<a>" + data), dict)
    assert isinstance(xmp.properties_of(data), dict)


def test_records_of_iptc() -> None:
    records: dict[tuple[int, int], Any] = {
        (2, 5): [b"Title"],
        (2, 25): [b"Frost", "Bäume".encode(), b"caf\xe9"],
        (2, 55): b"20220110",
        (2, 60): [b"151544-0400"],
        (2, 120): [b"Caption"],
    }
    assert iptc.title_of(records) == "Title"
    assert iptc.keywords_of(records) == ["Frost", "Bäume", "café"]
    (clock,) = iptc.clocks_of(records)
    assert (clock.wall.isoformat(), clock.offset) == ("2022-01-10T15:15:44", -240)
    assert iptc.readable(records)["keywords"] == ["Frost", "Bäume", "café"]


@pytest.mark.parametrize(
    ("day", "hour", "told"),
    [
        ("20220110", "151544+0000", ("2022-01-10T15:15:44", None)),
        ("20220110", "151544", ("2022-01-10T15:15:44", None)),
        ("20220110", None, ("2022-01-10T00:00:00", None)),
        ("20221340", "151544", None),
        (None, "143000+0000", None),
        ("00000000", "000000", None),
    ],
)
def test_days_and_hours_of_iptc(day: str | None, hour: str | None, told: tuple[str, None] | None) -> None:
    found = iptc.clock(day, hour)
    assert (found and (found.wall.isoformat(), found.offset)) == told
