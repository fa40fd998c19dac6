"""All limits of the contract, in one place, each with its reason.

They are part of the rules version: another limit is another contract.
"""

from typing import Final

from synaptic_crdt.state import limits
from synaptic_crdt.state.limits import KIB

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
MONTH_MS: Final = 30 * DAY_MS

SUPPLY_MAX: Final = 2**53 - 1  # exact in every JSON reader
PRICE_MAX: Final = 10**12  # per unit of work; with UNITS_MAX, products stay below 2^96
UNITS_MAX: Final = 10**9
MILLION: Final = 10**6  # ratios are in parts per million

SLUG_BYTES: Final = 48
NAME_BYTES: Final = 64
SYMBOL_BYTES: Final = 8
TITLE_BYTES: Final = 200
UNIT_BYTES: Final = 64
MEDIA_TYPE_BYTES: Final = 64
MEMO_BYTES: Final = 256
CRITERIA_BYTES: Final = 1_000  # kept in the state, unlike a payload
STATEMENT_BYTES: Final = 1_000  # of a dispute, likewise
REFERENCE_BYTES: Final = 32
BLOB_LEAST_BYTES: Final = KIB  # smaller ones travel in their entry: one thing less to withhold
BLOB_BYTES: Final = limits.BLOB_BYTES  # a payload or result that travels on its own
RESULT_BYTES: Final = 48 * KIB  # leaves room in a body of 64 KiB for the seal of a private one

KINDS: Final = 64
COUNCIL: Final = 15
JUDGES: Final = 15  # signers of a quorum, or arbiters: everyone may have to be heard
VERIFIERS: Final = 15
SEATS: Final = 64  # of a split task; each is looked at by an acceptance
COPIES: Final = 10  # of a replicated one
CAPABILITIES: Final = 16
METRICS: Final = 8
LISTED: Final = 32  # accounts that a task is only for, or is closed to
KEYS: Final = 64  # devices that one content key is sealed to in one list
CAP_MAX: Final = 10**6  # that an account sets itself: more is no cap
RULES_MAX: Final = 10**6
BLOCKED: Final = 64  # accounts that a provider does not work for
KEY_SHARES: Final = 32  # times that the parties of one assignment may hand keys to others
EVIDENCE: Final = 8  # hashes of each side of a dispute
PROGRESS: Final = 100  # reports of one assignment
DEVICES: Final = 8  # of one account: the paper device and added ones count, revoked ones do not
OPEN_ASSIGNMENTS: Final = 10  # work that one account owes at a time; more with a good score
SCORE_A_SEAT: Final = 25  # points that allow one assignment more
SCORE_MAX: Final = 1_000  # so that no past, good or bad, outweighs for ever what comes after it
PRIORITY_SCORE: Final = 100  # who has as much need not wait for a task to open to all
DECLINES: Final = 16  # of one seat; each excludes its provider, so this bounds the list
REDISPATCH_MAX: Final = 16  # likewise, for failures and abandonments
OPENINGS_MAX: Final = 10**6  # accounts a day in an open market

OFFERS: Final = 16  # of one account, open at a time
OFFERS_OF_A_KIND: Final = 4
LOOKS: Final = 64  # at offers for a task, or at tasks for an offer: the most that a match costs

PRIORITY_MAX_MS: Final = HOUR_MS
SLOT_MIN_MS: Final = MINUTE_MS  # of presence: more often than this would be a flood
DAMPING_MAX: Final = 4  # halvings of a gain; the largest is gone by then
MEETINGS: Final = DAMPING_MAX + 1  # kept of two groups: one of them may be what is being rated
WEIGHT_MIN: Final = 50  # percent of the price that a score makes of it, at least and at most
WEIGHT_MAX: Final = 200
HEAD_START: Final = 5  # settlements granted to everybody, so that one failure is no verdict
FORGOTTEN: Final = 2  # rows older than 30 days that leave for each one that comes
RATING_MAX: Final = 5
COMMENT_BYTES: Final = 256

NOTICE_MS: Final = DAY_MS  # between a decision of the council and the parameters' change
ATTESTATION_MAX_MS: Final = 366 * DAY_MS  # a word that nobody renews is worth less every day
DURATION_MIN_MS: Final = SECOND_MS
DURATION_MAX_MS: Final = 30 * DAY_MS  # money is never locked longer than this by one deadline
HARD_FACTOR: Final = 4  # hard(x) = max(4x, x + 10 min): late is a penalty, this is the end
HARD_SLACK_MS: Final = 10 * MINUTE_MS
CREATED_MAX_MS: Final = 2**47 - 1  # 48 bits of milliseconds, never negative
