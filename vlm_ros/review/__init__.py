"""People look at annotations: a page that shows the worst first, and what is said there kept.

A verdict is a line of `reviews.jsonl`. The page makes them; `apply_reviews` puts them into a
dataset's records, from where every export takes them.
"""

from vlm_ros.records.reviewing import Applied
from vlm_ros.records.reviews import read_reviews, ReviewLine, REVIEWS
from vlm_ros.review.applying import apply_reviews
from vlm_ros.review.page import write_page

__all__ = [
    'REVIEWS',
    'Applied',
    'ReviewLine',
    'apply_reviews',
    'read_reviews',
    'write_page',
]
