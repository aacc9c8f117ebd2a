"""Where a cluster's runs go: nothing is given twice, nothing is given where it does not fit, nobody is starved."""

import random

import pytest

from core.runs.cluster.placement import CPU, GPU, ClusterSlots, Machine, MachineShare

BIG, SMALL, PLAIN = Machine("1", "big", 4, 16.0), Machine("2", "small", 2, 8.0), Machine("3", "plain", 0, 3.0)


def placements(*machines: Machine, cpus: float = 1.0) -> ClusterSlots:
    made = ClusterSlots(cpus=cpus)
    made.update(machines, 0.0)
    return made


def test_each_gpu_is_a_place_and_processors_where_there_is_none() -> None:
    made = placements(BIG, PLAIN)
    assert sorted(made.all()) == [CPU] * 3 + [GPU] * 4
    assert made.free() == [GPU, CPU]


def test_processors_can_be_fewer_than_gpus() -> None:
    assert placements(Machine("1", "odd", 8, 6.0), cpus=2.0).all() == [GPU] * 3


def test_a_run_of_several_devices_has_them_on_one_machine() -> None:
    made = placements(SMALL, BIG)
    assert made.largest() == 4
    placement = made.take(GPU, 3)
    assert placement == MachineShare(BIG, 3, 1.0)
    assert made.take(GPU, 3) is None


def test_small_runs_leave_whole_machines_free() -> None:
    made = placements(BIG, SMALL)
    assert [made.take(GPU, 1), made.take(GPU, 1)] == [MachineShare(SMALL, 1, 1.0)] * 2
    assert made.take(GPU, 4) == MachineShare(BIG, 4, 1.0)


def test_a_large_run_is_not_starved_by_small_ones() -> None:
    made = placements(BIG)
    first = made.take(GPU, 1)
    assert first is not None
    assert made.take(GPU, 4) is None
    assert made.free() == []
    made.release(first)
    assert made.free() == [GPU]
    assert made.take(GPU, 4) is not None


def test_a_new_machine_opens_what_was_blocked() -> None:
    made = placements(SMALL)
    assert made.take(GPU, 4) is None
    made.update([SMALL], 1.0)
    assert made.free() == []
    made.update([SMALL, BIG], 2.0)
    assert made.free() == [GPU]


def test_a_lost_machine_offers_nothing() -> None:
    made = placements(BIG, PLAIN)
    made.update([PLAIN], 1.0)
    assert (made.free(), made.largest()) == ([CPU], 0)


def test_a_machine_that_lost_a_run_is_left_alone_for_a_while() -> None:
    made = placements(BIG, SMALL)
    made.avoid(BIG, until=60.0)
    assert made.largest() == 2
    made.update([BIG, SMALL], 59.0)
    assert made.largest() == 2
    made.update([BIG, SMALL], 60.0)
    assert made.largest() == 4


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_given_twice(seed: int) -> None:
    chance = random.Random(seed)
    machines = [Machine(str(n), str(n), chance.randrange(5), float(chance.randrange(1, 9))) for n in range(4)]
    made, taken = placements(*machines), list[MachineShare]()
    for _ in range(200):
        if taken and chance.random() < 0.4:
            made.release(taken.pop(chance.randrange(len(taken))))
        elif free := made.free():
            placement = made.take(chance.choice(free), chance.randrange(1, 3))
            taken += [placement] if placement else []
        for machine in machines:
            mine = [placement for placement in taken if placement.machine == machine]
            assert sum(placement.gpus for placement in mine) <= machine.gpus
            assert sum(placement.cpus for placement in mine) <= machine.cpus
            assert not machine.gpus or all(placement.gpus for placement in mine)
