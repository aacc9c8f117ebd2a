"""The whole corpus, made anew from its seeds each time; nothing of it lies in the repository."""

from functools import cache

from tests.corpus.flat import jpegs, pngs
from tests.corpus.hostile import bombs, cut_short, made_up_tiffs, other_formats
from tests.corpus.sample import Sample
from tests.corpus.tiffs import bands, depths, holes, layouts


@cache
def valid() -> tuple[Sample, ...]:
    return tuple(sample for part in (pngs, jpegs, layouts, depths, holes, bands) for sample in part())


@cache
def hostile() -> tuple[Sample, ...]:
    return tuple(sample for part in (cut_short, bombs, made_up_tiffs, other_formats) for sample in part())


def everything() -> tuple[Sample, ...]:
    return valid() + hostile()
