"""Relations: geometry and words, and that mirroring an image mirrors its sentences."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from rimlib.matting import relations
from rimlib.refmatte import layout

SIZES = st.tuples(st.integers(20, 400), st.integers(20, 400))
CANVAS = (240, 320)


def boxes_of(seed, sizes, arrangement):
    return layout.place(sizes, arrangement, CANVAS, Random(seed))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.lists(SIZES, min_size=2, max_size=3), st.sampled_from(relations.ARRANGEMENTS[:2]))
def test_places_keep_their_relation_whole_and_apart(seed, sizes, arrangement):
    places = boxes_of(seed, sizes, arrangement)
    for place, (height, width) in zip(places, sizes):
        assert 0 <= place.left and place.left + place.width <= CANVAS[1]
        assert 0 <= place.top and place.top + place.height <= CANVAS[0]
        if min(place.height, place.width) > 12:  # whole pixels bend the shape of smaller ones
            assert abs(place.height / place.width / (height / width) - 1) < 0.15
    for one, other in zip(places, places[1:]):
        assert relations.holds(arrangement[0], one.box, other.box)
        assert relations.holds(arrangement[1], other.box, one.box)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.lists(SIZES, min_size=2, max_size=2))
def test_front_and_behind_overlap_and_stay_in_view(seed, sizes):
    front, behind = boxes_of(seed, sizes, ("front", "behind"))
    assert relations.holds("front", front.box, behind.box, front.depth, behind.depth)
    assert relations.holds("behind", behind.box, front.box, behind.depth, front.depth)
    for place in (front, behind):
        assert 0 <= place.left and place.left + place.width <= CANVAS[1]
        assert 0 <= place.top and place.top + place.height <= CANVAS[0]


def test_middle_needs_company_on_two_sides():
    row = [(0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 50, 10)]
    found = [
        [name for name in ("left", "middle", "right") if relations.holds_in_image(name, index, row, [0, 0, 0])]
        for index in range(3)
    ]
    assert found == [["left"], ["middle"], ["right"]]


def test_vague_words_hold_on_both_sides_and_plain_ones_do_not():
    left, right = (0, 0, 10, 10), (20, 0, 30, 10)
    assert relations.relative_holds("beside", "left", right, left, 0, 0)
    assert not relations.relative_holds("to the left of", "left", right, left, 0, 0)


def test_mirror_is_its_own_opposite_and_changes_sides_only():
    for phrase in relations.phrases():
        sentence = f"the bright upright fox {phrase} the photo"
        flipped = relations.mirror(sentence)
        assert relations.mirror(flipped) == sentence
        assert (flipped != sentence) == ("left" in phrase or "right" in phrase)
        assert "bright upright fox" in flipped
    left, right = (relations.RELATIONS[name] for name in ("left", "right"))
    assert tuple(map(relations.mirror, left.absolute)) == right.absolute
    assert tuple(map(relations.mirror, left.relative)) == right.relative


def test_mirrored_boxes_make_the_mirrored_relation_true():
    one, other = (10, 20, 50, 60), (70, 20, 90, 60)
    flip = lambda box: (CANVAS[1] - box[2], box[1], CANVAS[1] - box[0], box[3])
    assert relations.holds("left", one, other) and relations.holds("right", flip(one), flip(other))


def test_boxes_that_overlap_along_an_axis_have_no_relation_along_it():
    one, other = (0, 0, 30, 10), (20, 20, 60, 40)  # share columns 20 to 30, and no row
    assert not relations.holds("left", one, other) and not relations.holds("right", other, one)
    assert relations.holds("top", one, other) and relations.holds("bottom", other, one)
    turned = [(top, left, bottom, right) for left, top, right, bottom in (one, other)]
    assert not relations.holds("top", *turned) and relations.holds("left", *turned)
