"""Money is exact."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitchey_core.pricing import PriceBook, Usage, format_usd, parse_usd
from pitchey_core.resources import GIB

amounts = st.integers(0, 10**15)


@given(wall=amounts, cpu=amounts, out=amounts, gpu=amounts, memory=st.integers(0, 2**45), price=amounts)
def test_the_cost_is_the_exact_sum_rounded_once(
    wall: int, cpu: int, out: int, gpu: int, memory: int, price: int
) -> None:
    book = PriceBook(gpu_second=price)
    usage = Usage(wall_us=wall, cpu_us=cpu, bytes_out=out, gpu_us=gpu)
    exact = (
        Fraction(cpu, 10**6) * book.vcpu_second
        + Fraction(gpu, 10**6) * price
        + Fraction(wall, 10**6) * Fraction(memory, GIB) * book.gib_second
        + Fraction(wall, 10**6) * Fraction(out, 10**9) * book.gb_disk_second
    )
    cost = book.cost(usage, reserved_memory_bytes=memory)
    assert abs(exact - cost) <= Fraction(1, 2)
    assert isinstance(cost, int)


def test_the_list_prices() -> None:
    usage = Usage(wall_us=10_000_000, cpu_us=20_000_000, bytes_out=10**9)
    # 20 vCPU-s at 0.000020 $, 4 GiB x 10 s at 0.0000025 $, 1 GB x 10 s at 0.00000007 $.
    assert format_usd(PriceBook().cost(usage, reserved_memory_bytes=4 * GIB)) == "0.000500700"


@given(st.integers(-(10**18), 10**18))
def test_dollars_round_trip(nanos: int) -> None:
    assert parse_usd(format_usd(nanos)) == nanos


@pytest.mark.parametrize("text", ["cheap", "", "0.0000000001", "1e-10"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_usd(text)


def test_usage_goes_through_json() -> None:
    usage = Usage(wall_us=1, cpu_us=2, peak_memory_bytes=3, bytes_in=4, complete=False)
    assert Usage.from_record(usage.as_record()) == usage


@given(wall=amounts, cpu=amounts, parts=st.integers(1, 9))
def test_what_was_used_together_is_split_to_the_last_microsecond(wall: int, cpu: int, parts: int) -> None:
    whole = Usage(wall_us=wall, cpu_us=cpu, peak_memory_bytes=7, bytes_in=5)
    shares = whole.split(parts)
    assert {share.peak_memory_bytes for share in shares} == {7}
    assert max(share.wall_us for share in shares) - min(share.wall_us for share in shares) <= 1
    together = Usage()
    for share in shares:
        together = together.plus(share)
    assert together == whole
