"""Offers and the order book through the command line, in a sandbox."""

from collections.abc import Callable
from typing import Any

from tests.cli.conftest import carry

Run = Callable[..., Any]
Told = Callable[..., dict[str, Any]]
POST = ("task", "post", "--kind", "text.answer", "--title", "A question", "--text", "Why?")
NOW = ("--price", "50", "--priority", "0s")
OFFER = ("offer", "post", "--kind", "text.answer", "--ask", "40", "--units", "20")


def test_an_offer_takes_a_task_and_the_work_is_done(pair: Told) -> None:
    posted = pair("paul", *OFFER)
    assert posted["offer"] == posted["entry"]
    assert (posted["status"], posted["left"], posted["present"]) == ("standing", 20, True)
    carry(pair, "paul", "rita")
    task = pair("rita", *POST, *NOW, "--units", "3")["task"]
    carry(pair, "rita", "paul")
    (assignment,) = pair("paul", "task", "show", task)["assignments"]
    assert (assignment["provider"], assignment["ask"], assignment["price"]) == (
        posted["provider"],
        40,
        120,
    )
    assert (assignment["standing"], assignment["final"]) == ("pending", False)
    (offer,) = pair("paul", "offer", "list")["offers"]
    assert (offer["left"], offer["status"]) == (17, "standing")
    pair("paul", "task", "start", assignment["assignment"][:12])
    pair("paul", "task", "deliver", task, "--text", "Because.")
    carry(pair, "paul", "rita")
    pair("rita", "task", "approve", task)
    assert pair("rita", "wallet", "--account", "paul")["available"] == 120


def test_renewing_and_withdrawing(pair: Told, run: Run) -> None:
    offer = pair("paul", *OFFER)["offer"]
    renewed = pair("paul", "offer", "renew", offer[:12], "--ask", "30")
    assert (renewed["ask"], renewed["units"], renewed["turn"]) == (30, 20, 2)
    done = run("--home", "paul", "offer", "renew", offer[:12], "--units", "5")
    assert "5 of 5 units of text.answer at 30, standing" in done.out
    assert pair("paul", "offer", "withdraw", offer[:12])["status"] == "withdrawn"
    assert pair("paul", "offer", "list")["offers"] == []
    assert len(pair("paul", "offer", "list", "paul", "--ended")["offers"]) == 1
    refused = run("--home", "paul", "offer", "withdraw", offer[:12])
    assert refused.code == 1
    assert "OFFER_ENDED" in refused.err


def test_showing_presence(pair: Told, run: Run) -> None:
    nobody = run("--home", "paul", "offer", "attend")
    assert nobody.code == 1
    assert "NOTHING_TO_ATTEND" in nobody.err
    pair("paul", *OFFER)
    twice = run("--home", "paul", "offer", "attend")
    assert "PRESENT_ALREADY" in twice.err
    assert pair("paul", "policy", "set", "--keep-offers")["keep_offers"] is True


def test_a_listed_offer_and_its_terms(pair: Told, run: Run) -> None:
    made = pair(
        "paul",
        *OFFER,
        "--listed",
        *("--privacy", "public", "--privacy", "private"),
        *("--evaluator", "rita", "--arbiter", "rita", "--signer", "rita"),
        *("--penalty-up-to", "7", "--bond-up-to", "3", "--uptime-up-to", "500000"),
        *("--capability", "rust", "--capability", "python"),
    )
    rita = pair("rita", "whoami")["account"]
    assert made["status"] == "listed"
    assert made["capabilities"] == ["python", "rust"]
    terms = made["terms"]
    assert terms["privacies"] == ["private", "public"]
    assert terms["evaluators"] == terms["arbiters"] == terms["signers"] == [rita]
    assert (terms["penalty"], terms["bond"], terms["uptime_ppm"]) == (7, 3, 500_000)
    wrong = run("--home", "paul", *OFFER, "--privacy", "secret")
    assert wrong.code == 2
    assert "'secret' is no privacy" in wrong.err


def test_the_market_on_one_screen(pair: Told, run: Run) -> None:
    pair("paul", *OFFER, "--listed", "--capability", "rust")
    carry(pair, "paul", "rita")
    pair("rita", *POST, *NOW, "--units", "3")
    pair("rita", *POST, "--price", "10", "--auction", "dutch", "--price-max", "90")
    told = pair("rita", "market")
    (kind,) = [each for each in told["kinds"] if each["kind"] == "text.answer"]
    assert [row["auction"] for row in kind["auctions"]] == ["dutch", "first-accept"]
    assert [row["price_max"] for row in kind["auctions"]] == [90, 50]
    assert (kind["units_asked"], kind["best_price"], kind["lowest_ask"]) == (4, 90, 40)
    # A listed offer binds nobody.
    assert kind["units_offered"] == 0
    assert told["supply"] == told["balances"] + told["holds"] + told["treasury"]
    shown = run("--home", "rita", "market", "text.answer")
    assert shown.code == 0
    assert "4 units asked for, 0 offered" in shown.out
    assert "dutch" in shown.out
    assert "rust" in shown.out
    assert "locked" in shown.out
    assert run("--home", "rita", "market", "book", "poem").code == 2
    assert pair("rita", "market", "show")["fee_ppm"] == 0


def test_why_an_offer_is_not_taken(pair: Told, run: Run) -> None:
    pair("paul", *OFFER, "--bond-up-to", "10")
    carry(pair, "paul", "rita")
    pair("rita", *POST, *NOW, "--bond", "5")
    carry(pair, "rita", "paul")
    (offer,) = pair("paul", "offer", "list")["offers"]
    assert (offer["status"], offer["reason"]) == ("resting", "BOND_SHORT")
    shown = run("--home", "paul", "offer", "list")
    assert "insufficient balance for the bond: mend that and renew it" in shown.out
