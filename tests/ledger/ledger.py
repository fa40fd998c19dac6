"""The second ledger: the market's rules of money and seats, written again, slowly and plainly.

It shares no code with the contract. It takes the document (feeds of bodies, and checkpoints) and
goes through it from the first entry to the last; there is no undo, no index, no cache, and all
tokens are counted after every movement. Where it and the contract disagree, one of them is wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from synaptic_crdt.state.codec import decode, encode
from synaptic_crdt.state.hashes import compute_hash
from tests.ledger.devices import Devices, Said, is_signed
from tests.ledger.document import Closing, EpochEnd, Feeds, Placed, arrange
from tests.ledger.form import check_form, read_fork
from tests.ledger.members import Members
from tests.ledger.money import TREASURY, Money
from tests.ledger.offers import Offers
from tests.ledger.orders import Orders
from tests.ledger.parameters import Parameters
from tests.ledger.scores import Scores
from tests.ledger.seats import Terms, Work
from tests.ledger.words import DAY, MONTH, No, need


@dataclass
class Invitation:
    """A way in that somebody paid for."""

    device: bytes
    account: bytes
    role: str
    grant: int
    expiry: int
    state: str = "OPEN"


@dataclass
class Votes:
    """The council's voices for one proposal."""

    device: bytes
    voters: list[bytes]
    decided: bool = False


class Ledger:
    """What a market has come to, computed from its document alone."""

    def __init__(self, genesis: bytes, feeds: Feeds, closings: Sequence[Closing]) -> None:
        fields: Any = decode(genesis, len(genesis))
        self.market: Final = compute_hash("market", genesis)
        self.created: Final[int] = fields[4]
        self.founder: Final[bytes] = fields[6]
        self.rate: Final[int] = fields[7]
        self.day_cap: Final[int] = fields[10]
        self.council: Final[list[bytes]] = fields[28]
        self.needed: Final[int] = fields[29]
        self.scores: Final = Scores(self.founder, is_open=self.rate > 0, floor=fields[13])
        self.parameters: Final = Parameters(
            sandbox=fields[26],
            supply=fields[8],
            mint_cap=fields[9],
            terms=fields[5],
            fee_ppm=fields[11],
            kinds=fields[14],
            arbiters=[fields[30], fields[31]],
            verifiers=fields[32],
        )
        self.members: Final = Members()
        self.money: Final = Money(fields[8])
        self.work: Final = Work(
            self.money,
            Terms(
                contest=fields[19],
                arbitration=fields[20],
                deposit_ppm=fields[12],
                slot=fields[21],
                finality_wait=fields[27],
                sandbox=fields[26],
            ),
            self.scores,
        )
        self.devices: Final = Devices(self.market)
        self.roles: Final[dict[bytes, str]] = {}
        self.names: Final[dict[bytes, str]] = {}
        self.orders: Final = Orders(
            self.work, self.money, self.devices, self.members, self.parameters, self.roles
        )
        self.offers: Final = Offers(self.orders)
        self.orders.look = self.offers.match_task
        self.work.give_back = self.offers.give_back
        self.work.may_see = self.orders.may_see
        self.invitations: Final[dict[bytes, Invitation]] = {}
        self.votes: Final[dict[bytes, Votes]] = {}
        self.paid: Final[dict[int, int]] = {}
        self.opened: Final[dict[int, int]] = {}
        self.forks: Final[set[tuple[bytes, int]]] = set()
        self.verdicts: Final[dict[bytes, str]] = {}
        self.now = self.created
        for happening in arrange(self.market, self.created, feeds, closings):
            # What is left of a feed that an epoch has ended takes no place, and no time.
            if isinstance(happening, Placed) and happening.device in self.devices.closed:
                continue
            self._pass_deadlines(happening.now)
            self.now = happening.now
            if isinstance(happening, EpochEnd):
                self.work.close_epoch(happening.now)
                self.parameters.close_epoch()
                self.devices.closed.update(self.devices.revoked)
            else:
                self.verdicts[happening.id] = self._judge(happening)

    def get_deadlines(self) -> list[tuple[int, bytes]]:
        """Return (deadline, subject) of all that waits for one, the next one first."""
        seats = [seat for task in self.work.tasks.values() for seat in task.seats]
        waiting = [(s.deadline, s.id) for s in seats if s.state not in ("SETTLED", "CLOSED")]
        waiting += [(i.expiry, key) for key, i in self.invitations.items() if i.state == "OPEN"]
        waiting += [(t.opens, key) for key, t in self.work.tasks.items() if t.is_early]
        waiting += self.offers.get_deadlines()
        return sorted(waiting + self.parameters.get_deadlines())

    def get_seats(self) -> dict[bytes, tuple[str, str, bytes]]:
        """Return (state, end, assignment) of every seat."""
        return {
            seat.id: (seat.state, seat.end, b"" if seat.holder is None else seat.holder.id)
            for task in self.work.tasks.values()
            for seat in task.seats
        }

    # -- time --------------------------------------------------------------------------------

    def _pass_deadlines(self, until: int) -> None:
        while (waiting := self.get_deadlines()) and waiting[0][0] <= until:
            deadline, subject = waiting[0]
            self.now = max(self.now, deadline)
            if subject in self.invitations:
                self._end_invitation(subject, "EXPIRED")
                continue
            if subject.decode("latin-1") in self.parameters.pending:
                self.parameters.pass_deadline(subject)
                continue
            if subject in self.offers.offers:
                self.offers.offers[subject].state = "EXPIRED"
                continue
            self.orders.now = self.now
            for key, task in self.work.tasks.items():
                if key == subject:
                    task.is_early = False
                    self.offers.match_task(key)
                for seat in task.seats:
                    if seat.id == subject:
                        self.orders.judging.pass_deadline(task, seat, self.now)
                        self.orders.look_again(seat)

    # -- entries -----------------------------------------------------------------------------

    def _judge(self, entry: Placed) -> str:
        try:
            check_form(entry.operation)
            tag, *fields = entry.operation
            need(entry.device not in self.devices.revoked, "DEVICE_REVOKED")
            account = self.devices.accounts.get(entry.device)
            may_be_unknown = tag in ("account.open", "device.join")
            need(account is not None or may_be_unknown, "ACCOUNT_UNKNOWN")
            is_newer = self.parameters.figures["rules"] != 1
            need(not is_newer or tag == "market.set", "RULES_NEWER")
            said = Said(
                entry.id, entry.device, account or entry.device, entry.position, entry.operation
            )
            self._apply(tag, fields, said)
        except No as no:
            return str(no)
        return "APPLIED"

    def _apply(self, tag: str, fields: list[Any], said: Said) -> None:
        rules = {
            "account.open": self._open,
            "invite.issue": self._invite,
            "invite.revoke": self._revoke,
            "device.add": self.devices.add,
            "device.join": self.devices.join,
            "device.revoke": self.devices.revoke,
            "account.update": self._rename,
            "consent": self._consent,
            "attest": self._attest,
            "attest.revoke": self._revoke_word,
            "token.mint": self._mint,
            "market.set": self._set,
            "token.transfer": self._transfer,
            "treasury.pay": self._pay,
            "fork.report": self._report,
            **self.orders.rules,
            **self.offers.rules,
        }
        self.orders.now = self.now
        rules[tag](fields, said)

    # -- accounts ----------------------------------------------------------------------------

    def _open(self, fields: list[Any], said: Said) -> None:
        name, _, paper, certificate, proof = fields
        need(said.position == 1 or said.device not in self.devices.accounts, "ACCOUNT_EXISTS")
        need(said.position == 1, "NOT_FIRST_ENTRY")
        day = self.now // DAY
        role, grant = "member", 0
        if certificate is not None:
            key = self._check_invited(certificate, proof, said)
            role, grant = certificate[2], certificate[3]
            self.money.free[said.account] = 0
            self.money.unlock(key, "grant", {said.account: grant})
            self.invitations[key].state = "USED"
            self.scores.inviters[said.account] = self.invitations[key].account
        elif said.account != self.founder:
            need(self.rate > 0, "CERTIFICATE_MISSING")
            need(self.opened.get(day, 0) < self.rate, "OPENINGS_OVER_RATE")
            self.opened[day] = self.opened.get(day, 0) + 1
        self.money.free.setdefault(said.account, 0)
        self.roles[said.account] = role
        self.names[said.account] = name
        self.devices.open(said.account, paper)

    def _check_invited(self, certificate: list[Any], proof: bytes, said: Said) -> bytes:
        inviter, one_time, role, grant, expiry, _, signature = certificate
        need(self._is_key_known(one_time), "INVITATION_UNKNOWN")
        key = self.devices.accounts.get(inviter, b"") + one_time
        need(key in self.invitations, "CERTIFICATE_MISMATCH")
        invitation = self.invitations[key]
        need(invitation.state == "OPEN", f"INVITATION_{invitation.state}")
        need(
            (invitation.device, invitation.role, invitation.grant, invitation.expiry)
            == (inviter, role, grant, expiry),
            "CERTIFICATE_MISMATCH",
        )
        word = self.market + encode(certificate[:-1])
        need(is_signed(inviter, b"certificate", word, signature), "CERTIFICATE_FORGED")
        word = self.market + said.device
        need(is_signed(one_time, b"invitation", word, proof), "PROOF_FORGED")
        return key

    def _is_key_known(self, one_time: bytes) -> bool:
        return any(key.endswith(one_time) for key in self.invitations)

    def _consent(self, fields: list[Any], said: Said) -> None:
        self._check_member(said)
        need(fields[0] in (None, self.parameters.figures["terms"]), "TERMS_OLD")
        self.members.consents[said.account] = fields

    def _rename(self, fields: list[Any], said: Said) -> None:
        (self.names[said.account],) = fields

    def _attest(self, fields: list[Any], said: Said) -> None:
        need(fields[0] in self.roles, "ATTESTED_UNKNOWN")
        need(said.account in self.parameters.figures["verifiers"], "NOT_A_VERIFIER")
        self.members.attest(said.id, said.account, fields, self.now)

    def _revoke_word(self, fields: list[Any], said: Said) -> None:
        self.members.revoke(fields[0], said.account)

    def _check_member(self, said: Said) -> None:
        need(self.roles[said.account] != "auditor", "AUDITOR_MAY_NOT")

    def _report(self, fields: list[Any], said: Said) -> None:
        del said
        device, position, predecessor, *branches = read_fork(fields[0])
        need(device in self.devices.accounts, "DEVICE_UNKNOWN")
        for hashes, seal in (branches[:2], branches[2:]):
            chain, end = predecessor, position - 1
            for start in range(0, len(hashes), 32):
                chain, end = compute_hash("entry", chain, hashes[start : start + 32]), end + 1
            word = self.market + end.to_bytes(8, "big") + chain
            is_sealed = len(seal) == 64 and is_signed(device, b"seal", word, seal)
            need(is_sealed, "FORK_FORGED")
        need((device, position) not in self.forks, "FORK_KNOWN")
        self.forks.add((device, position))
        if device not in self.devices.revoked:
            self.scores.fork(self.devices.accounts[device], self.now)

    # -- invitations and the council -----------------------------------------------------------

    def _invite(self, fields: list[Any], said: Said) -> None:
        one_time, role, grant, expiry, from_treasury = fields
        self._check_member(said)
        if from_treasury:
            self._check_vote(said)
        inviter = (
            [*self._get_votes(said).voters, said.account][0] if from_treasury else said.account
        )
        need(inviter + one_time not in self.invitations, "INVITATION_EXISTS")
        need(expiry > self.now, "EXPIRY_TOO_SOON")
        need(expiry <= self.now + MONTH, "EXPIRY_TOO_LATE")
        payer, device, account = said.account, said.device, said.account
        if from_treasury:
            self._check_treasury(said, grant)
            votes = self._vote(said)
            if not votes.decided:
                return
            self._count_paid(grant)
            payer, device, account = TREASURY, votes.device, votes.voters[0]
        else:
            need(grant <= self.money.free[payer], "BALANCE_TOO_LOW")
        self.money.lock(payer, account + one_time, "grant", grant)
        self.invitations[account + one_time] = Invitation(device, account, role, grant, expiry)

    def _revoke(self, fields: list[Any], said: Said) -> None:
        (one_time,) = fields
        need(self._is_key_known(one_time), "INVITATION_UNKNOWN")
        key = said.account + one_time
        need(key in self.invitations, "NOT_THE_INVITER")
        invitation = self.invitations[key]
        need(invitation.state == "OPEN", f"INVITATION_{invitation.state}")
        self._end_invitation(key, "REVOKED")

    def _end_invitation(self, key: bytes, state: str) -> None:
        self.money.unlock(key, "grant", {})
        self.invitations[key].state = state

    def _check_vote(self, said: Said) -> None:
        need(said.account in self.council, "NOT_COUNCIL")
        votes = self._get_votes(said)
        need(not votes.decided, "ALREADY_DECIDED")
        need(said.account not in votes.voters, "ALREADY_VOTED")

    def _check_treasury(self, said: Said, amount: int) -> None:
        """Only the voice that decides needs the treasury to have the money."""
        if self._is_last_voice(said):
            need(
                self.paid.get(self.now // DAY, 0) + amount <= self.day_cap, "TREASURY_OVER_DAY_CAP"
            )
            need(amount <= self.money.free[TREASURY], "TREASURY_TOO_LOW")

    def _is_last_voice(self, said: Said) -> bool:
        return len(self._get_votes(said).voters) + 1 >= self.needed

    def _vote(self, said: Said) -> Votes:
        votes = self._get_votes(said)
        votes.voters.append(said.account)
        votes.decided = len(votes.voters) >= self.needed
        self.votes[encode(said.operation)] = votes
        return votes

    def _get_votes(self, said: Said) -> Votes:
        return self.votes.get(encode(said.operation), Votes(said.device, []))

    def _count_paid(self, amount: int) -> None:
        day = self.now // DAY
        self.paid[day] = self.paid.get(day, 0) + amount

    # -- payments ----------------------------------------------------------------------------

    def _transfer(self, fields: list[Any], said: Said) -> None:
        to, amount, _, _ = fields
        need(to in self.roles, "RECIPIENT_UNKNOWN")
        need(to != said.account, "RECIPIENT_IS_SENDER")
        need(amount <= self.money.free[said.account], "BALANCE_TOO_LOW")
        self.money.move(said.account, to, amount)

    def _pay(self, fields: list[Any], said: Said) -> None:
        to, amount, _, _ = fields
        need(to in self.roles, "RECIPIENT_UNKNOWN")
        self._check_vote(said)
        self._check_treasury(said, amount)
        if self._vote(said).decided:
            self._count_paid(amount)
            self.money.move(TREASURY, to, amount)

    def _mint(self, fields: list[Any], said: Said) -> None:
        amount = fields[0]
        self._check_vote(said)
        if self._is_last_voice(said):
            self.parameters.check_mint(amount)
        if self._vote(said).decided:
            self.parameters.mint(amount)
            self.money.mint(amount)

    def _set(self, fields: list[Any], said: Said) -> None:
        arbiters, verifiers = fields[3], fields[4]
        appointed: list[bytes] = list(verifiers or [])
        if arbiters is not None:
            appointed += arbiters[0]
        need(all(account in self.roles for account in appointed), "APPOINTED_UNKNOWN")
        self._check_vote(said)
        if self._vote(said).decided:
            self.parameters.decide(fields, self.now)
