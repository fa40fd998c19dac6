"""Scores and prices: what they are, and what a task would cost by them."""

from typing import Final

from synaptic_crdt.errors import UsageError
from synaptic_crdt.node.lookup import find_account
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules import limits
from synaptic_crdt.rules.score_views import (
    view_candles,
    view_prices,
    view_quote,
    view_reputation,
)

_MILLI: Final = 1_000
_AVERAGES: Final = {
    "mean_milli": "mean",
    "vwap_milli": "vwap",
    "median_milli": "median",
    "organic_milli": "organic_vwap",
}


def show_reputation(node: Node, *, account: str | None = None) -> Json:
    """Return an account's scores; this home's own when none is named."""
    market = node.market.contract.market
    owner = node.account if account is None else find_account(node, account)
    row = market.accounts.get(owner)
    name = "" if row is None else row.name
    return view_reputation(market, owner, node.replica.machine.now) | {"name": name}


def show_prices(node: Node, *, kind: str | None = None) -> Json:
    """Return the prices of one kind with its candles, or those of all kinds."""
    market, now = node.market.contract.market, node.replica.machine.now
    if kind is None:
        return {
            "prices": [_tell_prices(view_prices(market, each, now)) for each in _get_kinds(node)]
        }
    _check_kind(node, kind)
    return _tell_prices(view_prices(market, kind, now)) | {
        "candles": view_candles(market, kind, now)
    }


def show_quote(
    node: Node,
    *,
    kind: str,
    price: int,
    units: int = 1,
    price_low: int | None = None,
    price_max: int | None = None,
) -> Json:
    """Return what a task would lock and pay, and how its price compares."""
    _check_kind(node, kind)
    low = price if price_low is None else price_low
    most = price if price_max is None else price_max
    if not 1 <= low <= price <= most <= limits.PRICE_MAX:
        raise UsageError(
            f"prices {low}, {price} and {most} must ascend, from 1 to {limits.PRICE_MAX:,}"
        )
    if not 1 <= units <= limits.UNITS_MAX:
        raise UsageError(f"{units} units: from 1 to {limits.UNITS_MAX:,} can be asked for")
    view = view_quote(
        node.market.contract.market,
        node.account,
        kind,
        units,
        (low, price, most),
        node.replica.machine.now,
    )
    return view | {"prices": _tell_prices(view["prices"])}


def _get_kinds(node: Node) -> list[str]:
    return [kind.slug for kind in node.market.contract.market.get_parameters().kinds]


def _check_kind(node: Node, kind: str) -> None:
    known = _get_kinds(node)
    if kind not in known:
        raise UsageError(f"{kind!r:.80} is no kind of this market; it has {', '.join(known)}")


def _tell_prices(view: Json) -> Json:
    """Return averages as the numbers that they are, exact to the thousandth."""
    told = {key: value for key, value in view.items() if key not in _AVERAGES}
    return told | {name: _to_number(view[key]) for key, name in _AVERAGES.items()}


def _to_number(milli: int | None) -> int | float | None:
    if milli is None:
        return None
    return milli // _MILLI if milli % _MILLI == 0 else milli / _MILLI
