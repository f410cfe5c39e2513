"""Who listens where, and where a connection may go to so that nobody else answers."""

from __future__ import annotations

import socket
import time

from webterm.drivers import listeners
from webterm.drivers.listeners import Listener, Target

ANY, ANY6 = "0.0.0.0", "::"
FOUR, SIX = Target(socket.AF_INET, "127.0.0.1"), Target(socket.AF_INET6, "::1")


def test_the_tables_of_this_machine_are_understood() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as four,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as six,
        socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True) as both,
        socket.create_connection(four.getsockname()),
    ):
        found = listeners.read("/proc/self/net")
        own = listeners.inodes(["/proc/self"])
        ours = {(one.address, one.port) for one in found if one.inode in own}
        assert ours == {
            ("127.0.0.1", four.getsockname()[1]),
            ("::1", six.getsockname()[1]),
            ("::", both.getsockname()[1]),
        }
    assert listeners.read("/proc/self/nothing") == ()


def test_a_mapped_address_is_the_one_of_the_other_family() -> None:
    row = b"0: 0000000000000000FFFF00000100007F:1F90 0:0 0A 0 0 0 0 0 77 1 0 0"
    assert list(listeners.parse(b"  sl  local_address ...\n" + row)) == [Listener("127.0.0.1", 8080, 77)]


def test_loopback_comes_first_and_nothing_where_nobody_listens() -> None:
    there = [Listener("10.0.0.7", 80, 1), Listener(ANY, 81, 2), Listener(ANY6, 82, 3), Listener("127.0.1.1", 83, 4)]
    assert listeners.targets(there, 80) == (Target(socket.AF_INET, "10.0.0.7"),)
    assert listeners.targets(there, 81) == (FOUR,)
    assert listeners.targets(there, 82) == (FOUR, SIX)
    assert listeners.targets(there, 83) == (Target(socket.AF_INET, "127.0.1.1"),)
    assert listeners.targets(there, 84) == ()


def test_an_address_where_another_may_answer_is_left_out() -> None:
    own, other = 1, 2
    cases = [
        ([Listener(ANY, 80, own), Listener("127.0.0.1", 80, other)], ()),
        ([Listener(ANY6, 80, own), Listener(ANY, 80, other)], (SIX,)),
        ([Listener(ANY, 80, own), Listener("::1", 80, other)], (FOUR,)),
        ([Listener("127.0.0.1", 80, own), Listener("127.0.0.1", 80, other)], ()),
        ([Listener(ANY, 80, other)], ()),
        ([Listener("127.0.0.1", 80, own), Listener("10.0.0.7", 80, other)], (FOUR,)),
    ]
    for there, expected in cases:
        assert listeners.targets(there, 80, {own}) == expected, there
    assert listeners.answering(cases[1][0], 80, FOUR) == {own, other}


def test_a_program_that_listens_at_thousands_of_addresses_takes_no_time() -> None:
    many = [Listener(f"127.{n >> 16}.{n >> 8 & 255}.{n & 255}", 80, n) for n in range(20_000)]
    many += [Listener(ANY, port, port) for port in range(1000, 21_000)]
    began = time.process_time()
    assert len(listeners.ports(many)) == 20_001
    assert len(listeners.targets(many, 80)) == 8
    assert listeners.ports(many, {many[0].inode}) == {80}
    assert time.process_time() - began < 5


def test_what_is_no_row_of_a_table_is_passed_over() -> None:
    rows = [
        b"0: %b 0:0 0A 0 0 0 0 0 %b 1 0 0" % row
        for row in [(b"00", b"1"), (b"0100007F:99999", b"1"), (b"0100007F:0050", b"x"), (b"zz:0050", b"1"), (b"", b"")]
    ]
    assert list(listeners.parse(b"\n".join(rows))) == []
