"""Ranking over several templates: who is whose background, and that one in use is as before."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ranet_jax.models.ranking import RankingAttention

ROWS, COLUMNS, KEPT = 2, 3, 8
POSITIONS = ROWS * COLUMNS
RULES = ["single", "multi"]


def draw(templates, seed=0):
    """Similarity maps of so many templates; no two of one height."""
    generator = np.random.default_rng(seed)
    shape = (1, templates * POSITIONS, 2 * ROWS, 2 * COLUMNS)
    return jnp.asarray(generator.uniform(0.1, 1, shape), jnp.float32)


@functools.cache
def make(ranking_rule, learned_scores=False):
    module = RankingAttention(8, KEPT, ranking_rule, learned_scores)
    cells = jnp.zeros((1, 1, POSITIONS))
    return module, module.init(jax.random.key(0), draw(1), cells)


def find(ranking_rule, similarity, cells, chosen=None, learned_scores=False):
    """The peaks of foreground and background maps, [n, top_k] each, and the maps themselves."""
    module, variables = make(ranking_rule, learned_scores)
    cells = jnp.asarray(cells, jnp.float32)[None]
    maps = module.apply(variables, similarity, cells, chosen)
    return [np.asarray(x[0]).max(axis=(1, 2)) for x in maps], [np.asarray(x[0]) for x in maps]


FIRST = np.array([[1, 0.5, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0]])
"""The first template: objects 0 and 1; 2 joins later."""

SECOND = np.array([[0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], [0, 0.95, 1, 0, 0, 0]])
"""What object 2 is shown in."""


@pytest.mark.parametrize("ranking_rule", RULES)
@pytest.mark.parametrize("learned_scores", [False, True])
def test_places_without_a_template_change_nothing(ranking_rule, learned_scores):
    """Bit for bit, whatever is in their kernels."""
    similarity = draw(4)
    one = find(ranking_rule, similarity[:, :POSITIONS], FIRST, learned_scores=learned_scores)[1]
    cells = np.concatenate([FIRST, np.zeros((3, 3 * POSITIONS))], axis=1)
    four = find(ranking_rule, similarity, cells, learned_scores=learned_scores)[1]
    for expected, found in zip(one, four, strict=True):
        np.testing.assert_array_equal(found[:2], expected[:2])
        assert found[:2].any()


def expect(similarity, *templates):
    """Peaks by rank: of each template's maps that have a weight, highest first, zeros after them;
    of all templates the highest."""
    peaks = np.asarray(similarity[0]).max(axis=(1, 2))
    ranked = []
    for weights in templates:
        found = np.sort([weight * peaks[place] for place, weight in weights])[::-1]
        ranked.append(np.pad(found, (0, KEPT))[:KEPT])
    return np.max(ranked, axis=0)


def test_who_is_whose_background_together():
    similarity = draw(2)
    (foreground, background), _ = find("multi", similarity, np.concatenate([FIRST, SECOND], axis=1))
    at = POSITIONS  # where the second template begins
    # Object 0: the rest of its own template, object 1 there, and object 2 where that was shown;
    # not what is beside object 2, which may be object 0.
    rest, joined = [(1, 0.5), (2, 1), (4, 1), (5, 1)], [(at + 1, 0.95), (at + 2, 1)]
    expected = expect(similarity, [*rest, (3, 1)], joined)
    np.testing.assert_allclose(background[0], expected, rtol=1e-6)
    expected = expect(similarity, [*rest, (0, 1), (1, 0.5)], joined)
    np.testing.assert_allclose(background[1], expected, rtol=1e-6)
    # Object 2: the rest of its template, and the others where they were shown; not what is beside
    # those, which may be object 2.
    beside = [(at, 1), (at + 1, 0.05), (at + 3, 1), (at + 4, 1), (at + 5, 1)]
    expected = expect(similarity, beside, [(0, 1), (1, 0.5), (3, 1)])
    np.testing.assert_allclose(background[2], expected, rtol=1e-6)
    np.testing.assert_allclose(foreground[0], expect(similarity, [(0, 1), (1, 0.5)]), rtol=1e-6)
    np.testing.assert_allclose(foreground[2], expect(similarity, joined), rtol=1e-6)


def test_who_is_whose_background_alone():
    similarity = draw(2)
    cells = np.concatenate([FIRST, SECOND], axis=1)
    (foreground, background), _ = find("single", similarity, cells)
    at = POSITIONS
    # Of its own template what it covers to at most a tenth; of the other what others fill.
    own, joined = [(place, 1) for place in (2, 3, 4, 5)], [(at + 1, 1), (at + 2, 1)]
    np.testing.assert_allclose(background[0], expect(similarity, own, joined), rtol=1e-6)
    own = [(at + place, 1) for place in (0, 3, 4, 5)]
    expected = expect(similarity, own, [(0, 1), (3, 1)])
    np.testing.assert_allclose(background[2], expected, rtol=1e-6)
    expected = expect(similarity, [(at + 1, 0.95), (at + 2, 1)])
    np.testing.assert_allclose(foreground[2], expected, rtol=1e-6)


@pytest.mark.parametrize("ranking_rule", RULES)
def test_of_two_looks_the_highest_value_goes_on(ranking_rule):
    """Rank by rank and place by place; so the same look twice is as good as once."""
    similarity = draw(2)
    cells = np.zeros((1, 2 * POSITIONS))
    cells[0, [0, 1, POSITIONS + 3]] = 1
    _, both = find(ranking_rule, similarity, cells)
    apart = [
        find(ranking_rule, similarity[:, part], cells[:, part])[1]
        for part in (slice(POSITIONS), slice(POSITIONS, None))
    ]
    for stream, *each in zip(both, *apart, strict=True):
        np.testing.assert_array_equal(stream, np.maximum(*each))
    twice = jnp.concatenate([similarity[:, :POSITIONS]] * 2, axis=1)
    shares = np.concatenate([cells[:, :POSITIONS]] * 2, axis=1)
    for stream, once in zip(find(ranking_rule, twice, shares)[1], apart[0], strict=True):
        np.testing.assert_array_equal(stream, once)


def test_maps_of_no_template_come_after_negative_ones():
    """As zeros they would be taken before a map that is nowhere similar."""
    similarity = draw(2).at[:, :POSITIONS].add(-2)
    cells = np.concatenate([np.ones((1, POSITIONS)), np.zeros((1, POSITIONS))], axis=1)
    for rule in RULES:
        (foreground, _), _ = find(rule, similarity, cells)
        peaks = np.sort(np.asarray(similarity[0, :POSITIONS]).max(axis=(1, 2)))[::-1]
        np.testing.assert_allclose(foreground[0, :POSITIONS], peaks, rtol=1e-6)


@pytest.mark.parametrize("ranking_rule", RULES)
@pytest.mark.parametrize("templates", [1, 2])
def test_chosen_objects_get_what_they_get_among_all(ranking_rule, templates):
    similarity = draw(templates)
    cells = np.concatenate([FIRST, SECOND][:templates], axis=1)
    everyone = find(ranking_rule, similarity, cells)[1]
    some = find(ranking_rule, similarity, cells, jnp.array([2, 0]))[1]
    for expected, found in zip(everyone, some, strict=True):
        np.testing.assert_array_equal(found, expected[[2, 0]])
