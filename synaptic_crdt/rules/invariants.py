"""What must be true after every entry; a breach is our own mistake and raises AssertionError.

``check_totals`` costs nothing and may be asked at every checkpoint. ``check_market`` adds
everything up again from the rows, for tests and audits; both raise even when assertions are
switched off.
"""

from collections import Counter

from synaptic_crdt.rules import limits
from synaptic_crdt.rules.book_invariants import check_book, get_living
from synaptic_crdt.rules.devices import count_devices
from synaptic_crdt.rules.disputes import get_dispute
from synaptic_crdt.rules.invariant import check, check_numbers, get_all_seats
from synaptic_crdt.rules.market import Market, get_rows
from synaptic_crdt.rules.rows import SeatRow
from synaptic_crdt.rules.score_invariants import check_past
from synaptic_crdt.rules.seats.seat import ENDED, LIVE, OWED, compute_escrow, get_holder


def check_totals(market: Market) -> None:
    """Balances, holds and treasury, as they were counted on the way, add up to the supply."""
    money = market.get_money()
    for name, value in (
        ("treasury", money.treasury),
        ("balances", money.available),
        ("holds", money.held),
    ):
        check(value >= 0, f"{name} {value} below nothing")
    total = money.treasury + money.available + money.held
    supply = market.get_parameters().supply
    check(
        total == supply,
        f"treasury, balances and holds are {total}, supply is {supply}",
    )
    minted, cap = supply - market.genesis.supply, market.genesis.mint_cap
    check(0 <= minted <= cap, f"{minted} minted, allowed {cap}")


def check_market(market: Market) -> None:
    """Everything that must be true, from the rows."""
    check_totals(market)
    _check_indexes(market)
    _check_sums(market)
    _check_holds(market)
    _check_timers(market)
    _check_owed(market)
    _check_devices(market)
    check_book(market)
    check_past(market)


def _check_sums(market: Market) -> None:
    money = market.get_money()
    accounts = [account for account, _ in get_rows(market.accounts, "number")]
    check(len(market.balances) == len(accounts), "an account without a balance")
    balances = [market.get_available(account) for account in accounts]
    check(min(balances, default=0) >= 0, "a balance below nothing")
    check(sum(balances) == money.available, "balances do not add up")
    amounts = [hold.amount for _, hold in get_rows(market.holds, "payer")]
    check(min(amounts, default=1) > 0, "a hold of nothing")
    check(sum(amounts) == money.held, "holds do not add up")


def _check_holds(market: Market) -> None:
    """Holds are exactly what live seats and open invitations can still cost."""
    expected = _compute_expected_holds(market)
    found = {key: hold.amount for key, hold in get_rows(market.holds, "payer")}
    check(found == expected, f"holds {found} are not {expected}")


def _compute_expected_holds(market: Market) -> dict[tuple[bytes, str], int]:
    expected: dict[tuple[bytes, str], int] = {}
    for seat_id, seat, task in get_all_seats(market):
        if seat.state not in ENDED:
            expected[seat_id, "escrow"] = compute_escrow(task, seat)
        if seat.state in LIVE:
            _expect_stakes(market, seat_id, seat, expected)
    for key, invitation in get_rows(market.invitations, "number"):
        if invitation.state == "OPEN" and invitation.grant:
            expected[key, "grant"] = invitation.grant
    return expected


def _expect_stakes(
    market: Market, seat_id: bytes, seat: SeatRow, expected: dict[tuple[bytes, str], int]
) -> None:
    assignment = get_holder(market, seat)
    if assignment.bond:
        expected[seat_id, "bond"] = assignment.bond
    if seat.state == "DISPUTED":
        dispute = get_dispute(market, assignment.delivery)
        if dispute.opener == "requester":
            expected[seat_id, "deposit"] = dispute.deposit


def _check_timers(market: Market) -> None:
    """Every living subject, and so every hold, has a deadline; nothing else has one."""
    living = [key for key, seat, _ in get_all_seats(market) if seat.state not in ENDED]
    invitations = get_rows(market.invitations, "number")
    living += [key for key, invitation in invitations if invitation.state == "OPEN"]
    living += [key for key, _ in get_rows(market.changes, "due")]
    living += get_living(market)
    for subject in living:
        check(market.timers.get(subject) is not None, f"{subject.hex()} has no deadline")
    (timers,) = (table for table in market.tables.get_tables() if table.name == "timers")
    check(len(timers) == len(living), "a deadline has no living subject")


def _check_owed(market: Market) -> None:
    """A live seat is held by an assignment that lives, and each provider's work is counted."""
    owed: Counter[bytes] = Counter()
    for seat_id, seat, _ in get_all_seats(market):
        if seat.state not in LIVE:
            continue
        assignment = market.assignments.get(seat.assignment)
        assert assignment is not None, seat_id
        check(
            assignment.end == "" and assignment.seat == seat_id,
            f"seat {seat_id.hex()} is held by no living assignment of its own",
        )
        owed[assignment.provider] += seat.state in OWED
    for account, _ in get_rows(market.accounts, "number"):
        counted = market.get_provider(account).owed
        check(counted == owed[account], f"{account.hex()} owes {owed[account]}, not {counted}")


def _check_devices(market: Market) -> None:
    """Every account has a first device of its name, and no more of them than it may."""
    for account, _ in get_rows(market.accounts, "number"):
        first = market.devices.get(account)
        check(
            first is not None and first.account == account, f"{account.hex()} has no first device"
        )
        count = count_devices(market, account)
        check(count <= limits.DEVICES, f"{account.hex()} has {count} devices")


def _check_indexes(market: Market) -> None:
    """Every index shows every row that belongs in it, at its place."""
    check_numbers(market.accounts)
    check_numbers(market.invitations)
    check_numbers(market.tasks)
    for table, name in (
        (market.holds, "payer"),
        (market.devices, "account"),
        (market.additions, "account"),
        (market.invitations, "one-time"),
        (market.assignments, "seat"),
        (market.assignments, "provider"),
    ):
        check(len(table.index(name)) == len(table), f"{table.name} by {name}")
    pending = sorted(key for key, seat, _ in get_all_seats(market) if seat.state == "PENDING")
    shown = [key for key, _ in get_rows(market.seats, "pending")]
    check(shown == pending, "pending seats")
