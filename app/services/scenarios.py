"""Areas that somebody would really map, to start a calculation of costs from."""

from dataclasses import dataclass

OWN = "own"


@dataclass(frozen=True)
class Scenario:
    """`area_km2`, rounded, of land and inland water; mapped `times` a year at `resolution_m` metres a pixel."""

    title: str
    area_km2: float
    resolution_m: float = 0.2
    times: int = 1


SCENARIOS: dict[str, Scenario] = {
    "germany": Scenario("Germany", 357_600),
    "emirates": Scenario("United Arab Emirates", 83_600),
    "switzerland": Scenario("Switzerland", 41_300),
    "japan": Scenario("Japan", 378_000),
    "brazil": Scenario("Brazil", 8_510_000, 0.5),
    OWN: Scenario("An area of my own", 1_000, 0.3),
}
"""By their names in links; the first is shown where nobody chose."""
