"""Small masks that the tests of the measures and of the scoring share."""

import numpy as np


def box(rows, columns, size=(20, 30)):
    mask = np.zeros(size, np.uint8)
    mask[slice(*rows), slice(*columns)] = 1
    return mask


EMPTY, FULL = box((0, 0), (0, 0)), np.ones((20, 30), np.uint8)
SMALL = box((5, 9), (5, 9))


def two_objects():
    return SMALL + 2 * box((12, 18), (10, 20))
