"""Every verdict and every ending as a sentence for a person, with the values that decided."""

from collections.abc import Mapping, Sequence
from typing import Final

from synaptic_crdt.rules.rows import Reason, SeatEnd
from synaptic_crdt.rules.showing import Shown
from synaptic_crdt.rules.verdicts import Verdict

# What is always true of the verdict; then what its values add, in the order of the refusal.
_LENGTH: Final = "{} bytes, allowed {} to {}"
_RANGE: Final = "{}, allowed {} to {}"
_SOON: Final = "{:time}, now {:time}"
_LATE: Final = "{:time}, allowed until {:time}"
_DURATION: Final = "{:duration}, allowed {:duration} to {:duration}"

SENTENCES: Final[Mapping[Verdict, tuple[str, str]]] = {
    Verdict.APPLIED: ("applied", ""),
    Verdict.MALFORMED: ("the operation has not the fields of its kind", "{}"),
    Verdict.UNKNOWN_OPERATION: ("these rules know no such operation", "{}"),
    Verdict.NAME_LENGTH: ("the account's name is empty or too long", _LENGTH),
    Verdict.CERTIFICATE_INCOMPLETE: (
        "a certificate needs its proof, and a proof its certificate",
        "",
    ),
    Verdict.AMOUNT_ZERO: ("an amount of nothing moves nothing", ""),
    Verdict.AMOUNT_OUT_OF_RANGE: ("the amount is out of range", _RANGE),
    Verdict.MEMO_LENGTH: ("the memo is too long", _LENGTH),
    Verdict.GRANT_OUT_OF_RANGE: ("the grant is out of range", _RANGE),
    Verdict.KIND_INVALID: (
        "a kind is 1 to 48 of a-z, 0-9, '.' and '-', beginning with a letter or a digit",
        "not {!r}",
    ),
    Verdict.TITLE_LENGTH: ("the title is empty or too long", _LENGTH),
    Verdict.SEATS_OUT_OF_RANGE: ("the number of seats is out of range", _RANGE),
    Verdict.UNITS_OUT_OF_RANGE: ("the units of a seat, or of all, are out of range", _RANGE),
    Verdict.MEDIA_TYPE_INVALID: ("a media type is 1 to 64 printable ASCII characters", "not {!r}"),
    Verdict.PAYLOAD_NOT_INLINE: (
        "so small a payload or result must travel inside its entry",
        "{} bytes, on their own from {} on",
    ),
    Verdict.PAYLOAD_SIZE_WRONG: ("the size is not that of the bytes", "says {}, is {}"),
    Verdict.PAYLOAD_HASH_WRONG: ("the hash is not that of the bytes", "says {}, is {}"),
    Verdict.PRICE_OUT_OF_RANGE: ("the price of a unit is out of range", _RANGE),
    Verdict.PROVIDERS_MIN_OUT_OF_RANGE: (
        "at least one provider is needed, and at most one a seat can be asked for",
        _RANGE,
    ),
    Verdict.WINDOW_OUT_OF_RANGE: ("the window for acceptance is out of range", _DURATION),
    Verdict.RESPONSE_OUT_OF_RANGE: ("the response limit is out of range", _DURATION),
    Verdict.EXECUTION_OUT_OF_RANGE: ("the execution limit is out of range", _DURATION),
    Verdict.PENALTY_OUT_OF_RANGE: ("the penalty of a violation is out of range", _RANGE),
    Verdict.BOND_OUT_OF_RANGE: ("the bond may not exceed the price of a unit", _RANGE),
    Verdict.REVIEW_OUT_OF_RANGE: ("the time for review is out of range", _DURATION),
    Verdict.REDISPATCH_OUT_OF_RANGE: ("the number of redispatches is out of range", _RANGE),
    Verdict.LOCK_OVER_SUPPLY: ("the task is worth more than there are tokens", "{}, supply {}"),
    Verdict.ASK_OUT_OF_RANGE: ("the ask is out of range", _RANGE),
    Verdict.REASON_INVALID: (
        "a reason is 1 to 48 of a-z, 0-9, '.' and '-', beginning with a letter or a digit",
        "not {!r}",
    ),
    Verdict.RESULT_TOO_LARGE: ("the result is too large for an entry", "{} bytes, allowed {}"),
    Verdict.FORK_INVALID: ("these are not the bytes of a fork proof", "{}"),
    Verdict.CRITERIA_LENGTH: ("the criteria are too long", _LENGTH),
    Verdict.ASSET_UNKNOWN: ("everything is paid in the market's token, asset 0", "not {}"),
    Verdict.AFTER_NOT_EMPTY: ("a task cannot wait for others yet", "names {}"),
    Verdict.COPIES_OUT_OF_RANGE: ("the number of copies is out of range", _RANGE),
    Verdict.COMMITMENT_MISPLACED: (
        "a content key is committed to unless the task is public",
        "it is {}",
    ),
    Verdict.KEYS_DISORDERED: (
        "keys are for devices in ascending order, each once",
        _RANGE,
    ),
    Verdict.KEYS_MISPLACED: (
        "keys are handed out with a commitment, and by a posting only to those it lists",
        "",
    ),
    Verdict.VERIFIER_MISPLACED: (
        "a verifier is named just when the task is confidential",
        "it is {}",
    ),
    Verdict.PRICES_DISORDERED: (
        "prices ascend: for newcomers, as usual, at most",
        "{}, {}, {}",
    ),
    Verdict.PRIORITY_OUT_OF_RANGE: ("the time of priority is out of range", _DURATION),
    Verdict.CAPABILITIES_INVALID: (
        "capabilities are slugs in ascending order, each once",
        "{} of them, allowed {}",
    ),
    Verdict.REPUTATION_MIN_OUT_OF_RANGE: ("the least reputation is out of range", _RANGE),
    Verdict.ACCOUNTS_DISORDERED: (
        "accounts are listed in ascending order, each once",
        "{}: {} of them, allowed {}",
    ),
    Verdict.UPTIME_OUT_OF_RANGE: ("the share of presence is out of range", _RANGE),
    Verdict.METRICS_INVALID: (
        "metrics are slugs in ascending order, each with a minimum from 0 to 1,000,000",
        "{} of them, allowed {}",
    ),
    Verdict.RELEASE_INVALID: (
        "a release needs one signature, both, or a quorum of the signers it names",
        "{}: {} of {} named",
    ),
    Verdict.NOT_BEFORE_OUT_OF_RANGE: ("the time lock is out of range", _DURATION),
    Verdict.EVALUATOR_NOT_SIGNER: ("the evaluator of a quorum is one of its signers", "not {}"),
    Verdict.QUORUM_OUT_OF_RANGE: ("the quorum of arbiters is out of range", _RANGE),
    Verdict.REVEAL_OUT_OF_RANGE: ("the time to reveal the key is out of range", _DURATION),
    Verdict.SCORES_INVALID: (
        "scores are by metric in ascending order, each once and from 0 to 1,000,000",
        "{} of them, allowed {}",
    ),
    Verdict.EXTENSION_OUT_OF_RANGE: ("the extension is out of range", _DURATION),
    Verdict.SHARE_OUT_OF_RANGE: ("the share is out of range", _RANGE),
    Verdict.EVIDENCE_DISORDERED: (
        "evidence is hashes in ascending order, each once",
        "{}: {} of them, allowed {}",
    ),
    Verdict.STATEMENT_LENGTH: ("the statement is too long", _LENGTH),
    Verdict.PROGRESS_OUT_OF_RANGE: ("the progress is out of range", _RANGE),
    Verdict.RATING_OUT_OF_RANGE: ("the rating is out of range", _RANGE),
    Verdict.COMMENT_LENGTH: ("the comment is too long", _LENGTH),
    Verdict.CAP_OUT_OF_RANGE: ("a cap is out of range", _RANGE),
    Verdict.KINDS_INVALID: (
        "kinds are slugs, ascending, each once, and of a market each with its unit",
        "{} of them, allowed {}",
    ),
    Verdict.REQUESTER_MIN_OUT_OF_RANGE: ("the least score of a requester is out of range", _RANGE),
    Verdict.BLOCKED_INVALID: (
        "blocked accounts are listed ascending, each once",
        "{}: {} of them, allowed {}",
    ),
    Verdict.CLAIM_INVALID: (
        "a claim is 1 to 48 of a-z, 0-9, '.' and '-', beginning with a letter or a digit",
        "not {!r}",
    ),
    Verdict.CHANGE_EMPTY: ("a change must name what it changes", ""),
    Verdict.RULES_OUT_OF_RANGE: ("the rules version is out of range", _RANGE),
    Verdict.FEE_OUT_OF_RANGE: ("the fee in ppm is out of range", _RANGE),
    Verdict.ARBITERS_INVALID: (
        "arbiters are listed ascending, each once, and at least one is needed, at most all",
        "{} needed of {}, allowed {}",
    ),
    Verdict.VERIFIERS_INVALID: (
        "verifiers are listed ascending, each once",
        "{}: {} of them, allowed {}",
    ),
    Verdict.OFFER_UNITS_OUT_OF_RANGE: ("the units of the offer are out of range", _RANGE),
    Verdict.OFFER_BOND_OUT_OF_RANGE: ("the bond of the offer is out of range", _RANGE),
    Verdict.PRIVACIES_INVALID: (
        "an offer says which kinds of privacy it takes, in ascending order, each once",
        "{} of them",
    ),
    Verdict.CREDENTIAL_FOUND: (
        "a field holds what looks like a credential, and such an entry has no effect",
        "{} in {}, from byte {} on",
    ),
    Verdict.PAYLOAD_TOO_LARGE: ("the payload or result is too large", "{} bytes, allowed {}"),
    Verdict.ACCOUNT_UNKNOWN: ("the device writes for no account that is open here", "{}"),
    Verdict.RECIPIENT_UNKNOWN: ("no such account is open here", "{}"),
    Verdict.INVITATION_UNKNOWN: ("no invitation with this one-time key was issued", "{}"),
    Verdict.KIND_UNKNOWN: ("this market has no such kind of task", "{}"),
    Verdict.TASK_UNKNOWN: ("no such task was posted", "{}"),
    Verdict.ASSIGNMENT_UNKNOWN: ("there is no such assignment", "{}"),
    Verdict.DELIVERY_UNKNOWN: ("there is no such delivery", "{}"),
    Verdict.DEVICE_NOT_ADDED: ("no device of the account added this one", "{}"),
    Verdict.DEVICE_UNKNOWN: ("no such device writes for this account, or may join it", "{}"),
    Verdict.SIGNER_UNKNOWN: ("a signer of the task has no account here", "{}"),
    Verdict.EVALUATOR_UNKNOWN: ("the evaluator of the task has no account here", "{}"),
    Verdict.ARBITER_UNKNOWN: ("an arbiter of the task has no account here", "{}"),
    Verdict.VERIFIER_UNKNOWN: ("this is no verifier of the market", "{}"),
    Verdict.DISPUTE_UNKNOWN: ("there is no dispute about this delivery", "{}"),
    Verdict.ATTESTED_UNKNOWN: ("no such account is open here to vouch for", "{}"),
    Verdict.ATTESTATION_UNKNOWN: ("there is no such attestation", "{}"),
    Verdict.APPOINTED_UNKNOWN: ("who is appointed must have an account here", "{}"),
    Verdict.OFFER_UNKNOWN: ("no such offer was posted", "{}"),
    Verdict.KEY_DEVICE_UNKNOWN: ("a key is handed to devices that write in this market", "not {}"),
    Verdict.CERTIFICATE_MISSING: ("this market is by invitation, and none was brought", ""),
    Verdict.CERTIFICATE_MISMATCH: ("the certificate does not say what the invitation says", ""),
    Verdict.CERTIFICATE_FORGED: ("the inviter did not sign this certificate", "{}"),
    Verdict.PROOF_FORGED: ("the invitation's one-time key did not sign for this device", ""),
    Verdict.AUDITOR_MAY_NOT: ("an auditor watches; it does not invite, ask for work or work", ""),
    Verdict.NOT_COUNCIL: ("only the council may do this", "not {}"),
    Verdict.NOT_THE_INVITER: ("only who issued an invitation may revoke it", "that is {}"),
    Verdict.RECIPIENT_IS_SENDER: ("sender and recipient are the same account", ""),
    Verdict.NOT_THE_REQUESTER: ("only the requester of the task may do this", "that is {}"),
    Verdict.PROVIDER_IS_REQUESTER: ("a requester may not work for itself", ""),
    Verdict.NOT_OPTED_IN: ("the account has not opted in to the terms", ""),
    Verdict.TERMS_OLD: ("these are not the terms in force", "accepted {}, in force {}"),
    Verdict.EXCLUDED: ("every free seat was given back or left by this account before", ""),
    Verdict.NOT_THE_PROVIDER: ("the assignment is somebody else's", "it is of {}"),
    Verdict.DEVICE_REVOKED: ("the device was revoked: it writes for nobody any more", "by {}"),
    Verdict.DEVICE_IS_OLDER: ("a device revokes only devices that joined later", ""),
    Verdict.VOUCHER_MISMATCH: ("the voucher does not say what the addition says", ""),
    Verdict.VOUCHER_FORGED: ("the adding device did not sign this voucher", "{}"),
    Verdict.FORK_FORGED: ("the device did not seal both histories", "{}"),
    Verdict.JUDGES_THE_TASK: (
        "who signs, evaluates or arbitrates a task may not work on it",
        "as {}",
    ),
    Verdict.NOT_ON_THE_LIST: ("the task is for others only", ""),
    Verdict.EXCLUDED_BY_REQUESTER: ("the requester excluded this account", ""),
    Verdict.GROUP_HAS_A_COPY: (
        "copies of one task go to providers of different groups",
        "group {} has one",
    ),
    Verdict.CAPABILITY_MISSING: ("the task asks for what the provider does not offer", "{}"),
    Verdict.REPUTATION_TOO_LOW: ("the provider's score is below what is asked", "{}, asked {}"),
    Verdict.NOT_ATTESTED: ("the task's verifier does not vouch for this account", "{}"),
    Verdict.NOT_A_SIGNER: ("this account does not sign for the task", "{} do"),
    Verdict.NOT_A_PARTY: ("only requester and provider may do this", "they are {} and {}"),
    Verdict.NOT_AN_ARBITER: ("this account does not arbitrate the dispute", "{} do"),
    Verdict.NOT_THE_OPENER: ("only who opened the dispute may withdraw it", "that is the {}"),
    Verdict.KEY_NOT_LISTED: (
        "a key in a posting goes to devices of accounts that its list names",
        "not {}",
    ),
    Verdict.NOT_A_VERIFIER: ("only a verifier of the market may vouch for others", "not {}"),
    Verdict.ATTESTS_ITSELF: ("nobody vouches for itself", ""),
    Verdict.NOT_THE_ATTESTER: ("only who gave its word may take it back", "that is {}"),
    Verdict.REQUESTER_BLOCKED: ("the account does not work for this requester", "{}"),
    Verdict.REQUESTER_BELOW_MIN: (
        "the account does not work for requesters of so low a score",
        "{}, at least {}",
    ),
    Verdict.NOT_THE_OFFERER: ("only who made an offer may change or end it", "that is {}"),
    Verdict.ACCOUNT_EXISTS: ("the device writes for an account already", ""),
    Verdict.NOT_FIRST_ENTRY: (
        "an account is opened by the first entry of a feed; join again with a new key",
        "this is entry {}",
    ),
    Verdict.INVITATION_EXISTS: ("an invitation with this one-time key was issued before", ""),
    Verdict.INVITATION_USED: ("somebody came in with this invitation before", "{}"),
    Verdict.INVITATION_REVOKED: ("the inviter revoked this invitation", ""),
    Verdict.ALREADY_VOTED: ("this account's voice is counted already", "{} of {} so far"),
    Verdict.ALREADY_DECIDED: (
        "this was decided and carried out before; to decide it again needs another reference",
        "",
    ),
    Verdict.NO_FREE_SEAT: ("no seat of the task is free", "it has {}"),
    Verdict.ALREADY_RESERVED: (
        "one seat for each provider until the least number of providers is reached",
        "",
    ),
    Verdict.TOO_MANY_ASSIGNMENTS: ("the account owes too much work already", "{}, allowed {}"),
    Verdict.NOTHING_TO_CANCEL: ("no seat of the task can be cancelled any more", ""),
    Verdict.WRONG_PHASE: ("the seat is in another phase", "it is {:phase}"),
    Verdict.ASSIGNMENT_CLOSED: ("the assignment has ended", "{}, {}"),
    Verdict.DEVICE_EXISTS: ("the device was added before, or writes for an account already", ""),
    Verdict.TOO_MANY_DEVICES: ("the account has too many devices already", "{}, allowed {}"),
    Verdict.ALREADY_REVOKED: ("the device was revoked before", ""),
    Verdict.FORK_KNOWN: ("this device's fork was reported before", "at position {}"),
    Verdict.ALREADY_SIGNED: ("this account's word on the delivery is known already", ""),
    Verdict.NOT_IMPROVED: ("a task is bettered for its providers or left as it is", "{}"),
    Verdict.METRIC_NOT_ASKED: ("the task does not ask for this metric", "{}"),
    Verdict.TOO_MUCH_EVIDENCE: ("the side has put up enough evidence", "{}, allowed {}"),
    Verdict.ALREADY_RULED: ("this arbiter has ruled already", ""),
    Verdict.TOO_MUCH_PROGRESS: ("progress was reported often enough", "{} times"),
    Verdict.KEY_FOR_OTHERS: ("a key goes to devices the provider had when it accepted", "not {}"),
    Verdict.RESULT_NOT_SEALED: ("a result that others may not read has to be sealed", ""),
    Verdict.RESULT_SEALED: ("the result of a public task is public", ""),
    Verdict.NOT_SETTLED: ("the work was not settled: there is nothing to rate", "it is {}"),
    Verdict.FEEDBACK_GIVEN: ("this account has rated this work before", ""),
    Verdict.ATTESTATION_ENDED: ("the attestation stands no more", "it is {}"),
    Verdict.OWN_CAP_KINDS: ("the account takes no tasks of this kind, by its own cap", "{}"),
    Verdict.OWN_CAP_UNITS: ("the account takes no task as large, by its own cap", "{}, cap {}"),
    Verdict.OWN_CAP_OPEN: ("the account owes enough work, by its own cap", "{}, cap {}"),
    Verdict.RULES_NEWER: (
        "the market goes by newer rules than these: get a newer version of this program",
        "version {}, known {}",
    ),
    Verdict.OFFER_ENDED: ("the offer has ended; post another", "{}"),
    Verdict.TOO_MANY_OFFERS: ("the account has too many offers open", "{}, allowed {}"),
    Verdict.TOO_MANY_OFFERS_OF_KIND: (
        "the account has too many offers of the kind open",
        "{}: {}, allowed {}",
    ),
    Verdict.NOTHING_TO_ATTEND: (
        "presence is for those with a standing offer, or at work that asks for it",
        "",
    ),
    Verdict.NO_KEY: ("what a key is handed over for is public, or is not there yet", "the {}"),
    Verdict.TOO_MANY_KEY_SHARES: ("keys were handed over too often already", "{}, allowed {}"),
    Verdict.INVITATION_EXPIRED: ("the invitation expired", "at {:time}"),
    Verdict.EXPIRY_TOO_SOON: ("the invitation would expire at once", _SOON),
    Verdict.EXPIRY_TOO_LATE: ("an invitation lasts 30 days at most", _LATE),
    Verdict.OPENINGS_OVER_RATE: ("no more accounts can be opened today", "allowed {} a day"),
    Verdict.TREASURY_OVER_DAY_CAP: (
        "the treasury gives no more today",
        "needs {}, {} left of {} a day",
    ),
    Verdict.NOT_OPEN_YET: (
        "the task is for well-known providers first",
        "score {}, opens to all at {:time}, now {:time}",
    ),
    Verdict.EXTENSION_TOO_LONG: (
        "execution may take 30 days in all",
        "{:duration}, allowed {:duration}",
    ),
    Verdict.FEEDBACK_TOO_LATE: (
        "work is rated within 30 days of its settlement",
        "{:time}, allowed before {:time}",
    ),
    Verdict.ATTESTATION_TOO_SHORT: ("the attestation would expire at once", _SOON),
    Verdict.ATTESTATION_TOO_LONG: ("an attestation lasts 366 days at most", _LATE),
    Verdict.OWN_CAP_DAY: ("the account took enough tasks today, by its own cap", "{}, cap {}"),
    Verdict.OFFER_TOO_SHORT: ("the offer would expire at once", _SOON),
    Verdict.OFFER_TOO_LONG: ("an offer lasts 30 days at most", _LATE),
    Verdict.PRESENT_ALREADY: ("presence counts once in a slot", "slot {}"),
    Verdict.BALANCE_TOO_LOW: ("insufficient balance", "needs {}, available {}"),
    Verdict.TREASURY_TOO_LOW: ("the treasury has too little", "needs {}, has {}"),
    Verdict.ASK_ABOVE_LIMIT: ("the ask is above what the task pays", "{}, limit {} a unit"),
    Verdict.MINT_OVER_CAP: (
        "the council may not make as many tokens",
        "needs {}, {} left of {}",
    ),
    Verdict.BOND_SHORT: ("insufficient balance for the bond", "needs {}, available {}"),
    Verdict.DEPOSIT_SHORT: ("insufficient balance for the deposit", "needs {}, available {}"),
}

ENDS: Final[Mapping[Reason | SeatEnd, str]] = {
    "": "",
    "approved": "enough of those who sign approved: paid from the escrow less penalties for time",
    "review-ended": "the review ended, and who kept silent has approved",
    "agreed": "the provider agreed to what was proposed",
    "contest-ended": "nobody contested what was proposed in time, so it came true",
    "ruled": "the arbiters ruled: the lower median of their shares counts",
    "withdrawn": "who opened the dispute withdrew it",
    "no-ruling": "the arbiters did not rule in time: paid in full less penalties for time",
    "proposal-stands": "the arbiters did not rule in time: an independent judge's proposal stands",
    "both-named": "requester and provider named the same share",
    "time-locked": "the date passed before which nothing was to be released",
    "key-withheld": "the requester did not reveal the key in time, and escrow and bond return",
    "declined": "the provider gave it back before beginning, and the bond returns",
    "failed": "the provider gave it up after beginning, and half of the bond is the requester's",
    "not-started": "the provider did not start in time, and the bond is the requester's",
    "not-delivered": "the provider did not deliver in time, and the bond is the requester's",
    "not-final": "no checkpoint made the acceptance final in time, and escrow and bond return",
    "cancelled": "the requester cancelled before enough providers came, and the bond returns",
    "window-ended": "too few providers came before the window ended, and escrow and bond return",
    "UNFILLED": "nobody took the seat before the window ended, and the escrow returns",
    "VOID": "the work could not begin, and the escrow returns",
    "CANCELLED": "the requester cancelled, and the escrow returns",
    "EXHAUSTED": "the seat was given back too often, and the escrow returns",
}


def explain(verdict: Verdict, values: Sequence[int | str | bytes] = ()) -> str:
    """Return the sentence of a verdict; with its values when they are known."""
    sentence, detail = SENTENCES[verdict]
    if not values:
        return sentence
    return f"{sentence}: {detail.format(*(Shown(value) for value in values))}"


def explain_end(reason: Reason | SeatEnd) -> str:
    """Return why an assignment or a seat ended; empty while it lives."""
    return ENDS[reason]
