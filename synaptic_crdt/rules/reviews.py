"""What signers say of deliveries: whose word counts, when it is enough, which metrics are missed.

Only reads and writes reviews; what follows from them is the seat table's.
"""

from typing import Final, Literal

from msgspec.structs import replace

from synaptic_crdt.rules.market import Market
from synaptic_crdt.rules.rows import AssignmentRow, Mark, ReviewRow, SharesRow, TaskRow

_UNREVIEWED: Final = ReviewRow(marks=(), share_ppm=0, missed=())
_UNNAMED: Final = SharesRow(requester_ppm=-1, provider_ppm=-1)

# Below any score: an approval with scores that leaves a metric out misses it.
_LEFT_OUT: Final = -1


def get_review(market: Market, delivery: bytes) -> ReviewRow:
    """Return what was said of a delivery; nothing at first."""
    return market.reviews.get(delivery) or _UNREVIEWED


def get_shares(market: Market, assignment: bytes) -> SharesRow:
    """Return the shares that the parties named; none at first."""
    return market.shares.get(assignment) or _UNNAMED


def get_signers(task: TaskRow, provider: bytes) -> tuple[bytes, ...]:
    """Return whose signatures release the pay: a provider's alone never does."""
    judge = task.evaluator or task.requester
    if task.release.policy == "quorum":
        return task.release.signers
    return (judge, provider) if task.release.policy == "both" else (judge,)


def add_mark(market: Market, delivery: bytes, mark: Mark) -> None:
    """Add a signer's word."""
    review = get_review(market, delivery)
    market.reviews.set(delivery, replace(review, marks=(*review.marks, mark)))


def propose(market: Market, delivery: bytes, share_ppm: int, missed: tuple[str, ...]) -> None:
    """Keep what is proposed to the provider."""
    review = get_review(market, delivery)
    market.reviews.set(delivery, replace(review, share_ppm=share_ppm, missed=missed))


def count_marks(
    market: Market, task: TaskRow, assignment: AssignmentRow
) -> Literal["approved", "rejected", "open"]:
    """Is the release complete, impossible, or neither yet?"""
    marks = get_review(market, assignment.delivery).marks
    approvals = sum(mark.approve for mark in marks)
    if approvals >= task.release.needed:
        return "approved"
    signers = len(get_signers(task, assignment.provider))
    rejections = len(marks) - approvals
    return "rejected" if signers - rejections < task.release.needed else "open"


def compute_missed(market: Market, task: TaskRow, assignment: AssignmentRow) -> tuple[str, ...]:
    """Return the metrics whose score, the lower median of several, is below the minimum."""
    marks = [
        mark
        for mark in get_review(market, assignment.delivery).marks
        if mark.scores and _is_judge(task, assignment, mark)
    ]
    if not marks:
        return ()
    return tuple(
        metric.slug
        for metric in task.service.metrics
        if _get_median(marks, metric.slug) < metric.minimum_ppm
    )


def compute_lower_median(values: list[int]) -> int:
    """Return the middle value, the lower of two."""
    return sorted(values)[(len(values) - 1) // 2]


def _is_judge(task: TaskRow, assignment: AssignmentRow, mark: Mark) -> bool:
    """With an evaluator named, only its scores count; a provider's own never do."""
    return mark.account != assignment.provider and task.evaluator in (b"", mark.account)


def _get_median(marks: list[Mark], slug: str) -> int:
    values = [
        next((score.value_ppm for score in mark.scores if score.slug == slug), _LEFT_OUT)
        for mark in marks
    ]
    return compute_lower_median(values)
