"""Verdicts: what the contract says of an entry, numbered for ever.

0 is applied; any other number names the one rule that was broken. The hundreds are classes, in
the order in which rules are asked: form, existence, authority, phase, time, money. Existence and
authority may mend themselves when an entry arrives that is still missing; the others may not.
A number is never given to another rule.
"""

from enum import IntEnum
from typing import Final, Literal

import msgspec

VerdictClass = Literal["applied", "form", "existence", "authority", "phase", "time", "money"]


class Verdict(IntEnum):
    """Applied, or the rule that was broken."""

    APPLIED = 0

    # Form: the operation's own bytes are enough to see it.
    MALFORMED = 100
    UNKNOWN_OPERATION = 101
    NAME_LENGTH = 102
    CERTIFICATE_INCOMPLETE = 103
    AMOUNT_ZERO = 104
    AMOUNT_OUT_OF_RANGE = 105
    MEMO_LENGTH = 106
    GRANT_OUT_OF_RANGE = 107
    KIND_INVALID = 108
    TITLE_LENGTH = 109
    SEATS_OUT_OF_RANGE = 110
    UNITS_OUT_OF_RANGE = 111
    MEDIA_TYPE_INVALID = 112
    PAYLOAD_NOT_INLINE = 113
    PAYLOAD_SIZE_WRONG = 114
    PAYLOAD_HASH_WRONG = 115
    PRICE_OUT_OF_RANGE = 116
    PROVIDERS_MIN_OUT_OF_RANGE = 117
    WINDOW_OUT_OF_RANGE = 118
    RESPONSE_OUT_OF_RANGE = 119
    EXECUTION_OUT_OF_RANGE = 120
    PENALTY_OUT_OF_RANGE = 121
    BOND_OUT_OF_RANGE = 122
    REVIEW_OUT_OF_RANGE = 123
    REDISPATCH_OUT_OF_RANGE = 124
    LOCK_OVER_SUPPLY = 125
    ASK_OUT_OF_RANGE = 126
    REASON_INVALID = 127
    RESULT_TOO_LARGE = 128
    FORK_INVALID = 129
    CRITERIA_LENGTH = 130
    ASSET_UNKNOWN = 131
    AFTER_NOT_EMPTY = 132
    COPIES_OUT_OF_RANGE = 133
    COMMITMENT_MISPLACED = 134
    KEYS_DISORDERED = 135
    KEYS_MISPLACED = 136
    VERIFIER_MISPLACED = 137
    PRICES_DISORDERED = 138
    PRIORITY_OUT_OF_RANGE = 139
    CAPABILITIES_INVALID = 140
    REPUTATION_MIN_OUT_OF_RANGE = 141
    ACCOUNTS_DISORDERED = 142
    UPTIME_OUT_OF_RANGE = 143
    METRICS_INVALID = 144
    RELEASE_INVALID = 145
    NOT_BEFORE_OUT_OF_RANGE = 146
    EVALUATOR_NOT_SIGNER = 147
    QUORUM_OUT_OF_RANGE = 148
    REVEAL_OUT_OF_RANGE = 149
    SCORES_INVALID = 150
    EXTENSION_OUT_OF_RANGE = 151
    SHARE_OUT_OF_RANGE = 152
    EVIDENCE_DISORDERED = 153
    STATEMENT_LENGTH = 154
    PROGRESS_OUT_OF_RANGE = 155
    RATING_OUT_OF_RANGE = 170
    COMMENT_LENGTH = 171
    CAP_OUT_OF_RANGE = 160
    KINDS_INVALID = 161
    REQUESTER_MIN_OUT_OF_RANGE = 162
    BLOCKED_INVALID = 163
    CLAIM_INVALID = 164
    CHANGE_EMPTY = 165
    RULES_OUT_OF_RANGE = 166
    FEE_OUT_OF_RANGE = 167
    ARBITERS_INVALID = 168
    VERIFIERS_INVALID = 169

    # Existence: it names what is not there, or not there yet.
    ACCOUNT_UNKNOWN = 200
    RECIPIENT_UNKNOWN = 201
    INVITATION_UNKNOWN = 202
    KIND_UNKNOWN = 203
    TASK_UNKNOWN = 204
    ASSIGNMENT_UNKNOWN = 205
    DELIVERY_UNKNOWN = 206
    DEVICE_NOT_ADDED = 207
    DEVICE_UNKNOWN = 208
    SIGNER_UNKNOWN = 209
    EVALUATOR_UNKNOWN = 210
    ARBITER_UNKNOWN = 211
    VERIFIER_UNKNOWN = 212
    DISPUTE_UNKNOWN = 213
    ATTESTED_UNKNOWN = 220
    ATTESTATION_UNKNOWN = 221
    APPOINTED_UNKNOWN = 222

    # Authority: somebody else might do this.
    CERTIFICATE_MISSING = 300
    CERTIFICATE_MISMATCH = 301
    CERTIFICATE_FORGED = 302
    PROOF_FORGED = 303
    AUDITOR_MAY_NOT = 304
    NOT_COUNCIL = 305
    NOT_THE_INVITER = 306
    RECIPIENT_IS_SENDER = 307
    NOT_THE_REQUESTER = 308
    PROVIDER_IS_REQUESTER = 309
    NOT_OPTED_IN = 310
    TERMS_OLD = 311
    EXCLUDED = 312
    NOT_THE_PROVIDER = 313
    DEVICE_REVOKED = 314
    DEVICE_IS_OLDER = 315
    VOUCHER_MISMATCH = 316
    VOUCHER_FORGED = 317
    FORK_FORGED = 318
    JUDGES_THE_TASK = 319
    NOT_ON_THE_LIST = 320
    EXCLUDED_BY_REQUESTER = 321
    GROUP_HAS_A_COPY = 322
    CAPABILITY_MISSING = 323
    REPUTATION_TOO_LOW = 324
    NOT_ATTESTED = 325
    NOT_A_SIGNER = 326
    NOT_A_PARTY = 327
    NOT_AN_ARBITER = 328
    NOT_THE_OPENER = 329
    NOT_A_VERIFIER = 340
    ATTESTS_ITSELF = 341
    NOT_THE_ATTESTER = 342
    REQUESTER_BLOCKED = 343
    REQUESTER_BELOW_MIN = 344

    # Phase: right once, or later, or before.
    ACCOUNT_EXISTS = 400
    NOT_FIRST_ENTRY = 401
    INVITATION_EXISTS = 402
    INVITATION_USED = 403
    INVITATION_REVOKED = 404
    ALREADY_VOTED = 405
    ALREADY_DECIDED = 406
    NO_FREE_SEAT = 407
    ALREADY_RESERVED = 408
    TOO_MANY_ASSIGNMENTS = 409
    NOTHING_TO_CANCEL = 410
    WRONG_PHASE = 411
    ASSIGNMENT_CLOSED = 412
    DEVICE_EXISTS = 413
    TOO_MANY_DEVICES = 414
    ALREADY_REVOKED = 415
    FORK_KNOWN = 416
    ALREADY_SIGNED = 417
    NOT_IMPROVED = 418
    METRIC_NOT_ASKED = 419
    TOO_MUCH_EVIDENCE = 420
    ALREADY_RULED = 421
    TOO_MUCH_PROGRESS = 422
    KEY_FOR_OTHERS = 423
    RESULT_NOT_SEALED = 424
    RESULT_SEALED = 425
    NOT_SETTLED = 450
    FEEDBACK_GIVEN = 451
    ATTESTATION_ENDED = 440
    OWN_CAP_KINDS = 441
    OWN_CAP_UNITS = 442
    OWN_CAP_OPEN = 443
    RULES_NEWER = 444

    # Time: too late, too soon, too often.
    INVITATION_EXPIRED = 500
    EXPIRY_TOO_SOON = 501
    EXPIRY_TOO_LATE = 502
    OPENINGS_OVER_RATE = 503
    TREASURY_OVER_DAY_CAP = 504
    NOT_OPEN_YET = 505
    EXTENSION_TOO_LONG = 506
    FEEDBACK_TOO_LATE = 530
    ATTESTATION_TOO_SHORT = 520
    ATTESTATION_TOO_LONG = 521
    OWN_CAP_DAY = 522

    # Money: the figures do not allow it.
    BALANCE_TOO_LOW = 600
    TREASURY_TOO_LOW = 601
    ASK_ABOVE_LIMIT = 602
    BOND_SHORT = 603
    DEPOSIT_SHORT = 604
    MINT_OVER_CAP = 620


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """A verdict other than applied, with the values that its explanation names, in its order."""

    verdict: Verdict
    values: tuple[int | str | bytes, ...] = ()


_CLASSES: Final[tuple[VerdictClass, ...]] = (
    "applied",
    "form",
    "existence",
    "authority",
    "phase",
    "time",
    "money",
)


def get_verdict_class(verdict: int) -> VerdictClass:
    """Return the class of a verdict's number."""
    return _CLASSES[verdict // 100]
